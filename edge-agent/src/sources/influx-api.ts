/**
 * The words of InfluxDB's write API, as far as its clients listen to them. Telegraf's `influxdb` output drops a batch on every 4xx and
 * sends it again on 5xx; `influxdb_v2` drops on 400, splits on 413, and waits for Retry-After on 429 and 503. So whatever may still
 * be taken later is answered by 503, and 400 says which lines were not taken and that the others were.
 */
import type { Precision } from '../decoders/decoder.ts';
import type { RejectionReason } from '../decoders/rejections.ts';

/** The topic under which both write paths lead to a source. */
export const writeTopic = 'write';

/** Paths with a meaning of their own, as topics. */
export const reservedPaths = [writeTopic, 'api/v2/write', 'ping', 'health', 'query'] as const;

export type ApiVersion = 1 | 2;

const precisions: ReadonlyMap<string, Precision> = new Map([
  ['ns', 'ns'],
  ['n', 'ns'],
  ['us', 'us'],
  ['u', 'us'],
  ['µ', 'us'],
  ['ms', 'ms'],
  ['s', 's'],
  ['m', 'm'],
  ['h', 'h'],
]);

/** Undefined for a word that names none; `given` is null when the request tells none. */
export function precisionOf(given: string | null): Precision | 'as configured' | undefined {
  return given === null || given === '' ? 'as configured' : precisions.get(given);
}

const codes: Readonly<Record<number, string>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  413: 'request too large',
  501: 'not implemented',
  503: 'unavailable',
};

/** The body of an answer that is no success. */
export function errorBody(version: ApiVersion, status: number, message: string): string {
  return JSON.stringify(version === 1 ? { error: message } : { code: codes[status] ?? 'invalid', message });
}

/** What became of a request whose lines were not all taken. */
export class Refusals {
  readonly #shown: string[] = [];
  /** Of what was refused; several fields of one line count each. */
  count = 0;
  readonly #shownMax = 5;

  add(reason: RejectionReason, line: number): void {
    this.count++;
    if (this.#shown.length < this.#shownMax) this.#shown.push(line === 0 ? reason : `line ${line}: ${reason}`);
  }

  /** `readings`: how many were taken. */
  message(readings: number): string {
    const more = this.count > this.#shown.length ? `, and ${this.count - this.#shown.length} more` : '';
    return `partial write: ${this.#shown.join(', ')}${more} dropped=${this.count}; the other ${readings} readings were taken`;
  }
}
