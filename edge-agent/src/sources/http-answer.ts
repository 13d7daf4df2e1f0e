/** Answers of the HTTP door, each in the words that its client listens to, counted by status. */
import type { ServerResponse } from 'node:http';
import { problem } from '@fogline/shared/http-server';
import { type ApiVersion, errorBody } from './influx-api.ts';

/** Whom an answer is for; `version` is undefined for a path of ours, whose errors are problems (RFC 9457). */
export interface Asked {
  readonly response: ServerResponse;
  readonly version: ApiVersion | undefined;
}

export interface Refusal {
  readonly status: number;
  /** What is wrong, and what to do. */
  readonly message: string;
  /** When the same request may be taken. */
  readonly retryAfterS?: number;
}

const titles: Readonly<Record<number, string>> = {
  400: 'Not all was taken',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  413: 'Too large',
  415: 'Unknown encoding',
  503: 'Try again later',
};

export class Answers {
  readonly #counts = new Map<string, number>();

  /** By status, since the start. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  taken(response: ServerResponse): void {
    this.#send(response, 204, undefined, {});
  }

  json(response: ServerResponse, status: number, value: unknown): void {
    this.#send(response, status, JSON.stringify(value), { 'content-type': 'application/json' });
  }

  refuse({ response, version }: Asked, { status, message, retryAfterS }: Refusal): void {
    const headers = {
      'content-type': version === undefined ? 'application/problem+json' : 'application/json',
      ...(retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) }),
      ...(status === 401 ? { 'www-authenticate': 'Basic realm="fogline"' } : {}),
      ...(status === 405 ? { allow: 'POST' } : {}),
      ...(version === 1 ? { 'x-influxdb-error': message } : {}),
    };
    const body =
      version === undefined
        ? problem(status, titles[status] ?? 'Refused', message).body
        : errorBody(version, status, message);
    this.#send(response, status, body, headers);
  }

  #send(
    response: ServerResponse,
    status: number,
    body: string | undefined,
    headers: Readonly<Record<string, string>>,
  ): void {
    // Whoever left hears nothing.
    if (response.destroyed || response.headersSent) return;
    this.#counts.set(`${status}`, (this.#counts.get(`${status}`) ?? 0) + 1);
    response.writeHead(status, {
      ...headers,
      ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      'x-influxdb-version': 'fogline',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.end(body);
  }
}
