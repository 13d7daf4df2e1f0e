/**
 * Asks the agents with most queued for a smaller window while the queue is above a high mark, and gives it back below a low
 * mark. Advice only: the hard bound on the queue is the gate, which stops reading sockets.
 */
import { encodeFlow } from '@fogline/shared/protocol/messages';
import type { HubLimits } from './ports.ts';

export class FlowControl {
  readonly #limits: HubLimits;
  readonly #queued = new Map<string, number>();
  readonly #slowed = new Set<string>();
  #bytes = 0;

  constructor(limits: HubLimits) {
    this.#limits = limits;
  }

  get queuedBytes(): number {
    return this.#bytes;
  }

  queue(agent: string, bytes: number): void {
    this.#bytes += bytes;
    this.#queued.set(agent, (this.#queued.get(agent) ?? 0) + bytes);
  }

  unqueue(agent: string, bytes: number): void {
    this.#bytes -= bytes;
    const left = (this.#queued.get(agent) ?? 0) - bytes;
    if (left > 0) this.#queued.set(agent, left);
    else this.#queued.delete(agent);
  }

  /** The window to name in a welcome to this agent. */
  windowOf(agent: string): number {
    return this.#slowed.has(agent) ? this.#limits.windowUnderPressure : this.#limits.window;
  }

  /** What to tell whom now. */
  advise(): { agent: string; payload: Uint8Array }[] {
    const { pressureHighBytes, pressureLowBytes, pressureAgentsMax, window, windowUnderPressure } = this.#limits;
    if (this.#bytes > pressureHighBytes) {
      const heaviest = [...this.#queued]
        .filter(([agent]) => !this.#slowed.has(agent))
        .sort((a, b) => b[1] - a[1])
        .slice(0, Math.max(0, pressureAgentsMax - this.#slowed.size));
      for (const [agent] of heaviest) this.#slowed.add(agent);
      return heaviest.map(([agent]) => ({ agent, payload: encodeFlow({ agent, window: windowUnderPressure }) }));
    }
    if (this.#bytes < pressureLowBytes && this.#slowed.size > 0) {
      const resumed = [...this.#slowed];
      this.#slowed.clear();
      return resumed.map((agent) => ({ agent, payload: encodeFlow({ agent, window }) }));
    }
    return [];
  }
}
