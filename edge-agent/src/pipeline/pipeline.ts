/**
 * All branches of an agent: from the columns of one commit to the items of each stream. Deterministic (operator.ts), so the
 * last saved state plus a replay of the journal gives the state again; outputs of a replay are thrown away by the caller.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { ReadingColumns } from '@fogline/shared/reading';
import type { PipelineConfig } from '../core-config.ts';
import { Deadband } from './deadband.ts';
import type { Items, Operator, SeriesRegistry } from './operator.ts';
import { isPassThrough } from './pass-through.ts';
import { TumblingWindow } from './tumbling-window.ts';

/** Items of one stream. `isInput`: they are the source's own columns, unchanged, and need not be stored again. */
export type StreamItems = Items & { readonly lane: Lane; readonly isInput: boolean };

/** State of one operator, kept under a key that changes with its configuration. */
export interface OperatorState {
  readonly key: string;
  readonly state: Uint8Array;
}

interface Branch {
  readonly config: PipelineConfig;
  readonly operators: readonly { readonly key: string; readonly operator: Operator }[];
}

export class Pipeline {
  readonly #branches: readonly Branch[];

  constructor(configs: readonly PipelineConfig[], registry: SeriesRegistry) {
    this.#branches = configs.map((config) => ({ config, operators: operatorsOf(config, registry) }));
  }

  /** The stream under which a source's own columns are known: its pass-through branch, or the source's name. */
  static inputStream(source: string, configs: readonly PipelineConfig[]): string {
    return configs.find((config) => config.from === source && isPassThrough(config))?.name ?? source;
  }

  process(source: string, columns: ReadingColumns, now: number): StreamItems[] {
    const out: StreamItems[] = [];
    for (const { config, operators } of this.#branches) {
      if (config.from !== source) continue;
      let items: Items = { kind: 'readings', columns };
      for (const { operator } of operators) if (items.kind === 'readings') items = operator.process(items.columns, now);
      if (items.columns.count > 0) out.push({ ...items, lane: config.lane, isInput: operators.length === 0 });
    }
    return out;
  }

  /** Fires timers; once per commit, after every source was processed. */
  tick(now: number): StreamItems[] {
    return this.#emit((operator) => operator.tick(now));
  }

  dueAt(): number | undefined {
    let due: number | undefined;
    for (const { operator } of this.#operators()) {
      const at = operator.dueAt();
      if (at !== undefined && (due === undefined || at < due)) due = at;
    }
    return due;
  }

  /** Ends what operators hold open whose keys are not in `kept`. */
  drain(kept: ReadonlySet<string>): StreamItems[] {
    return this.#emit((operator, key) => (kept.has(key) ? undefined : operator.drain()));
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

  /** Readings held back by deadbands since the process started. */
  filtered(): number {
    let filtered = 0;
    for (const { operator } of this.#operators()) if (operator instanceof Deadband) filtered += operator.filtered;
    return filtered;
  }

  *#operators(): Iterable<{ key: string; operator: Operator }> {
    for (const { operators } of this.#branches) yield* operators;
  }

  #emit(call: (operator: Operator, key: string) => Items | undefined): StreamItems[] {
    const out: StreamItems[] = [];
    for (const { config, operators } of this.#branches) {
      for (const { key, operator } of operators) {
        const items = call(operator, key);
        if (items !== undefined && items.columns.count > 0) out.push({ ...items, lane: config.lane, isInput: false });
      }
    }
    return out;
  }
}

function operatorsOf(config: PipelineConfig, registry: SeriesRegistry): { key: string; operator: Operator }[] {
  const { name, from, deadband, window } = config;
  const operators: { key: string; operator: Operator }[] = [];
  if (deadband !== undefined) {
    operators.push({
      key: JSON.stringify([name, from, 'deadband', deadband]),
      operator: new Deadband(deadband, name, registry),
    });
  }
  if (window !== undefined) {
    operators.push({
      key: JSON.stringify([name, from, deadband ?? null, 'window', window]),
      operator: new TumblingWindow(window, name, registry),
    });
  }
  return operators;
}
