/**
 * What the hub knows about what is missing: losses that were declared, and items that nobody accounts for. An item explains one missing
 * reading; which ones were used is remembered over the series of an agent, and only for verdicts that stand.
 */
import type { Findings } from './findings.ts';
import type { HubReader, HubSeries, Losses } from './hub-reader.ts';
import type { Missing } from './missing.ts';

/** Items that were used, by agent, or by agent and hour. */
export type Uses = readonly (readonly [key: string, count: number])[];

export class Explanations {
  readonly #used = new Map<string, number>();

  /** For one look at some series. */
  draft(): Draft {
    return new Draft(new Map(this.#used));
  }

  accept(uses: Uses): void {
    for (const [key, count] of uses) this.#used.set(key, (this.#used.get(key) ?? 0) + count);
  }
}

export class Draft {
  readonly #used: Map<string, number>;
  #uses: [key: string, count: number][] = [];

  constructor(used: Map<string, number>) {
    this.#used = used;
  }

  /** What was used since the last question. */
  takeUses(): Uses {
    const uses = this.#uses;
    this.#uses = [];
    return uses;
  }

  /** Takes off what minutes stand for, and what was declared; the rest becomes findings. */
  async explain(
    missing: Missing,
    { agent }: HubSeries,
    { byHour, thinnedByHour, withoutDetail }: Losses,
    hub: HubReader,
    findings: Findings,
  ): Promise<void> {
    for (const [hour, items] of thinnedByHour) findings.thinned += missing.declare(hour, items);
    for (const [hour, items] of byHour) findings.declared += missing.declare(hour, items);
    for (const hour of missing.hours) {
      const left = withoutDetail - (this.#used.get(agent) ?? 0);
      findings.declared += this.#use(agent, missing.declare(hour, left));
    }
    if (missing.count === 0) return;
    const unaccounted = await hub.unaccounted(agent);
    missing.report(findings, (hour, count) => {
      const key = `${agent} ${hour}`;
      const left = (unaccounted.get(hour) ?? 0) - (this.#used.get(key) ?? 0);
      return this.#use(key, Math.max(0, Math.min(count, left)));
    });
  }

  #use(key: string, count: number): number {
    this.#used.set(key, (this.#used.get(key) ?? 0) + count);
    this.#uses.push([key, count]);
    return count;
  }
}
