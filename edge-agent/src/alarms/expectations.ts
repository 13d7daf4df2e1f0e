/** Which messages on which brokers are waited for as answers of actuators. What is kept here follows from the states of alarms. */
import type { SeriesDefinition } from '@fogline/shared/reading';
import type { Expected } from './alarm-machine.ts';

/** Who waits. */
interface Waiting {
  readonly alarm: { readonly name: string };
  readonly device: string;
  readonly tags: SeriesDefinition['tags'];
}

export interface Answer {
  readonly alarm: string;
  readonly device: string;
  readonly tags: SeriesDefinition['tags'];
  readonly action: number;
}

interface Entry extends Answer {
  readonly waiting: Waiting;
  readonly step: number;
  readonly payload: Uint8Array;
  /** An answer is on its way to a commit; further ones are nothing new. */
  isAnswered: boolean;
}

export class Expectations {
  readonly #byTopic = new Map<string, Entry[]>();
  readonly #byWaiting = new Map<Waiting, Set<string>>();

  add(waiting: Waiting, { action, step, via, topic, payload }: Expected): void {
    const { alarm, device, tags } = waiting;
    const key = keyOf(via, topic);
    const entry = {
      alarm: alarm.name,
      device,
      tags,
      action,
      waiting,
      step,
      payload: Buffer.from(payload),
      isAnswered: false,
    };
    this.#byTopic.set(key, [...(this.#byTopic.get(key) ?? []), entry]);
    this.#byWaiting.set(waiting, (this.#byWaiting.get(waiting) ?? new Set()).add(key));
  }

  get isEmpty(): boolean {
    return this.#byTopic.size === 0;
  }

  /** Whatever a step waited for. */
  forget(waiting: Waiting, step: number): void {
    for (const key of this.#byWaiting.get(waiting) ?? []) {
      const left = (this.#byTopic.get(key) ?? []).filter((entry) => entry.waiting !== waiting || entry.step !== step);
      if (left.length > 0) this.#byTopic.set(key, left);
      else this.#byTopic.delete(key);
    }
  }

  /** Called for every message of a broker. The payload is only looked at. */
  match(via: string, topic: string, payload: Uint8Array): Answer | undefined {
    if (this.#byTopic.size === 0) return undefined;
    const entry = this.#byTopic
      .get(keyOf(via, topic))
      ?.find((candidate) => !candidate.isAnswered && Buffer.compare(candidate.payload, payload) === 0);
    if (entry !== undefined) entry.isAnswered = true;
    return entry;
  }
}

function keyOf(via: string, topic: string): string {
  return `${via}\0${topic}`;
}
