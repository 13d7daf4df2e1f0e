/**
 * What the hub knows about what is missing: losses that were declared, and items that nobody accounts for. An item explains one missing
 * reading; which ones were used is remembered over the series of an agent, and only for verdicts that stand.
 */
import type { Findings } from './findings.ts';
import type { HubReader, HubSeries, Range } from './hub-reader.ts';
import type { Missing } from './missing.ts';

export class Explanations {
  /** By agent, and by agent and hour. */
  readonly #used = new Map<string, number>();

  /** For one look at one series. */
  draft(): Draft {
    return new Draft(new Map(this.#used));
  }

  accept({ used }: Draft): void {
    for (const [key, count] of used) this.#used.set(key, count);
  }
}

export class Draft {
  readonly used: Map<string, number>;

  constructor(used: Map<string, number>) {
    this.used = used;
  }

  /** Takes off what was declared; the rest becomes findings. */
  async explain(missing: Missing, series: HubSeries, range: Range, hub: HubReader, findings: Findings): Promise<void> {
    const { agent } = series;
    const { byHour, withoutDetail } = await hub.losses(series, range);
    for (const [hour, items] of byHour) findings.declared += missing.declare(hour, items);
    for (const hour of missing.hours) {
      const left = withoutDetail - (this.used.get(agent) ?? 0);
      findings.declared += this.#use(agent, missing.declare(hour, left));
    }
    if (missing.count === 0) return;
    const unaccounted = await hub.unaccounted(agent);
    missing.report(findings, (hour, count) => {
      const key = `${agent} ${hour}`;
      const left = (unaccounted.get(hour) ?? 0) - (this.used.get(key) ?? 0);
      return this.#use(key, Math.max(0, Math.min(count, left)));
    });
  }

  #use(key: string, count: number): number {
    this.used.set(key, (this.used.get(key) ?? 0) + count);
    return count;
  }
}
