/**
 * When answers may have changed: every applied batch stamps the event days that it touches, per agent, with a number that only grows;
 * whatever else changes answers stamps the agent, or the store. In memory only: stamps of two processes say nothing about each other.
 * A stamp may be newer than the last change, never older.
 */
const daysPerAgentMax = 32;
const hoursPerDay = 24;
const dayMs = 86_400_000;

interface AgentStamps {
  readonly days: Map<number, number>;
  /** Of everything: what is not about a day, and days that were forgotten. */
  whole: number;
}

export class Stamps {
  #newest = 0;
  #store = 0;
  readonly #agents = new Map<number, AgentStamps>();

  /** Data of these hours (since the epoch) has changed. */
  touch(agent: number, hours: Iterable<number>): void {
    const stamps = this.#of(agent);
    const stamp = ++this.#newest;
    for (const hour of hours) stamps.days.set(Math.floor(hour / hoursPerDay), stamp);
    while (stamps.days.size > daysPerAgentMax) this.#forgetOldest(stamps);
  }

  touchAgent(agent: number): void {
    this.#of(agent).whole = ++this.#newest;
  }

  touchStore(): void {
    this.#store = ++this.#newest;
  }

  /** Of what the agent has before `toMs`. */
  latest(agent: number, toMs: number): number {
    const { days, whole } = this.#agents.get(agent) ?? { days: [], whole: 0 };
    let latest = Math.max(whole, this.#store);
    for (const [day, stamp] of days) if (day * dayMs < toMs) latest = Math.max(latest, stamp);
    return latest;
  }

  #of(agent: number): AgentStamps {
    let stamps = this.#agents.get(agent);
    if (stamps === undefined) {
      stamps = { days: new Map(), whole: 0 };
      this.#agents.set(agent, stamps);
    }
    return stamps;
  }

  #forgetOldest(stamps: AgentStamps): void {
    let [oldest, least] = [0, Number.POSITIVE_INFINITY];
    for (const [day, stamp] of stamps.days) if (stamp < least) [oldest, least] = [day, stamp];
    stamps.days.delete(oldest);
    stamps.whole = Math.max(stamps.whole, least);
  }
}
