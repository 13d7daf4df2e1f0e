/** Errors of a query, told apart as Prometheus does: what was asked for is wrong, or answering it failed. */
import { FoglineError } from '@fogline/shared/errors';

/** The query cannot be answered as asked: HTTP 400, `bad_data`. */
export function badData(message: string): FoglineError {
  return new FoglineError('query_invalid', message);
}

/** The query is well-formed, but its data or its size stand in the way: HTTP 422, `execution`. */
export function failed(message: string, cause?: unknown): FoglineError {
  return new FoglineError('limit_exceeded', message, cause === undefined ? {} : { cause });
}
