/** What a verdict is made of: counts of everything, examples of the first few. */

export const findingKinds = [
  /** Acked, but not at the hub. */
  'lost',
  /** As lost, of a series that has all that was sent in the order of time: only what came late is missing. */
  'late_dropped',
  /** As lost, where the agent says that it made more than was delivered, waits or was given up: nobody declared it. */
  'undeclared',
  /** At the hub more than once. */
  'duplicated',
  /** At the hub with another value than was sent. */
  'wrong',
  /** At the hub, but never sent. */
  'unexpected',
  /** A roll-up bucket that does not say what its readings say. */
  'bucket',
] as const;
export type FindingKind = (typeof findingKinds)[number];

export interface Finding {
  readonly kind: FindingKind;
  readonly device: string;
  readonly metric: string;
  readonly timeMs: number;
  /** Width of the bucket, for what a bucket shows. */
  readonly everyMs?: number;
  readonly field?: string;
  readonly expected?: number | string | null;
  readonly got?: number | string | null;
}

const examplesMax = 20;

export class Findings {
  readonly counts: Record<FindingKind, number> = {
    lost: 0,
    late_dropped: 0,
    undeclared: 0,
    duplicated: 0,
    wrong: 0,
    unexpected: 0,
    bucket: 0,
  };
  /** Missing, but the hub says why: counted, no finding. */
  declared = 0;
  /** Missing, but minutes stand for it: counted, no finding. */
  thinned = 0;
  /** There once more, within what a damaged agent may not know (decision 0005): counted, no finding. */
  resent = 0;
  readonly #examples: Finding[] = [];

  add(finding: Finding): void {
    if (this.counts[finding.kind]++ < examplesMax) this.#examples.push(finding);
  }

  /** `count` more of this kind, of which only these are at hand. */
  addAll(kind: FindingKind, count: number, examples: readonly Finding[]): void {
    for (const finding of examples.slice(0, count)) this.add({ ...finding, kind });
    this.counts[kind] += Math.max(0, count - examples.length);
  }

  merge(other: Findings): void {
    this.declared += other.declared;
    this.thinned += other.thinned;
    this.resent += other.resent;
    for (const kind of findingKinds) {
      const room = examplesMax - this.counts[kind];
      this.#examples.push(...other.examples.filter((finding) => finding.kind === kind).slice(0, Math.max(0, room)));
      this.counts[kind] += other.counts[kind];
    }
  }

  /** At most 20 of each kind, in the order in which they were found. */
  get examples(): readonly Finding[] {
    return this.#examples;
  }

  get isClean(): boolean {
    return findingKinds.every((kind) => this.counts[kind] === 0);
  }
}
