/**
 * One WebSocket: subscriptions come and go by messages, each with a name that the client chose. While the client does not read, its
 * subscriptions send nothing and remember nothing but a position; when it reads again it gets the current value of each series that
 * changed, and how many items it did not see. One that does not answer pings is cut off.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import { z } from 'zod';
import type { LiveFeed, Watch } from './feed.ts';
import type { Frame } from './frames.ts';
import type { Sessions } from './sessions.ts';

export interface SocketPort {
  /** The client has not read what was sent. */
  readonly isFull: boolean;
  send(text: string): void;
  ping(): void;
  /** Says why, waits for the client's farewell. */
  close(code: number, reason: string): void;
  /** At once. */
  terminate(): void;
  onMessage(listener: (text: string) => void): void;
  onPong(listener: () => void): void;
  onDrained(listener: () => void): void;
  onClosed(listener: () => void): void;
}

export interface SocketRequest {
  readonly sites: readonly string[] | undefined;
  mayStay(): boolean;
}

const socketLimits = {
  subscriptionsMax: 64,
  /** Messages of a client: so many at once, and so many a second. */
  messagesBurst: 100,
  messagesPerSecond: 10,
  beatMs: 15_000,
  missedBeatsMax: 2,
} as const;

const messageOfClient = z.union([
  z.strictObject({
    subscribe: z.string().min(1).max(64),
    match: z.union([z.string(), z.array(z.string()).max(100)]).optional(),
  }),
  z.strictObject({ unsubscribe: z.string().min(1).max(64) }),
]);

const policyViolation = 1008;
const goingAway = 1001;

interface Room {
  readonly feed: LiveFeed;
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'error'>;
}

/** Throws `limit_exceeded` when there is no room. */
export function serveSocket(room: Room, request: SocketRequest, port: SocketPort): void {
  new SocketSession(room, request, port).begin();
}

class SocketSession {
  readonly #feed: LiveFeed;
  readonly #clock: Clock;
  readonly #log: Pick<Logger, 'error'>;
  readonly #request: SocketRequest;
  readonly #port: SocketPort;
  readonly #leave: () => void;
  /** Undefined while the series are being found. */
  readonly #watches = new Map<string, { watch: Watch | undefined }>();
  #allowance: number = socketLimits.messagesBurst;
  #allowedAtMs: number;
  #missedBeats = 0;
  #beat: Timer | undefined;
  #isOver = false;

  constructor({ feed, sessions, clock, log }: Room, request: SocketRequest, port: SocketPort) {
    this.#feed = feed;
    this.#clock = clock;
    this.#log = log;
    this.#request = request;
    this.#port = port;
    this.#allowedAtMs = clock.monotonic();
    this.#leave = sessions.join({
      mayStay: () => request.mayStay(),
      isOfSites: request.sites !== undefined,
      close: (reason) => this.#end(request.mayStay() ? goingAway : policyViolation, reason),
    });
  }

  begin(): void {
    const port = this.#port;
    port.onMessage((text) => this.#take(text));
    port.onPong(() => {
      this.#missedBeats = 0;
    });
    port.onDrained(() => {
      for (const { watch } of this.#watches.values()) watch?.pump();
    });
    port.onClosed(() => this.#done());
    this.#armBeat();
  }

  #take(text: string): void {
    if (this.#isOver) return;
    if (!this.#isAllowed()) {
      const { messagesPerSecond } = socketLimits;
      this.#end(policyViolation, `more than ${messagesPerSecond} messages a second`);
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    const message = messageOfClient.safeParse(value);
    if (!message.success) {
      this.#problem(
        undefined,
        'send {"subscribe": "NAME", "match": "temperature{device=\\"d1\\"}"} or {"unsubscribe": "NAME"}',
      );
    } else if ('unsubscribe' in message.data) this.#unsubscribe(message.data.unsubscribe);
    else void this.#subscribe(message.data.subscribe, [message.data.match ?? []].flat());
  }

  async #subscribe(name: string, match: readonly string[]): Promise<void> {
    const { subscriptionsMax } = socketLimits;
    if (this.#watches.has(name)) return this.#problem(name, 'this name is taken; unsubscribe first, or choose another');
    if (this.#watches.size >= subscriptionsMax)
      return this.#problem(name, `${subscriptionsMax} subscriptions are the most of one socket`);
    const entry: { watch: Watch | undefined } = { watch: undefined };
    this.#watches.set(name, entry);
    const { sites } = this.#request;
    const isWanted = (): boolean => this.#watches.get(name) === entry;
    const port = this.#port;
    const sink = {
      get isFull() {
        return port.isFull || !isWanted();
      },
      send: (frame: Frame) => this.#send(name, frame.type, frame.fields),
      end: (reason: string) => this.#end(goingAway, reason),
    };
    try {
      const watch = await this.#feed.watch({ match, sites }, 'latest', sink);
      if (isWanted()) entry.watch = watch;
      else watch.close();
    } catch (error) {
      if (!isWanted()) return;
      this.#watches.delete(name);
      if (error instanceof FoglineError) return this.#problem(name, error.message);
      this.#log.error({ error }, 'a subscription failed');
      this.#problem(name, 'the hub failed; its log says why');
    }
  }

  #unsubscribe(name: string): void {
    const entry = this.#watches.get(name);
    if (entry === undefined) return this.#problem(name, 'there is no subscription of this name');
    this.#watches.delete(name);
    entry.watch?.close();
    this.#send(name, 'unsubscribed', '');
  }

  #problem(name: string | undefined, detail: string): void {
    this.#send(name, 'problem', `"detail":${JSON.stringify(detail)}`);
  }

  #send(name: string | undefined, type: string, fields: string): void {
    const head = name === undefined ? '' : `"subscription":${JSON.stringify(name)},`;
    this.#port.send(`{${head}"type":"${type}"${fields === '' ? '' : ','}${fields}}`);
  }

  /** A token bucket. */
  #isAllowed(): boolean {
    const nowMs = this.#clock.monotonic();
    const earned = ((nowMs - this.#allowedAtMs) / 1000) * socketLimits.messagesPerSecond;
    this.#allowance = Math.min(socketLimits.messagesBurst, this.#allowance + earned);
    this.#allowedAtMs = nowMs;
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }

  #armBeat(): void {
    this.#beat = this.#clock.after('live.beat', socketLimits.beatMs, () => {
      if (this.#missedBeats++ >= socketLimits.missedBeatsMax) return this.#port.terminate();
      this.#port.ping();
      this.#armBeat();
    });
  }

  #end(code: number, reason: string): void {
    this.#done();
    this.#port.close(code, reason);
  }

  #done(): void {
    this.#isOver = true;
    this.#beat?.cancel();
    for (const { watch } of this.#watches.values()) watch?.close();
    this.#watches.clear();
    this.#leave();
  }
}
