/**
 * One signed POST to a webhook: to an address that may be reached, within its time, without following redirects or reading the answer. The
 * form is that of Standard Webhooks: the signature covers id, time and body.
 */
import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Clock } from '@fogline/shared/clock';
import { messageOf } from '@fogline/shared/errors';
import { guardedLookup, hostOf, refusalOfHost } from './address-guard.ts';

export interface WebhookTarget {
  readonly url: URL;
  /** Key of the signature. */
  readonly key: Uint8Array;
  /** Loopback and private addresses too. */
  readonly allowsPrivate: boolean;
}

export interface Message {
  /** The same for each attempt, so that a receiver can know a repeat. */
  readonly id: string;
  /** JSON. */
  readonly body: string;
}

/** `refused`: the server will never take this message. `failed`: it may take it later. */
export type PostResult = { readonly kind: 'done' } | { readonly kind: 'refused' | 'failed'; readonly why: string };

export interface PostPorts {
  readonly clock: Clock;
  /** How names are resolved; default: by the system. */
  readonly lookup?: LookupFunction;
}

const attemptMsMax = 10_000;
/** The content is at fault, not the time or the server. */
const refusing: ReadonlySet<number> = new Set([400, 413, 422]);

/** `v1,BASE64`: HMAC-SHA256 over `ID.SECONDS.BODY`. */
function signatureOf(key: Uint8Array, { id, body }: Message, seconds: number): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
}

/** Never rejects; ends at once when aborted. */
export function postMessage(
  target: WebhookTarget,
  message: Message,
  signal: AbortSignal,
  ports: PostPorts,
): Promise<PostResult> {
  const { url, key, allowsPrivate } = target;
  const { clock, lookup = guardedLookup(allowsPrivate) } = ports;
  const seconds = Math.floor(clock.now() / 1000);
  const host = hostOf(url);
  const why = refusalOfHost(host, allowsPrivate);
  if (why !== undefined) return Promise.resolve({ kind: 'failed', why: `${host}: ${why}` });
  return new Promise((resolve) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
      method: 'POST',
      hostname: host,
      port: url.port,
      path: `${url.pathname}${url.search}`,
      // A connection of its own, so that the lookup above is asked for each.
      agent: false,
      lookup,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(message.body),
        'user-agent': 'fogline-hub',
        'webhook-id': message.id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': signatureOf(key, message, seconds),
      },
    });
    const timer = clock.after('hub.webhook', attemptMsMax, () => end({ kind: 'failed', why: 'no answer in 10 s' }));
    const end = (result: PostResult): void => {
      timer.cancel();
      request.destroy();
      resolve(result);
    };
    request.on('response', ({ statusCode = 0 }) => end(resultOf(statusCode)));
    request.on('error', (error) => end({ kind: 'failed', why: messageOf(error) }));
    request.end(message.body);
  });
}

function resultOf(status: number): PostResult {
  if (status >= 200 && status < 300) return { kind: 'done' };
  if (status >= 300 && status < 400) return { kind: 'failed', why: `answered ${status}: redirects are not followed` };
  return { kind: refusing.has(status) ? 'refused' : 'failed', why: `answered ${status}` };
}
