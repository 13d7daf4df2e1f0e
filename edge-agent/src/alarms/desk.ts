/**
 * Where the world meets the alarms: people acknowledge, actuators answer, the agent itself starts and has its clock set. All of it goes
 * through the journal (control.ts); who waits hears once it is durable.
 */
import type { Clock } from '@fogline/shared/clock';
import type { SourceBatch, Token } from '../sources/batch-port.ts';
import type { Severity } from './alarm-config.ts';
import type { Alarms } from './alarms.ts';
import { Control } from './control.ts';

export interface AlarmStatus {
  readonly alarm: string;
  readonly device: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly severity: Severity;
  readonly state: 'pending' | 'active' | 'stale';
  readonly isAcknowledged: boolean;
  /** Since when the condition has held, ms; of what is stale, the time of its last reading. */
  readonly since: number;
  readonly value: number | string;
}

/** Shown at once. */
const shownMax = 100;

export class AlarmDesk {
  readonly #alarms: Alarms;
  readonly #control: Control;

  constructor(agent: string, alarms: Alarms, clock: Clock, take: (batch: SourceBatch) => void) {
    this.#alarms = alarms;
    this.#control = new Control(agent, clock, take);
  }

  /** Acknowledges an alarm where it is active, on one device or on all; `onDurable` is called once per device. Returns the devices. */
  acknowledge(alarm: string, device: string | undefined, onDurable: () => void): string[] {
    const devices: string[] = [];
    for (const { device: where, tags, state } of this.#alarms.current(alarm)) {
      if (state.phase !== 'active' || (device ?? where) !== where) continue;
      if (this.#control.send({ alarm, device: where, tags }, { kind: 'acknowledge' }, onDurable)) devices.push(where);
    }
    return devices;
  }

  /** Some message on some broker is waited for. */
  get isExpecting(): boolean {
    return this.#alarms.isExpecting;
  }

  /** A message on the broker of a source. True when it is an answer that was waited for; then `onDurable` is called later. */
  observe(via: string, topic: string, payload: Uint8Array, onDurable?: () => void): boolean {
    const answer = this.#alarms.answered(via, topic, payload);
    return answer !== undefined && this.#control.send(answer, { kind: 'confirm', action: answer.action }, onDurable);
  }

  started(): void {
    this.#control.sendOwn({ kind: 'started' });
  }

  clockStepped(stepMs: number): void {
    this.#control.sendOwn({ kind: 'clock_step', stepMs });
  }

  release(tokens: readonly Token[]): void {
    this.#control.release(tokens);
  }

  /** What happened since the start, by name. */
  totals(): ReadonlyMap<string, number> {
    return this.#alarms.totals;
  }

  status(): AlarmStatus[] {
    return statusOf(this.#alarms);
  }
}

/** Alarms that are not normal, the first of them. */
export function statusOf(alarms: Alarms): AlarmStatus[] {
  const shown: AlarmStatus[] = [];
  for (const { alarm, device, tags, state } of alarms.current()) {
    if (shown.length >= shownMax) break;
    const { phase, isStale, isAcknowledged, since, time, value } = state;
    shown.push({
      alarm: alarm.name,
      device,
      tags: Object.fromEntries(tags),
      severity: alarm.severity,
      state: isStale ? 'stale' : phase === 'pending' ? 'pending' : 'active',
      isAcknowledged,
      since: isStale ? time : since,
      value,
    });
  }
  return shown;
}
