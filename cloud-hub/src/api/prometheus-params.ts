/** Parameters of the Prometheus door: from the URL and from a form, times in seconds, durations as PromQL writes them. Unknown ones are ignored, as Prometheus does. */
import { badData } from '../prometheus/errors.ts';
import { parseDuration } from '../prometheus/literals.ts';

export class PrometheusParams {
  readonly #search: URLSearchParams;

  constructor(url: string, form: string) {
    const begin = url.indexOf('?');
    // A question mark may stand in a query too: `device=~"dev-0?"`.
    this.#search = new URLSearchParams(begin === -1 ? '' : url.slice(begin));
    for (const [name, value] of new URLSearchParams(form)) this.#search.append(name, value);
  }

  all(name: string): string[] {
    return this.#search.getAll(name);
  }

  /** Throws `query_invalid` when it is missing. */
  text(name: string): string {
    const value = this.#search.get(name);
    if (value === null || value === '') throw badData(`invalid parameter "${name}": it is missing`);
    return value;
  }

  /** Unix seconds or RFC 3339 → integer ms. */
  time(name: string, otherwiseMs: number): number;
  time(name: string, otherwiseMs: undefined): number | undefined;
  time(name: string, otherwiseMs: number | undefined): number | undefined {
    const text = this.#search.get(name);
    if (text === null || text === '') return otherwiseMs;
    const ms = /^-?[\d.]+(e[+-]?\d+)?$/i.test(text) ? Number(text) * 1000 : fromRfc3339(text);
    if (!(Math.abs(ms) <= timeMax)) {
      throw badData(
        `invalid parameter "${name}": cannot parse ${JSON.stringify(text.slice(0, 60))} to a valid timestamp; write seconds since the epoch, or RFC 3339 with offset`,
      );
    }
    return Math.round(ms);
  }

  requiredTime(name: string): number {
    this.text(name);
    return this.time(name, 0);
  }

  /** `15s` or seconds → integer ms above 0. */
  duration(name: string): number | undefined {
    const text = this.#search.get(name);
    if (text === null || text === '') return undefined;
    const ms =
      parseDuration(text) ?? (/^[\d.]+(e[+-]?\d+)?$/i.test(text) ? Math.round(Number(text) * 1000) : Number.NaN);
    if (ms >= 1 && Number.isFinite(ms)) return ms;
    throw badData(
      `invalid parameter "${name}": ${JSON.stringify(text.slice(0, 60))} is not a duration above zero; write 15s, or seconds`,
    );
  }

  /** 0 or absent: none. */
  limit(): number {
    const text = this.#search.get('limit') ?? '';
    if (text === '' || text === '0') return Number.POSITIVE_INFINITY;
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw badData(`invalid parameter "limit": ${JSON.stringify(text.slice(0, 60))} is not a whole number`);
  }
}

const timeMax = 8_640_000_000_000_000;

function fromRfc3339(text: string): number {
  // A plus sign that was not percent-encoded arrives as a space.
  const repaired = text.replace(/ (\d{2}:\d{2})$/, '+$1');
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i.test(repaired)
    ? Date.parse(repaired)
    : Number.NaN;
}
