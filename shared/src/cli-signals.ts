/**
 * Running a service until it is told to stop. The first SIGINT or SIGTERM asks it to stop in order, a later one ends
 * the process at once. A repetition within a second counts as the first: a terminal signals the whole process group and
 * npm passes the signal on as well, so one Ctrl-C arrives twice. Listening never ends, because the repetition may come when
 * everything has stopped already, and must not kill a process that is about to say so.
 */
import { type Clock, systemClock } from './clock.ts';

export interface Running {
  /** Stops in order; called once. */
  stop(): Promise<void>;
  /** Rejects when the service cannot go on (a failed commit, for instance); it is then stopped and the error thrown. */
  readonly failed?: Promise<never>;
  /** Resolves when a job that ends by itself is done; it is then stopped. A server has none. */
  readonly finished?: Promise<void>;
}

export interface SignalPorts {
  readonly clock: Clock;
  on(listener: () => void): void;
  exit(code: number): void;
}

const repetitionMs = 1_000;
const stopSignals = ['SIGINT', 'SIGTERM'] as const;

const processPorts: SignalPorts = {
  clock: systemClock,
  on: (listener) => {
    for (const signal of stopSignals) process.on(signal, listener);
  },
  exit: (code) => process.exit(code),
};

/** Resolves after an orderly stop. `start` gets a signal that is aborted when stopping begins, so it can give up early. */
export async function runUntilSignal(
  start: (stopping: AbortSignal) => Promise<Running>,
  ports: SignalPorts = processPorts,
): Promise<void> {
  const stopping = new AbortController();
  let firstAtMs: number | undefined;
  const { promise: signalled, resolve } = Promise.withResolvers<void>();
  const onSignal = (): void => {
    const nowMs = ports.clock.monotonic();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      stopping.abort();
      resolve();
    } else if (nowMs - firstAtMs >= repetitionMs) {
      ports.exit(1);
    }
  };
  ports.on(onSignal);
  try {
    const running = await start(stopping.signal);
    try {
      await Promise.race([signalled, running.failed, running.finished].filter((end) => end !== undefined));
    } finally {
      await running.stop();
    }
  } catch (error) {
    // A start that gave up because it was told to has done as asked.
    if (error !== stopping.signal.reason) throw error;
  }
}
