/**
 * Sends a source over as many connections as it has lanes, at the pace of device time, and keeps count. The same engine serves
 * fleets and replays.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Random } from '@fogline/shared/random';
import { Lane, type LaneCounts } from './lane.ts';
import type { Source } from './source.ts';
import type { TruthWriter } from './truth-writer.ts';
import type { Qos, Wire } from './wire.ts';

export interface SenderOptions {
  readonly source: Source;
  readonly wire: Wire;
  readonly qos: Qos;
  /** Unsettled messages per connection. */
  readonly window: number;
  readonly truth?: TruthWriter;
  readonly clock: Clock;
  readonly random: Random;
  /** Device time at the moment of opening. */
  readonly startMs: number;
  /** Device seconds per second; 0 = as fast as acks allow. */
  readonly speed: number;
  /** Client ids are this, a dash and the lane. */
  readonly clientPrefix: string;
}

export interface SenderStats {
  /** Messages, each counted once. */
  readonly sent: number;
  /** Transmissions beyond the first. */
  readonly resent: number;
  /** Acked; at QoS 0 handed to the operating system. */
  readonly settled: number;
  /** Sent at QoS 1 or 2 and not acked. */
  readonly unsettled: number;
  readonly connects: number;
  readonly disconnects: number;
  /** Why a connection ended last, '' while none did. */
  readonly lastReason: string;
}

export interface Sender {
  /** Resolves when the source is exhausted and everything is settled. */
  readonly done: Promise<void>;
  stats(): SenderStats;
  /** Takes nothing more, waits up to `graceMs` for what is unsettled, and disconnects. */
  stop(graceMs: number): Promise<void>;
}

const truthFlushMs = 200;

export function openSender(options: SenderOptions): Sender {
  const { clock, truth, source, speed, startMs } = options;
  const openedMs = clock.monotonic();
  const counts: LaneCounts = { sent: 0, resent: 0, settled: 0, connects: 0, disconnects: 0, lastReason: '' };
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const deviceNowMs = (): number => (speed === 0 ? Infinity : startMs + (clock.monotonic() - openedMs) * speed);
  let lanesLeft = source.lanes;
  const lanes = Array.from(
    { length: source.lanes },
    (_, lane) =>
      new Lane({
        ...options,
        lane,
        clientId: `${options.clientPrefix}-${lane}`,
        truth,
        deviceNowMs,
        untilMs: (deviceMs) => (speed === 0 ? 0 : (deviceMs - deviceNowMs()) / speed),
        onDone: () => {
          if (--lanesLeft === 0) resolve();
        },
        counts,
      }),
  );
  let flushTimer: Timer | undefined;
  const flushLater = (): void => {
    truth?.flush();
    flushTimer = clock.after('truth flush', truthFlushMs, flushLater);
  };
  if (truth !== undefined) flushLater();
  let isEnded = false;
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    flushTimer?.cancel();
    for (const lane of lanes) lane.end();
    truth?.close();
  };
  return {
    done,
    stats: () => ({ ...counts, unsettled: lanes.reduce((sum, lane) => sum + lane.unsettled, 0) }),
    async stop(graceMs) {
      for (const lane of lanes) lane.drain();
      await new Promise<void>((settled) => {
        const grace = clock.after('fleet grace', graceMs, settled);
        void done.then(() => {
          grace.cancel();
          settled();
        });
      });
      end();
    },
  };
}
