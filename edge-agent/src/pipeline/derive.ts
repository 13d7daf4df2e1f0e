/**
 * `derive`: a new metric per device, computed of others of the same moment; what came in goes on unchanged. A moment that lacks one of them,
 * and a result that is none (a division by zero), give no reading and are counted. Its quality is the worst of what it was made of, its
 * sampling the lossiest.
 */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import type { DeriveConfig } from '../core-config.ts';
import { compileExpression } from '../expressions/expression.ts';
import { ColumnBuilder, joined } from './columns.ts';
import { addDrop } from './drops.ts';
import { type Device, type HeldRow, Moments } from './moments.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { lossiest } from './sampling.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

export class Derive implements Operator {
  readonly #config: DeriveConfig;
  readonly #moments: Moments;
  readonly #isHeld: boolean;
  readonly #view: SeriesView;
  readonly #outputs = new Map<Device, number>();
  readonly #made = new Map<number, SeriesDefinition>();
  readonly #restored = new Map<string, number>();
  readonly #out = new ColumnBuilder();
  readonly drops = new Map<string, number>();

  /** Throws `config_invalid`. */
  constructor(config: DeriveConfig, view: SeriesView) {
    this.#config = config;
    this.#moments = new Moments(compileExpression(config.text), config.holdMs, view);
    this.#isHeld = config.holdMs > 0;
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
  }

  process(columns: ReadingColumns): Items {
    for (const device of this.#moments.group(columns)) {
      for (const time of this.#times(device, columns)) {
        const result = this.#moments.evaluate(device, time);
        const { quality, isComplete } = this.#moments;
        if (result === undefined) addDrop(this.drops, isComplete ? 'no_result' : 'missing');
        else if (typeof result === 'string')
          this.#out.pushText(this.#outputOf(device, columns, 'text'), time, result, quality);
        else {
          const type = typeof result === 'boolean' ? 'boolean' : 'number';
          this.#out.push(this.#outputOf(device, columns, type), time, Number(result), quality);
        }
      }
      this.#moments.remember(device);
    }
    return { kind: 'readings', columns: joined(columns, this.#out.take()) };
  }

  tick(): undefined {}

  dueAt(): undefined {}

  drain(): undefined {}

  /** Of the moments in which a variable has a reading; without a hold those of the first that has any are all that can be complete. */
  #times({ runs }: Device, { time }: ReadingColumns): number[] {
    const times = new Set<number>();
    for (const run of runs) {
      if (run === undefined) continue;
      for (let row = run.from; row < run.to; row++) times.add(time[row] ?? 0);
      if (!this.#isHeld) break;
    }
    return [...times].sort((a, b) => a - b);
  }

  #outputOf(device: Device, { series }: ReadingColumns, type: SeriesDefinition['type']): number {
    const known = this.#outputs.get(device);
    if (known !== undefined) return known;
    const made = this.#restored.get(keyOf(device));
    const id = made ?? this.#define(device, series, type);
    this.#outputs.set(device, id);
    return id;
  }

  #define({ device, tags, runs }: Device, series: Uint32Array, type: SeriesDefinition['type']): number {
    const inputs = runs.flatMap((run) => (run === undefined ? [] : [this.#view.definitionOf(series[run.from] ?? 0)]));
    const all = { sampling: 'all', holdMs: 0 } as const;
    const definition: SeriesDefinition = {
      stream: '',
      device,
      metric: this.#config.metric,
      unit: this.#config.unit,
      kind: 'reading',
      type,
      tags,
      widthMs: 0,
      ...inputs.reduce<Pick<SeriesDefinition, 'sampling' | 'holdMs'>>(lossiest, all),
    };
    const id = this.#view.define(definition);
    this.#made.set(id, definition);
    return id;
  }

  save(): Uint8Array {
    return packState(stateVersion, [...this.#made], this.#moments.save());
  }

  restore(saved: Uint8Array): void {
    const [made, held] = unpackState(saved, stateVersion) as [[number, SeriesDefinition][], HeldRow[]];
    for (const [id, definition] of made) {
      this.#view.redefine(id, definition);
      this.#made.set(id, definition);
      this.#restored.set(keyOf(definition), id);
    }
    this.#moments.restore(held);
  }
}

function keyOf({ device, tags }: Pick<SeriesDefinition, 'device' | 'tags'>): string {
  return JSON.stringify([device, tags]);
}
