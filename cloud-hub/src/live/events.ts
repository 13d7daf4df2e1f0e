/**
 * Server-sent events: one stream, one question. A client that is slow is waited for; one that is too slow, or comes back too late, gets
 * `reset` and begins anew. Comments keep the connection alive, and carry the id on, so that a quiet stream can be resumed too.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { LiveFeed, Question, Watch } from './feed.ts';
import type { Frame } from './frames.ts';
import type { Sessions } from './sessions.ts';

/** One HTTP answer that stays open. */
export interface EventPort {
  /** The client has not read what was written. */
  readonly isFull: boolean;
  readonly isClosed: boolean;
  write(text: string): void;
  end(): void;
  onDrained(listener: () => void): void;
  onClosed(listener: () => void): void;
}

export interface EventRequest extends Question {
  readonly lastId: string | undefined;
  mayStay(): boolean;
}

const beatMs = 15_000;
/** How long a client waits before it comes back. */
const retryMs = 2_000;

/** Resolves when the stream is under way. Rejects, with nothing written, as `LiveFeed.watch` does. */
export async function serveEvents(
  { feed, sessions, clock }: { readonly feed: LiveFeed; readonly sessions: Sessions; readonly clock: Clock },
  request: EventRequest,
  port: EventPort,
): Promise<void> {
  let watch: Watch | undefined;
  let beat: Timer | undefined;
  let hasBegun = false;
  const write = (text: string): void => {
    port.write(hasBegun ? text : `retry: ${retryMs}\n\n${text}`);
    hasBegun = true;
  };
  const end = (reason: string): void => {
    if (!port.isClosed) write(`event: end\ndata: ${JSON.stringify({ reason })}\n\n`);
    port.end();
    done();
  };
  const leave = sessions.join({ mayStay: request.mayStay, isOfSites: request.sites !== undefined, close: end });
  const done = (): void => {
    beat?.cancel();
    watch?.close();
    leave();
  };
  port.onClosed(done);
  const send = ({ type, fields, at }: Frame): void => {
    const id = at === undefined ? '' : `id: ${feed.idOf(request, at)}\n`;
    write(`${id}event: ${type}\ndata: {${fields}}\n\n`);
  };
  const sink = {
    get isFull() {
      return port.isFull || port.isClosed;
    },
    send,
    end,
  };
  try {
    watch = await feed.watch(request, 'complete', sink, request.lastId);
  } catch (error) {
    done();
    throw error;
  }
  if (port.isClosed) return done();
  const following = watch;
  port.onDrained(() => following.pump());
  const keepAlive = (): void => {
    beat = clock.after('live.beat', beatMs, () => {
      const at = following.place();
      if (!sink.isFull) write(`${at === undefined ? '' : `id: ${feed.idOf(request, at)}\n`}: still here\n\n`);
      keepAlive();
    });
  };
  keepAlive();
}
