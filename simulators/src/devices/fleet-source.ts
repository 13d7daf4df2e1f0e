/**
 * A fleet as a source of messages: every device reads on a fixed grid of source times, its own offset within the interval, so
 * that load is spread. First the past that is still to be sent (`backfillMs` before the start, or what is missing since
 * the last run), then live. The stream of each lane is a function of the options alone.
 */

import { type Message, type Source, topicFor } from '../fleet/source.ts';
import { createDevice, type Device, readDevice } from './device.ts';

export interface FleetOptions {
  readonly devices: number;
  readonly lanes: number;
  readonly seed: number;
  readonly metrics: readonly string[];
  /** MQTT topic with `{device}`. */
  readonly topic: string;
  /** Live begins here, in source time. */
  readonly startMs: number;
  readonly intervalMs: number;
  /** Live ends before `startMs + durationMs`; Infinity = never. */
  readonly durationMs: number;
  /** How much past is sent before live, one reading every `backfillIntervalMs`. */
  readonly backfillMs: number;
  readonly backfillIntervalMs: number;
  /** A device whose readings up to a time are known to have arrived goes on after it. */
  readonly doneToMs?: ReadonlyMap<string, number>;
}

interface Member {
  readonly device: Device;
  readonly topic: string;
  readonly doneToMs: number;
  /** Offset within the grid, as a share of its interval. */
  readonly offset: number;
}

export function createFleetSource(options: FleetOptions): Source {
  const lanes = Array.from({ length: options.lanes }, () => [] as Member[]);
  for (let index = 0; index < options.devices; index++) {
    const device = createDevice(options.seed, index, options.metrics);
    lanes[index % options.lanes]?.push({
      device,
      topic: topicFor(options.topic, device.name),
      doneToMs: options.doneToMs?.get(device.name) ?? -Infinity,
      offset: index / options.devices,
    });
  }
  const cursors = lanes.map((members) => new LaneCursor(members, options));
  return {
    lanes: options.lanes,
    dueMs: (lane) => cursors[lane]?.dueMs() ?? Infinity,
    take: (lane) => cursors[lane]?.take(),
  };
}

/** Walks one lane: grid point by grid point, device by device. */
class LaneCursor {
  readonly #members: readonly Member[];
  readonly #options: FleetOptions;
  #isBackfill = true;
  /** Start of the current grid cell. */
  #cellMs: number;
  #member = 0;

  constructor(members: readonly Member[], options: FleetOptions) {
    this.#members = members;
    this.#options = options;
    // Whoever has the least is the first to go on; nobody goes back further than the backfill.
    const doneToMs = members.reduce((least, member) => Math.min(least, member.doneToMs), Infinity);
    const fromMs = Math.max(options.startMs - options.backfillMs, members.length > 0 ? doneToMs : options.startMs);
    this.#cellMs = alignDown(Math.min(fromMs, options.startMs), options.backfillIntervalMs);
    this.#settle();
  }

  dueMs(): number {
    const member = this.#members[this.#member];
    return member === undefined ? Infinity : this.#timeOf(member);
  }

  take(): Message | undefined {
    const member = this.#members[this.#member];
    if (member === undefined) return undefined;
    const timeMs = this.#timeOf(member);
    const { payload, values } = readDevice(member.device, timeMs);
    this.#member++;
    this.#settle();
    return { device: member.device.name, timeMs, topic: member.topic, payload, values };
  }

  /** Moves on to the next reading that is wanted; past the end, to no member. */
  #settle(): void {
    if (this.#members.length === 0) return;
    for (;;) {
      if (this.#member >= this.#members.length && !this.#nextCell()) return;
      const member = this.#members[this.#member];
      if (member !== undefined && this.#isWanted(member)) return;
      this.#member++;
    }
  }

  #nextCell(): boolean {
    const { startMs, intervalMs, durationMs, backfillIntervalMs } = this.#options;
    this.#cellMs += this.#isBackfill ? backfillIntervalMs : intervalMs;
    if (this.#isBackfill && this.#cellMs >= startMs) {
      this.#isBackfill = false;
      this.#cellMs = alignDown(startMs, intervalMs);
    }
    if (!this.#isBackfill && this.#cellMs >= startMs + durationMs) return false;
    this.#member = 0;
    return true;
  }

  #timeOf(member: Member): number {
    const interval = this.#isBackfill ? this.#options.backfillIntervalMs : this.#options.intervalMs;
    return this.#cellMs + Math.floor(member.offset * interval);
  }

  #isWanted(member: Member): boolean {
    const { startMs, durationMs, backfillMs } = this.#options;
    const timeMs = this.#timeOf(member);
    if (timeMs <= member.doneToMs || timeMs < startMs - backfillMs) return false;
    return this.#isBackfill ? timeMs < startMs : timeMs >= startMs && timeMs < startMs + durationMs;
  }
}

function alignDown(timeMs: number, stepMs: number): number {
  return Math.floor(timeMs / stepMs) * stepMs;
}
