/**
 * Simulated actuators close the loop: a command that comes over MQTT is carried out after a while, its state is published, and the
 * metric that it acts on moves. What an actuator does depends on when the command came: it is the one thing that a seed does not fix.
 */
import type { Outgoing } from '../fleet/source.ts';
import type { DeviceType } from './device-type.ts';
import type { ActuatorPlan } from './fleet-plan.ts';
import { deviceOf, filterOf } from './names.ts';

interface Bank {
  readonly type: DeviceType;
  readonly plan: ActuatorPlan;
  readonly filter: string;
  /** By device: 1 = on. */
  readonly isOn: Uint8Array;
  /** By device: source time of the last change, and the effect at that moment. */
  readonly changedMs: Float64Array;
  readonly before: Float64Array;
}

interface StateMessage {
  readonly bank: Bank;
  readonly device: number;
  readonly isOn: boolean;
  readonly dueMs: number;
}

/** States that wait to be published; beyond it commands are ignored and counted. */
const waitingMax = 10_000;

export class Actuators {
  readonly filters: readonly string[];
  /** Commands that were understood, and others on the topics of commands. */
  readonly counts = { commands: 0, ignored: 0 };
  readonly #banks: readonly Bank[];
  #waiting: StateMessage[] = [];

  constructor(types: readonly DeviceType[]) {
    this.#banks = types.flatMap((type) =>
      type.plan.actuators.map((plan) => ({
        type,
        plan,
        filter: filterOf(plan.command),
        isOn: new Uint8Array(type.plan.count),
        changedMs: new Float64Array(type.plan.count),
        before: new Float64Array(type.plan.count),
      })),
    );
    this.filters = [...new Set(this.#banks.map(({ filter }) => filter))];
  }

  /** Source time of the next state to be published; Infinity when none waits. */
  get dueMs(): number {
    return this.#waiting[0]?.dueMs ?? Infinity;
  }

  onMessage(topic: string, payload: string, nowMs: number): void {
    for (const bank of this.#banks) {
      const { type, plan } = bank;
      const device = deviceOf(type.plan, plan.command, topic);
      if (device === undefined) continue;
      if ((payload !== plan.on && payload !== plan.off) || this.#waiting.length >= waitingMax) break;
      this.counts.commands++;
      this.#carryOut({ bank, device, isOn: payload === plan.on, dueMs: Math.floor(nowMs + plan.takesMs) });
      return;
    }
    this.counts.ignored++;
  }

  /** Change of a metric that all actuators of the device have brought about by `timeMs`. */
  effectAt(type: DeviceType, device: number, metric: number, timeMs: number): number {
    let sum = 0;
    for (const bank of this.#banks) {
      if (bank.type === type && bank.plan.effect?.metric === metric) sum += levelAt(bank, device, timeMs);
    }
    return sum;
  }

  /** Writes the next state. */
  take(out: Outgoing): void {
    const message = this.#waiting.shift();
    if (message === undefined) return;
    const { bank, device, isOn, dueMs } = message;
    const { type, plan } = bank;
    out.device = type.first + device;
    out.position = dueMs;
    out.timeMs = dueMs;
    out.isReading = false;
    out.begin(1);
    type.names.writeTopic(out.frames, plan.state ?? plan.command, device, type.generationAt(device, dueMs));
    out.payload();
    out.frames.text(isOn ? plan.on : plan.off);
    out.end();
  }

  #carryOut(message: StateMessage): void {
    const { bank, device, isOn, dueMs } = message;
    bank.before[device] = levelAt(bank, device, dueMs);
    bank.changedMs[device] = dueMs;
    bank.isOn[device] = isOn ? 1 : 0;
    if (bank.plan.state === undefined) return;
    const at = this.#waiting.findIndex((other) => other.dueMs > dueMs);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, message);
  }
}

/** Moves evenly towards the whole effect or back; a change on its way sets out from where it is. */
function levelAt({ plan, isOn, changedMs, before }: Bank, device: number, timeMs: number): number {
  const { effect } = plan;
  if (effect === undefined) return 0;
  const from = before[device] as number;
  const elapsed = timeMs - (changedMs[device] as number);
  if (elapsed <= 0) return from;
  const target = isOn[device] === 1 ? effect.change : 0;
  const step = (Math.abs(effect.change) * elapsed) / effect.withinMs;
  return target > from ? Math.min(target, from + step) : Math.max(target, from - step);
}
