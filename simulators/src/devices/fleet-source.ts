/**
 * A fleet as a source of messages. The devices of a lane go in the order in which their messages are due; all that is kept of a device is its
 * place in the schedule, when that is due, and whether it is sent twice. The stream of a lane is a function of the plan alone.
 */
import { DueHeap } from '../fleet/due-heap.ts';
import type { Source } from '../fleet/source.ts';
import { TextWriter } from '../fleet/text-writer.ts';
import { Actuators } from './actuators.ts';
import { DeviceType } from './device-type.ts';
import type { FleetPlan } from './fleet-plan.ts';

export interface FleetSourceOptions {
  readonly plan: Pick<FleetPlan, 'types' | 'stages' | 'connections' | 'durationMs' | 'backfillMs'>;
  /** Live begins here, in source time. */
  readonly startMs: number;
  /** A device whose readings up to a place are known to have arrived goes on after it. */
  readonly doneToMs?: ReadonlyMap<string, number>;
}

export interface FleetSource extends Source {
  /** Commands to actuators so far, and what was none. */
  readonly commands: Readonly<{ commands: number; ignored: number }>;
}

export function createFleetSource(options: FleetSourceOptions): FleetSource {
  const fleet = new Fleet(options);
  const { actuators } = fleet;
  return {
    lanes: fleet.lanes,
    devices: fleet.devices,
    commands: actuators.counts,
    nameOf: (device) => fleet.nameOf(device),
    dueMs: (lane) => fleet.dueMs(lane),
    take: (lane, out) => fleet.take(lane, out),
    writeName: (out, device, position) => {
      const type = fleet.typeOf(device);
      type.writeName(out, device - type.first, position);
    },
    subscriptions: (lane) => (lane === commandLane ? actuators.filters : []),
    onMessage: (topic, payload, nowMs) => actuators.onMessage(topic, payload, nowMs),
  };
}

/** One connection hears the commands for all devices. */
const commandLane = 0;

class Fleet {
  readonly lanes: number;
  readonly devices: number;
  readonly actuators: Actuators;
  readonly #types: DeviceType[] = [];
  readonly #typeOf: Uint8Array;
  /** By device. */
  readonly #place: Float64Array;
  readonly #dueMs: Float64Array;
  readonly #isSecond: Uint8Array;
  readonly #heaps: readonly DueHeap[];

  constructor({ plan, startMs, doneToMs }: FleetSourceOptions) {
    const { types, stages, connections, durationMs, backfillMs } = plan;
    this.lanes = connections;
    this.devices = types.reduce((sum, { count }) => sum + count, 0);
    this.#typeOf = new Uint8Array(this.devices);
    this.#place = new Float64Array(this.devices);
    this.#dueMs = new Float64Array(this.devices);
    this.#isSecond = new Uint8Array(this.devices);
    const horizon = { startMs, endMs: startMs + durationMs, backfillMs, stages };
    let first = 0;
    for (const [index, type] of types.entries()) {
      const hasEffect = type.actuators.some(({ effect }) => effect !== undefined);
      const deviceType: DeviceType = new DeviceType(
        type,
        first,
        horizon,
        hasEffect ? (device, metric, timeMs) => this.actuators.effectAt(deviceType, device, metric, timeMs) : undefined,
      );
      this.#types.push(deviceType);
      this.#typeOf.fill(index, first, first + type.count);
      first += type.count;
    }
    this.actuators = new Actuators(this.#types);
    this.#heaps = this.#begin(doneToMs);
  }

  typeOf(device: number): DeviceType {
    return this.#types[this.#typeOf[device] as number] as DeviceType;
  }

  nameOf(device: number): string {
    const type = this.typeOf(device);
    const name = new TextWriter(64);
    type.names.writeName(name, device - type.first, -1);
    return name.take();
  }

  dueMs(lane: number): number {
    const first = this.#heaps[lane]?.first ?? -1;
    const dueMs = first < 0 ? Infinity : (this.#dueMs[first] as number);
    return lane === commandLane ? Math.min(dueMs, this.actuators.dueMs) : dueMs;
  }

  take(lane: number, out: Parameters<Source['take']>[1]): boolean {
    const heap = this.#heaps[lane];
    const device = heap?.first ?? -1;
    if (lane === commandLane && this.actuators.dueMs <= (device < 0 ? Infinity : (this.#dueMs[device] as number))) {
      if (this.actuators.dueMs === Infinity) return false;
      this.actuators.take(out);
      return true;
    }
    if (heap === undefined || device < 0) return false;
    const type = this.typeOf(device);
    const isTwice = type.write(out, device - type.first, this.#place[device] as number);
    if (isTwice && this.#isSecond[device] === 0) {
      this.#isSecond[device] = 1;
      return true;
    }
    this.#isSecond[device] = 0;
    if (this.#goTo(type, device, type.schedule.next(device - type.first, this.#place[device] as number))) {
      heap.postponeFirst();
    } else heap.removeFirst();
    return true;
  }

  #begin(doneToMs: ReadonlyMap<string, number> | undefined): DueHeap[] {
    const perLane = Math.ceil(this.devices / this.lanes);
    const ids = new Int32Array(perLane * this.lanes);
    const heaps = Array.from({ length: this.lanes }, (_, lane) => {
      return new DueHeap(ids.subarray(lane * perLane, (lane + 1) * perLane), this.#dueMs);
    });
    for (let device = 0; device < this.devices; device++) {
      const type = this.typeOf(device);
      const doneTo = doneToMs === undefined || doneToMs.size === 0 ? undefined : doneToMs.get(this.nameOf(device));
      const place = type.schedule.first(device - type.first, doneTo ?? -1);
      if (this.#goTo(type, device, place)) heaps[device % this.lanes]?.add(device);
    }
    return heaps;
  }

  /** False when there is nothing more to be sent. */
  #goTo(type: DeviceType, device: number, place: number): boolean {
    this.#place[device] = place;
    if (place === Infinity) return false;
    this.#dueMs[device] = type.schedule.dueAt(device - type.first, place);
    return true;
  }
}
