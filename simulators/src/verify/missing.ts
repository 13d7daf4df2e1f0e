/**
 * Acked readings of one series that are not at the hub, by event hour; and what becomes of them: declared, late and dropped, not declared
 * by anybody, or simply lost. Some are kept as examples.
 */
import type { Finding, Findings } from './findings.ts';

const hourMs = 3_600_000;
const examplesMax = 20;

interface Hour {
  count: number;
  readonly examples: Finding[];
}

export class Missing {
  readonly #hours = new Map<number, Hour>();
  /** Of them, what had come late. */
  #late = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get hours(): IterableIterator<number> {
    return this.#hours.keys();
  }

  countOf(hour: number): number {
    return this.#hours.get(hour)?.count ?? 0;
  }

  add(finding: Omit<Finding, 'kind'>, isLate: boolean): void {
    const hour = Math.floor(finding.timeMs / hourMs);
    let entry = this.#hours.get(hour);
    if (entry === undefined) {
      entry = { count: 0, examples: [] };
      this.#hours.set(hour, entry);
    }
    this.#count++;
    if (isLate) this.#late++;
    if (entry.count++ < examplesMax) entry.examples.push({ kind: 'lost', ...finding });
  }

  /** Everything that is missing had come late. */
  get isLateOnly(): boolean {
    return this.#count > 0 && this.#late === this.#count;
  }

  /** The hub says why so many of an hour are missing. Returns how many that explains. */
  declare(hour: number, items: number): number {
    const entry = this.#hours.get(hour);
    if (entry === undefined) return 0;
    const explained = Math.max(0, Math.min(items, entry.count));
    entry.count -= explained;
    entry.examples.splice(0, Math.max(0, entry.examples.length - entry.count));
    this.#count -= explained;
    this.#late = Math.min(this.#late, this.#count);
    if (entry.count === 0) this.#hours.delete(hour);
    return explained;
  }

  /** As findings; `undeclared` says how many of an hour nobody accounts for, and is told how many those were. */
  report(findings: Findings, undeclared: (hour: number, count: number) => number): void {
    const kind = this.isLateOnly ? 'late_dropped' : 'lost';
    for (const [hour, { count, examples }] of this.#hours) {
      const nobodys = kind === 'lost' ? undeclared(hour, count) : 0;
      findings.addAll('undeclared', nobodys, examples);
      findings.addAll(kind, count - nobodys, examples.slice(Math.min(nobodys, examples.length)));
    }
  }
}
