/**
 * Every error of the API as an RFC 9457 problem document. The kinds are one table: type URIs are stable and clients decide by
 * them; `detail` says what was wrong, where, and how to put it right. Bugs answer 500 without inner workings; they are logged.
 */
import { type ErrorCode, FoglineError } from '@fogline/shared/errors';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

export const problemKinds = {
  query_invalid: { status: 400, title: 'The request cannot be answered as asked' },
  request_malformed: { status: 400, title: 'The request is not well-formed HTTP' },
  unauthorized: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'The token does not allow this' },
  not_found: { status: 404, title: 'There is nothing here' },
  method_not_allowed: { status: 405, title: 'This method is not supported here' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported' },
  host_not_allowed: { status: 421, title: 'This host name is not served here' },
  rate_limited: { status: 429, title: 'Too many requests' },
  upgrade_required: { status: 426, title: 'Another protocol is spoken here' },
  headers_too_large: { status: 431, title: 'The request header fields are too large' },
  internal: { status: 500, title: 'The hub failed' },
  unavailable: { status: 503, title: 'The hub cannot answer now' },
} as const satisfies Record<string, ProblemKind>;

export type ProblemName = keyof typeof problemKinds;

/** An error that knows its place in the table. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly problem: ProblemName;
  readonly headers: Readonly<Record<string, string>>;

  constructor(problem: ProblemName, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.problem = problem;
    this.headers = headers;
  }
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The path that was asked for. */
  readonly instance?: string;
}

export const problemContentType = 'application/problem+json';

function problemType(name: ProblemName): string {
  return `urn:fogline:problem:${name.replaceAll('_', '-')}`;
}

export function problemOf(name: ProblemName, detail: string, instance?: string): Problem {
  const { status, title } = problemKinds[name];
  return { type: problemType(name), title, status, detail, ...(instance === undefined ? {} : { instance }) };
}

const byCode: Partial<Record<ErrorCode, ProblemName>> = {
  query_invalid: 'query_invalid',
  limit_exceeded: 'query_invalid',
  not_found: 'not_found',
  usage: 'query_invalid',
  unauthorized: 'unauthorized',
  forbidden: 'forbidden',
  unavailable: 'unavailable',
  storage_io: 'unavailable',
};

const byFastifyCode: Readonly<Record<string, ProblemName>> = {
  FST_ERR_BAD_URL: 'request_malformed',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'request_malformed',
  FST_ERR_CTP_INVALID_JSON_BODY: 'request_malformed',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'request_malformed',
};

/** What to do about it, where the message does not say. */
const fixByFastifyCode: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: '; send JSON, with "Content-Type: application/json"',
};

export interface Described {
  readonly name: ProblemName;
  readonly detail: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What is thrown, as a problem. Anything unknown is a bug: `internal`, and its text stays in the log. */
export function describeError(error: unknown): Described {
  if (error instanceof HttpError) return { name: error.problem, detail: error.message, headers: error.headers };
  if (error instanceof FoglineError) {
    const name = byCode[error.code];
    if (name === 'unavailable')
      return { name, detail: 'the store does not answer; the log of the hub says why. Try again', headers: {} };
    if (name !== undefined) return { name, detail: error.message, headers: {} };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const name = byFastifyCode[code];
  if (name !== undefined && error instanceof Error)
    return { name, detail: `${error.message}${fixByFastifyCode[code] ?? ''}`, headers: {} };
  return { name: 'internal', detail: 'an unexpected error; the log of the hub has it under this request', headers: {} };
}
