/**
 * All branches of an agent: from the columns of one commit to the items of each stream. Deterministic (operator.ts), so the
 * last saved state plus a replay of the journal gives the state again; outputs of a replay are thrown away by the caller.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { ReadingColumns } from '@fogline/shared/reading';
import type { PipelineConfig } from '../core-config.ts';
import { Branch, type OperatorState, type PipelineObserver, type Step, type StreamItems } from './branch.ts';
import type { SeriesRegistry } from './operator.ts';
import { isPassThrough } from './pass-through.ts';

export class Pipeline {
  /** Those that others take from come before them. */
  readonly #branches: readonly Branch[];
  readonly #byFrom: ReadonlyMap<string, readonly Branch[]>;
  /** Told of every step while it is set. */
  observer: PipelineObserver | undefined;

  /** Throws `config_invalid` when branches take from each other in a circle. */
  constructor(configs: readonly PipelineConfig[], registry: SeriesRegistry) {
    const keys = new Map<string, string>();
    this.#branches = inOrder(configs).map((config) => {
      const upstream = config.isFromPipeline ? (keys.get(config.from) ?? '') : config.from;
      const branch = new Branch(config, upstream, isPassThrough(config), registry);
      keys.set(config.name, branch.key);
      return branch;
    });
    this.#byFrom = Map.groupBy(this.#branches, ({ config }) => placeOf(config));
  }

  /** The stream under which a source's own columns are known: its pass-through branch, or the source's name; and whether it stays here. */
  static inputStream(
    source: string,
    configs: readonly PipelineConfig[],
  ): { readonly stream: string; readonly isLocal: boolean } {
    const through = configs.find((config) => config.from === source && isPassThrough(config));
    return { stream: through?.name ?? source, isLocal: through === undefined || through.isLocal === true };
  }

  process(source: string, columns: ReadingColumns, now: number): StreamItems[] {
    return this.#fanOut(sourcePlace(source), columns, now);
  }

  /** Fires timers; once per commit, after every source was processed. */
  tick(now: number): StreamItems[] {
    return this.#branches.flatMap((branch) => this.#onward(branch, branch.tick(now, this.observer), now));
  }

  dueAt(now: number): number | undefined {
    let due: number | undefined;
    for (const { operator } of this.#operators()) {
      const at = operator.dueAt(now);
      if (at !== undefined && (due === undefined || at < due)) due = at;
    }
    return due;
  }

  /** Ends what operators hold open whose keys are not in `kept`. */
  drain(kept: ReadonlySet<string>, now: number): StreamItems[] {
    return this.#branches.flatMap((branch) => this.#onward(branch, branch.drain(kept, now), now));
  }

  keys(): Set<string> {
    return new Set([...this.#operators()].map(({ key }) => key));
  }

  save(): OperatorState[] {
    return [...this.#operators()].map(({ key, operator }) => ({ key, state: operator.save() }));
  }

  /** Restores the operators whose keys are found; the others stay empty. */
  restore(states: readonly OperatorState[]): void {
    const byKey = new Map(states.map(({ key, state }) => [key, state]));
    for (const { key, operator } of this.#operators()) {
      const state = byKey.get(key);
      if (state !== undefined) operator.restore(state);
    }
  }

  /** Readings that went no further since the process started, by `<pipeline>.<step>.<reason>`. */
  drops(): Map<string, number> {
    const drops = new Map<string, number>();
    for (const branch of this.#branches)
      for (const { name, operator } of branch.steps)
        for (const [reason, count] of operator.drops) drops.set(`${branch.config.name}.${name}.${reason}`, count);
    return drops;
  }

  *#operators(): Iterable<Step> {
    for (const branch of this.#branches) yield* branch.steps;
  }

  #fanOut(place: string, columns: ReadingColumns, now: number): StreamItems[] {
    const branches = this.#byFrom.get(place) ?? [];
    return branches.flatMap((branch) => this.#onward(branch, branch.process(columns, now, this.observer), now));
  }

  /** What a branch emitted, and what those make of it that take from it. Windows go no further. */
  #onward(branch: Branch, items: readonly StreamItems[], now: number): StreamItems[] {
    const place = pipelinePlace(branch.config.name);
    if (!this.#byFrom.has(place)) return [...items];
    return items.flatMap((item) =>
      item.kind === 'readings' ? [item, ...this.#fanOut(place, item.columns, now)] : [item],
    );
  }
}

const sourcePlace = (name: string): string => `source ${name}`;
const pipelinePlace = (name: string): string => `pipeline ${name}`;

function placeOf({ from, isFromPipeline }: PipelineConfig): string {
  return isFromPipeline ? pipelinePlace(from) : sourcePlace(from);
}

/** Upstream first, otherwise as written. */
function inOrder(configs: readonly PipelineConfig[]): PipelineConfig[] {
  const ordered: PipelineConfig[] = [];
  const done = new Set<string>();
  let waiting = [...configs];
  while (waiting.length > 0) {
    const ready = waiting.filter(({ from, isFromPipeline }) => !isFromPipeline || done.has(from));
    if (ready.length === 0) {
      const names = waiting.map(({ name }) => name).join(', ');
      throw new FoglineError('config_invalid', `pipelines take from each other in a circle: ${names}`);
    }
    for (const config of ready) done.add(config.name);
    ordered.push(...ready);
    waiting = waiting.filter((config) => !ready.includes(config));
  }
  return ordered;
}
