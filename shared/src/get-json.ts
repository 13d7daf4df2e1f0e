/** GET of JSON: for what hub and agents tell about themselves. */
import { FoglineError, messageOf } from './errors.ts';

const requestTimeoutMs = 60_000;

/** The parsed answer. Throws `unavailable` when the hub does not answer, `unauthorized` when it refuses, `message_invalid` for the rest. */
export async function getJson(url: URL, token: string | undefined): Promise<unknown> {
  let status: number;
  let body: string;
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(requestTimeoutMs) });
    status = response.status;
    body = await response.text();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new FoglineError('unavailable', `${url.origin} does not answer: ${messageOf(cause)}`, { cause: error });
  }
  if (status === 200) return parse(url, body);
  const code =
    status === 401 || status === 403
      ? 'unauthorized'
      : status >= 500 || status === 429
        ? 'unavailable'
        : 'message_invalid';
  throw new FoglineError(code, `${url.pathname} answered ${status}: ${body.slice(0, 300)}`);
}

function parse(url: URL, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new FoglineError('message_invalid', `${url.pathname} answered what is not JSON`, { cause: error });
  }
}
