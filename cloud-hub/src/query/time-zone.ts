/**
 * Offsets of an IANA time zone, from the runtime's own tables (ICU). A wall time is milliseconds of local clock time, counted as if they
 * were UTC, so that calendar arithmetic can be done on it.
 */
import { FoglineError } from '@fogline/shared/errors';
import { didYouMean } from '@fogline/shared/suggest';

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** Offsets remembered; beyond it all are asked anew. */
const offsetsMax = 20_000;

export class TimeZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  readonly #offsets = new Map<number, number>();

  private constructor(name: string, format: Intl.DateTimeFormat) {
    this.name = name;
    this.#format = format;
  }

  /** Throws `query_invalid` when there is no such zone. */
  static of(name: string): TimeZone {
    try {
      const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
      return new TimeZone(name, format);
    } catch (cause) {
      const hint = didYouMean(name, Intl.supportedValuesOf('timeZone'));
      const message = `tz: "${name.slice(0, 60)}" is no IANA time zone${hint}; write for example Europe/Paris or UTC`;
      throw new FoglineError('query_invalid', message, { cause });
    }
  }

  /** Local time minus UTC at this instant, ms. */
  offsetAt(ms: number): number {
    const known = this.#offsets.get(ms);
    if (known !== undefined) return known;
    if (this.#offsets.size >= offsetsMax) this.#offsets.clear();
    const parts = this.#format.formatToParts(ms);
    const offset = offsetMs(parts.find(({ type }) => type === 'timeZoneName')?.value ?? '');
    this.#offsets.set(ms, offset);
    return offset;
  }

  /** The first instant with another offset than at `fromMs`, in (fromMs, toMs]; undefined when there is none. Found when at least a day apart from the next. */
  transition(fromMs: number, toMs: number): number | undefined {
    const offset = this.offsetAt(fromMs);
    for (let low = fromMs; low < toMs; ) {
      let high = Math.min(low + dayMs, toMs);
      if (this.offsetAt(high) === offset) {
        low = high;
        continue;
      }
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (this.offsetAt(middle) === offset) low = middle;
        else high = middle;
      }
      return high;
    }
    return undefined;
  }

  /** The first instant whose wall time is `wallMs`, or the end of the jump that skips it. */
  instantOf(wallMs: number): number {
    const around = [this.offsetAt(wallMs - dayMs), this.offsetAt(wallMs + dayMs)];
    const [first = 0, second = 0] = around.map((offset) => wallMs - offset);
    const found = [Math.min(first, second), Math.max(first, second)].find((ms) => ms + this.offsetAt(ms) === wallMs);
    return found ?? this.transition(Math.min(first, second) - hourMs, Math.max(first, second) + hourMs) ?? second;
  }
}

/** `GMT`, `GMT+05:45`, `GMT-00:01:15` → ms. */
function offsetMs(text: string): number {
  const match = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (match === null) throw new RangeError(`an offset that nobody knows: ${text}`);
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = match;
  const ms = (Number(hours) * 60 + Number(minutes)) * 60_000 + Number(seconds) * 1_000;
  return sign === '-' ? -ms : ms;
}
