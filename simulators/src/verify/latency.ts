/**
 * How long it takes from publishing a reading to the hub's answering with it: while a fleet runs, the newest reading of one device
 * after the other is taken from the growing truth file, and the hub is asked until it has it. Asking again and again limits the
 * resolution to the time between two answers.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { Sketch } from '@fogline/shared/aggregate/sketch';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError, hasCode, messageOf } from '@fogline/shared/errors';
import { type HubAddress, HubClient } from '@fogline/shared/hub-client';
import { parseTruthLine } from './truth.ts';

export interface Latencies {
  readonly count: number;
  /** NaN when there is none. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const pollMs = 5;
const patienceMs = 60_000;
const quietMs = 2_000;
const chunkBytes = 256 * 1024;

/** Throws `usage` for a file that cannot be read, and what the hub's API throws. */
export async function watchLatency(
  paths: readonly string[],
  hub: HubAddress,
  forMs: number,
  clock: Clock,
): Promise<Latencies> {
  const tails = paths.map((path) => new Tail(path));
  const latencies = new Sketch();
  const endMs = clock.monotonic() + forMs;
  try {
    for (const tail of tails) tail.skip();
    while (clock.monotonic() < endMs) {
      const probe = tails.map((tail) => tail.newest()).find((found) => found !== undefined);
      if (probe !== undefined && (await untilThere(probe, hub, clock))) {
        latencies.add(Math.max(0, clock.now() - probe.wallMs), 1);
      }
      await pause(clock);
    }
  } finally {
    for (const tail of tails) tail.close();
  }
  return { count: latencies.count, p50Ms: latencies.quantile(0.5), p99Ms: latencies.quantile(0.99) };
}

/** Resolves when the files have not grown for a while: the fleet has ended. Throws `usage` when they still grow after `waitMs`. */
export async function untilQuiet(paths: readonly string[], waitMs: number, clock: Clock): Promise<void> {
  const deadlineMs = clock.monotonic() + waitMs;
  const bytes = (): number => paths.reduce((sum, path) => sum + statSync(path).size, 0);
  for (let before = -1, now = bytes(); before !== now; now = bytes()) {
    if (before >= 0 && clock.monotonic() >= deadlineMs) {
      throw new FoglineError('usage', 'the truth file still grows: stop the fleet, or give a longer --wait');
    }
    before = now;
    await new Promise<void>((resolve) => void clock.after('truth quiet', quietMs, resolve));
  }
}

interface Probe {
  readonly device: string;
  readonly timeMs: number;
  readonly wallMs: number;
}

/** False when it did not come in time. */
async function untilThere({ device, timeMs }: Probe, hub: HubAddress, clock: Clock): Promise<boolean> {
  const client = new HubClient(hub);
  const match = [`{device=${JSON.stringify(device)}}`];
  const deadlineMs = clock.monotonic() + patienceMs;
  while (clock.monotonic() < deadlineMs) {
    try {
      const { latest } = await client.get('latest', { match });
      if (latest.some((row) => row.timeMs >= timeMs)) return true;
    } catch (error) {
      // A hub that is being restarted is part of what is measured.
      if (!hasCode(error, 'unavailable')) throw error;
    }
    await pause(clock);
  }
  return false;
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.after('latency poll', pollMs, resolve));
}

/** The end of a file that grows. */
class Tail {
  readonly #file: number;
  readonly #chunk = Buffer.alloc(chunkBytes);
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #wallMs: number | undefined;

  constructor(path: string) {
    try {
      this.#file = openSync(path, 'r');
    } catch (error) {
      throw new FoglineError('usage', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** What is there already is history. */
  skip(): void {
    while (readSync(this.#file, this.#chunk, 0, chunkBytes, null) > 0) continue;
  }

  /** The last message that was sent since the last question. */
  newest(): Probe | undefined {
    let found: Probe | undefined;
    for (;;) {
      const bytes = readSync(this.#file, this.#chunk, 0, chunkBytes, null);
      if (bytes === 0) return found;
      const lines = (this.#rest + this.#decoder.write(this.#chunk.subarray(0, bytes))).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const text of lines) {
        const line = parseTruthLine(text);
        if (line?.kind === 'wall') this.#wallMs = line.wallMs;
        else if (line?.kind === 'sent' && this.#wallMs !== undefined && Object.keys(line.values).length > 0) {
          found = { device: line.device, timeMs: line.timeMs, wallMs: this.#wallMs };
        }
      }
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
