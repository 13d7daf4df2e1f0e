/**
 * When the fresh rows of a lane are sealed: once they have lingered, or are enough for a batch, as far as the window of the hub allows.
 * Alarms do not linger. Decides inside commits; what it decided is durable with them.
 */
import type { Clock } from '@fogline/shared/clock';
import { alarmLane } from '@fogline/shared/protocol/alarm-stream';
import { type Lane, laneCount } from '@fogline/shared/protocol/limits';
import type { CommitRecord } from '../journal/commit-record.ts';
import { batchBytesMax } from './envelope.ts';
import type { Outbox, PlannedSeal } from './outbox.ts';

type Draft = Omit<CommitRecord, 'seals'>;

export class Sealer {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #lingerMs: number;
  readonly #lastSealAt = new Array<number>(laneCount).fill(Number.NEGATIVE_INFINITY);

  constructor(outbox: Outbox, clock: Clock, lingerMs: number) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#lingerMs = lingerMs;
  }

  /** The batches that the commit at hand seals, at most `capacity`. */
  plan(draft: Draft, capacity: number): PlannedSeal[] {
    const planned: PlannedSeal[] = [];
    const now = this.#clock.monotonic();
    for (let lane = 0 as Lane; lane < laneCount && planned.length < capacity; lane = (lane + 1) as Lane) {
      if (this.#lingersMs(lane, now) > 0 && this.#bytes(lane, draft) < batchBytesMax) continue;
      const seals = this.#outbox.planSeals(draft, lane, capacity - planned.length);
      if (seals.length > 0) this.#lastSealAt[lane] = now;
      planned.push(...seals);
    }
    return planned;
  }

  /** How long until a commit should seal what waits now; undefined when nothing does. */
  dueInMs(): number | undefined {
    const now = this.#clock.monotonic();
    let dueMs: number | undefined;
    for (let lane = 0 as Lane; lane < laneCount; lane = (lane + 1) as Lane) {
      if (this.#outbox.tail.unsealed(lane).length === 0) continue;
      dueMs = Math.min(dueMs ?? Number.POSITIVE_INFINITY, this.#lingersMs(lane, now));
    }
    return dueMs;
  }

  #lingersMs(lane: Lane, now: number): number {
    if (lane === alarmLane) return 0;
    return Math.max(0, (this.#lastSealAt[lane] ?? 0) + this.#lingerMs - now);
  }

  #bytes(lane: Lane, { outputs }: Draft): number {
    let bytes = 0;
    for (const row of this.#outbox.tail.unsealed(lane)) bytes += row.bytes;
    for (const output of outputs) if (output.lane === lane) bytes += output.bytes?.byteLength ?? 0;
    return bytes;
  }
}
