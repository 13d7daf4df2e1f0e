/**
 * Times as people write them. Nothing is guessed: a time without an offset, or a number that looks like
 * seconds, is refused with the likely fix.
 */
import { FoglineError } from '@fogline/shared/errors';
import { formatDuration, parseDurationMs } from '@fogline/shared/units';

/** Numbers below this are seconds in all likelihood: in milliseconds it is March 1973, in seconds the year 5138. */
const epochMsPlausibleMin = 100_000_000_000;
const timeMax = 8_640_000_000_000_000;

const forms = 'write now-6h, 2026-01-31T08:00:00Z (with offset) or milliseconds since the epoch';

/** `now`, `now-6h`, RFC 3339 with offset, or epoch milliseconds → integer ms. Throws `query_invalid`. */
export function parseTime(name: string, text: string, nowMs: number): number {
  const relative = /^now\s*(?:([+-])\s*(.+))?$/.exec(text);
  if (relative !== null) {
    const [, sign, amount] = relative;
    if (sign === undefined || amount === undefined) return nowMs;
    const parsed = parseDurationMs(amount);
    if ('problem' in parsed) throw invalid(`${name}: ${parsed.problem}`);
    return checked(name, nowMs + (sign === '-' ? -parsed.value : parsed.value));
  }
  if (/^-?\d+(\.\d+)?$/.test(text)) return fromNumber(name, text);
  return fromRfc3339(name, text);
}

function fromNumber(name: string, text: string): number {
  const value = Number(text);
  if (Math.abs(value) < epochMsPlausibleMin && value !== 0) {
    const asMs = Math.round(value * 1000);
    const date = isInRange(asMs) && Math.abs(value) >= 1e6 ? ` (${new Date(asMs).toISOString()})` : '';
    throw invalid(`${name}: ${text} looks like seconds; times are milliseconds since the epoch: write ${asMs}${date}`);
  }
  if (!Number.isInteger(value))
    throw invalid(`${name}: ${text} is finer than whole milliseconds: write ${Math.round(value)}`);
  return checked(name, value);
}

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}:\d{2})?$/;

function fromRfc3339(name: string, text: string): number {
  // A plus sign that was not percent-encoded in a URL arrives as a space.
  const repaired = text.replace(/ (\d{2}:\d{2})$/, '+$1');
  const match = rfc3339.exec(repaired) ?? rfc3339.exec(text);
  if (match === null) {
    const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
    throw invalid(
      `${name}: "${text.slice(0, 60)}" is not a time; ${isDate ? `write ${text}T00:00:00Z, or with your offset` : forms}`,
    );
  }
  const [, year, month, day, hour, minute, second, fraction = '', offset] = match;
  if (offset === undefined) {
    throw invalid(
      `${name}: "${text}" has no offset, so it names no instant; write ${text.replace(' ', 'T')}Z for UTC, or for example ${text.replace(' ', 'T')}+01:00`,
    );
  }
  if (/[1-9]/.test(fraction.slice(3)))
    throw invalid(`${name}: "${text}" is finer than milliseconds: use three decimals`);
  const local = new Date(0);
  local.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  local.setUTCHours(Number(hour), Number(minute), Number(second), Number(fraction.padEnd(3, '0').slice(0, 3)));
  const isReal =
    local.getUTCMonth() === Number(month) - 1 &&
    local.getUTCDate() === Number(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60;
  if (!isReal) throw invalid(`${name}: "${text}" names a date or time of day that does not exist`);
  return local.getTime() - offsetMs(name, offset);
}

function offsetMs(name: string, offset: string): number {
  if (offset === 'Z' || offset === 'z') return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(4, 6));
  if (hours > 23 || minutes > 59) throw invalid(`${name}: the offset ${offset} does not exist`);
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

export interface TimeRange {
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

/** Both ends; `to` defaults to now. Throws `query_invalid` when the range is empty or turned round. */
export function parseRange(from: string, to: string | undefined, nowMs: number): TimeRange {
  const fromMs = parseTime('from', from, nowMs);
  const toMs = parseTime('to', to ?? 'now', nowMs);
  if (fromMs === toMs)
    throw invalid(`from and to are the same instant; ranges are half open [from, to), so nothing can be in it`);
  if (fromMs > toMs) {
    throw invalid(
      `from (${isoOf(fromMs)}) is after to (${isoOf(toMs)}); exchange them${to === undefined ? ', or give to: it defaults to now' : ''}`,
    );
  }
  return { fromMs, toMs };
}

export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** `90s` rather than `1m 30s`: one number and one unit, as `every` is written. */
export function compact(ms: number): string {
  for (const [unit, factor] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const) {
    if (ms % factor === 0 && ms > 0) return `${ms / factor}${unit}`;
  }
  return formatDuration(ms);
}

function checked(name: string, ms: number): number {
  if (!isInRange(ms)) throw invalid(`${name}: ${ms} is outside the calendar; ${forms}`);
  return ms;
}

function isInRange(ms: number): boolean {
  return Math.abs(ms) <= timeMax;
}

function invalid(message: string): FoglineError {
  return new FoglineError('query_invalid', message);
}
