/**
 * When a device of a type sends: on a grid of source times, first the past, then live; later where a fault holds it back, in another
 * order, or not at all. A place in the schedule (`base`) is a grid point; everything else is a function of it.
 */
import { hash32, unitOf } from '../signals/waveform.ts';
import { episode, type Fault, isFaulty } from './faults.ts';
import type { Stage, TypePlan } from './fleet-plan.ts';

export interface Horizon {
  /** Live begins here, in source time. */
  readonly startMs: number;
  /** Live ends before; Infinity = never. */
  readonly endMs: number;
  readonly backfillMs: number;
  readonly stages: readonly Stage[];
}

export class Schedule {
  readonly #type: TypePlan;
  readonly #horizon: Horizon;
  readonly #beginMs: number;
  readonly #silences: readonly Fault[];
  readonly #offlines: readonly Fault[];
  readonly #reorders: readonly Fault[];
  readonly #onSilence: (fault: Fault, device: number) => void;

  /** `onSilence` is called when a fault keeps a message from being sent, while `episode` is that of the fault. */
  constructor(type: TypePlan, horizon: Horizon, onSilence: (fault: Fault, device: number) => void) {
    this.#type = type;
    this.#horizon = horizon;
    this.#beginMs = Math.max(0, horizon.startMs - horizon.backfillMs);
    this.#onSilence = onSilence;
    this.#silences = type.faults.filter(({ kind, metric }) => kind === 'churn' || (kind === 'gap' && metric < 0));
    this.#offlines = type.faults.filter(({ kind }) => kind === 'offline');
    this.#reorders = type.faults.filter(({ kind }) => kind === 'reorder');
  }

  /** Fixed for a device, whatever it is called at the moment. */
  keyOf(device: number): number {
    return hash32(this.#type.key, device);
  }

  /** The first place after `afterMs` at which something is sent; Infinity when there is none. */
  first(device: number, afterMs: number): number {
    return this.#wanted(device, this.#placeFrom(device, Math.max(afterMs + 1, this.#beginMs)));
  }

  /** The next place at which something is sent; Infinity when there is none. */
  next(device: number, base: number): number {
    return this.#wanted(device, this.#placeFrom(device, base + 1));
  }

  /** Source time of the reading that is taken at a place. */
  timeAt(device: number, base: number): number {
    const { jitterMs } = this.#type;
    return jitterMs === 0 ? base : base + Math.floor(unitOf(this.keyOf(device), base) * jitterMs);
  }

  /** The place whose reading is sent at this one: another where messages come in reverse order. */
  contentAt(device: number, base: number): number {
    const last = this.#groupEnd(device, base);
    if (last === base && this.#depth === 1) return base;
    return last - (base - (last - (this.#depth - 1) * this.#type.intervalMs));
  }

  /** When what is sent at a place leaves, in source time. */
  dueAt(device: number, base: number): number {
    const last = this.#groupEnd(device, base);
    let dueMs = this.timeAt(device, last);
    const timeMs = last === base ? dueMs : this.timeAt(device, base);
    for (const fault of this.#offlines) {
      if (isFaulty(fault, this.keyOf(device), timeMs)) dueMs = Math.max(dueMs, episode.toMs);
    }
    return Math.min(dueMs, Math.max(this.#horizon.endMs, timeMs));
  }

  /** Found by `#groupEnd`: messages in the group; 1 = there is no group. */
  #depth = 1;

  /** The last place of the group that is sent in reverse order; `base` itself where nothing is reordered. */
  #groupEnd(device: number, base: number): number {
    this.#depth = 1;
    const { startMs, endMs } = this.#horizon;
    const { intervalMs } = this.#type;
    for (const fault of this.#reorders) {
      if (base < startMs) continue;
      const depth = fault.parameters['depth'] ?? 1;
      const slot = Math.floor(base / intervalMs);
      const first = base - (slot % depth) * intervalMs;
      const last = first + (depth - 1) * intervalMs;
      if (first < startMs || last >= endMs || !isFaulty(fault, this.keyOf(device), first) || last >= episode.toMs)
        continue;
      this.#depth = depth;
      return last;
    }
    return base;
  }

  #wanted(device: number, from: number): number {
    const { endMs, startMs, stages } = this.#horizon;
    let base = from;
    for (;;) {
      if (base >= endMs || base === Infinity) return Infinity;
      if (stages.length > 0 && base >= startMs) {
        const thereMs = this.#thereFrom(device, base);
        if (thereMs > base) {
          base = this.#placeFrom(device, thereMs);
          continue;
        }
      }
      const content = this.contentAt(device, base);
      const silentToMs = this.#silentTo(device, this.timeAt(device, content));
      if (silentToMs === -Infinity) return base;
      const after = this.#placeFrom(device, base + 1);
      base = content === base ? Math.max(after, this.#placeFrom(device, silentToMs - this.#type.jitterMs)) : after;
    }
  }

  /** Until when the device is silent; −Infinity when it is not. */
  #silentTo(device: number, timeMs: number): number {
    for (const fault of this.#silences) {
      if (!isFaulty(fault, this.keyOf(device), timeMs)) continue;
      this.#onSilence(fault, device);
      return episode.toMs;
    }
    return -Infinity;
  }

  /** The first grid point from `timeMs` on. The offset of a device spreads the load, whatever the number of devices. */
  #placeFrom(device: number, timeMs: number): number {
    const { startMs } = this.#horizon;
    const { intervalMs, backfillIntervalMs } = this.#type;
    const spread = reversedBits(device) / 0x1_0000_0000;
    if (timeMs < startMs) {
      const past = gridPoint(timeMs, backfillIntervalMs, Math.floor(spread * backfillIntervalMs));
      if (past < startMs) return past;
    }
    return gridPoint(Math.max(timeMs, startMs), intervalMs, Math.floor(spread * intervalMs));
  }

  /** The first moment from `timeMs` on at which the stages want this device. */
  #thereFrom(device: number, timeMs: number): number {
    const { stages, startMs } = this.#horizon;
    const rank = device / this.#type.count;
    for (const { startMs: from, endMs, from: a, to: b } of stages) {
      const [begin, end] = [startMs + from, startMs + endMs];
      if (timeMs >= end) continue;
      const at = Math.max(timeMs, begin);
      if (a + ((b - a) * (at - begin)) / (end - begin) > rank) return at;
      // Rising past the rank within this stage: the moment after it does.
      if (b > rank) return Math.min(end, Math.floor(begin + ((rank - a) / (b - a)) * (end - begin)) + 1);
    }
    return Infinity;
  }
}

function gridPoint(timeMs: number, stepMs: number, offsetMs: number): number {
  return offsetMs + Math.ceil((timeMs - offsetMs) / stepMs) * stepMs;
}

/** Van der Corput's sequence: however many there are, they are spread evenly. */
function reversedBits(value: number): number {
  let bits = value >>> 0;
  bits = ((bits >>> 1) & 0x5555_5555) | ((bits & 0x5555_5555) << 1);
  bits = ((bits >>> 2) & 0x3333_3333) | ((bits & 0x3333_3333) << 2);
  bits = ((bits >>> 4) & 0x0f0f_0f0f) | ((bits & 0x0f0f_0f0f) << 4);
  bits = ((bits >>> 8) & 0x00ff_00ff) | ((bits & 0x00ff_00ff) << 8);
  return ((bits >>> 16) | (bits << 16)) >>> 0;
}
