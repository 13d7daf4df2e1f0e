/** Pipelines in tests: readings as objects in, items as objects out, commits and restarts at will. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { flagQualityMask, flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import fc from 'fast-check';
import type { PipelineConfig } from '../../core-config.ts';
import { DurableSeries } from '../../journal/series-registry.ts';
import type { StreamItems } from '../branch.ts';
import { ColumnBuilder } from '../columns.ts';
import { Pipeline } from '../pipeline.ts';

const source = 'climate';

export interface Reading {
  readonly device: string;
  readonly metric: string;
  readonly time: number;
  readonly value: number | boolean | string;
  readonly quality: number;
}

export interface Commit {
  readonly readings: readonly Reading[];
  readonly now: number;
}

/** What came out, in order; windows with their partial as hexadecimal text. */
export interface Emitted extends Omit<Reading, 'value'> {
  readonly stream: string;
  readonly definition: SeriesDefinition;
  readonly value: number | boolean | string;
  readonly delta: number;
}

export function reading(time: number, value: Reading['value'], metric = 'temperature', quality = 0): Reading {
  return { device: 'd', metric, time, value, quality };
}

/** A pipeline with its registry; `restart` saves it, forgets it, and goes on with another that restores it. */
export class StreamRun {
  readonly registry: DurableSeries;
  pipeline: Pipeline;
  readonly emitted: Emitted[] = [];
  readonly #drops = new Map<string, number>();
  #configs: readonly PipelineConfig[];
  now = 0;

  constructor(configs: readonly PipelineConfig[], registry = new DurableSeries()) {
    this.#configs = configs;
    this.registry = registry;
    this.pipeline = new Pipeline(configs, registry);
  }

  commit({ readings, now }: Commit): this {
    this.now = now;
    if (readings.length > 0) this.#take(this.pipeline.process(source, this.columnsOf(readings), now));
    this.#take(this.pipeline.tick(now));
    return this;
  }

  restart(): this {
    const states = this.pipeline.save();
    this.#countDrops();
    this.pipeline = new Pipeline(this.#configs, this.registry);
    this.pipeline.restore(states);
    return this;
  }

  /** As a start with another configuration does (journal/recovery.ts). */
  reconfigure(configs: readonly PipelineConfig[]): this {
    const next = new Pipeline(configs, this.registry);
    const kept = next.keys();
    this.#countDrops();
    this.#take(this.pipeline.drain(kept, this.now));
    next.restore(this.pipeline.save().filter(({ key }) => kept.has(key)));
    this.#configs = configs;
    this.pipeline = next;
    return this;
  }

  /** Over all restarts. */
  drops(): Record<string, number> {
    const drops = new Map(this.#drops);
    for (const [name, count] of this.pipeline.drops()) drops.set(name, (drops.get(name) ?? 0) + count);
    return Object.fromEntries([...drops].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #countDrops(): void {
    for (const [name, count] of this.pipeline.drops()) this.#drops.set(name, (this.#drops.get(name) ?? 0) + count);
  }

  end(): readonly Emitted[] {
    this.#take(this.pipeline.drain(new Set(), this.now));
    return this.emitted;
  }

  columnsOf(readings: readonly Reading[]): ReadingColumns {
    const builder = new ColumnBuilder();
    for (const { device, metric, time, value, quality } of readings) {
      const id = this.registry.idOf(inputSeries(device, metric, typeof value as 'number' | 'boolean' | 'string'));
      if (typeof value === 'string') builder.pushText(id, time, value, quality);
      else builder.push(id, time, Number(value), quality);
    }
    return builder.take();
  }

  #take(streams: readonly StreamItems[]): void {
    for (const { stream, kind, columns } of streams) {
      for (let row = 0; row < columns.count; row++) {
        const definition = this.registry.definitionOf(columns.series[row] ?? 0);
        const { device, metric } = definition;
        const common = { stream, definition, device, metric };
        if (kind === 'windows') {
          const value = Buffer.from(columns.partial[row] ?? []).toString('hex');
          this.emitted.push({
            ...common,
            time: columns.start[row] ?? 0,
            value,
            quality: 0,
            delta: columns.delta[row] ?? 0,
          });
        } else {
          this.emitted.push({ ...common, ...readingOf(columns, row, definition), delta: 0 });
        }
      }
    }
  }
}

function readingOf({ time, value, flags, strings }: ReadingColumns, row: number, { type }: SeriesDefinition) {
  const number = value[row] ?? 0;
  const text = ((flags[row] ?? 0) & flagText) === 0 ? undefined : strings[number];
  return {
    time: time[row] ?? 0,
    value: text ?? (type === 'boolean' ? number === 1 : number),
    quality: (flags[row] ?? 0) & flagQualityMask,
  };
}

export function inputSeries(device: string, metric: string, type: 'number' | 'boolean' | 'string'): SeriesDefinition {
  return {
    stream: source,
    device,
    metric,
    unit: metric === 'temperature' ? '°C' : '',
    kind: 'reading',
    type: type === 'string' ? 'text' : type,
    sampling: 'all',
    tags: [],
    widthMs: 0,
    holdMs: 0,
  };
}

/** All commits in one run; with `restarts`, a restart after each commit for which it says so. */
export function runOf(
  configs: readonly PipelineConfig[],
  commits: readonly Commit[],
  restarts: readonly boolean[] = [],
): StreamRun {
  const run = new StreamRun(configs);
  commits.forEach((commit, index) => {
    run.commit(commit);
    if (restarts[index] === true) run.restart();
  });
  return run;
}

/** Time, value and quality in order, of one metric. */
export function valuesOf(emitted: readonly Emitted[], metric = 'temperature'): (readonly [number, Reading['value']])[] {
  return emitted.filter((one) => one.metric === metric).map(({ time, value }) => [time, value] as const);
}

const spanMs = 120_000;
const anyDevice = fc.constantFrom('a', 'b');
const anyTime = fc.integer({ min: 0, max: spanMs });
const anyQuality = fc.constantFrom(0, 0, 0, 0, 1, 2);
const anyNumber = fc.oneof(
  fc.integer({ min: -50, max: 50 }).map((value) => value / 10),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e300, -1e300, 5e-324),
);
const common = { device: anyDevice, time: anyTime, quality: anyQuality };

/** Readings of two devices: numbers, a flag and a state, in any order of time. */
export const anyReading: fc.Arbitrary<Reading> = fc.oneof(
  fc.record({ ...common, metric: fc.constantFrom('temperature', 'humidity'), value: anyNumber }),
  fc.record({ ...common, metric: fc.constant('door'), value: fc.boolean() }),
  fc.record({ ...common, metric: fc.constant('state'), value: fc.constantFrom('on', 'off', 'größer') }),
);

/** Messages of all metrics at one time, as devices send them. */
const message = fc
  .record({ ...common, temperature: anyNumber, humidity: anyNumber, door: fc.boolean() })
  .map(({ device, time, quality, ...metrics }) =>
    Object.entries(metrics).map(([metric, value]): Reading => ({ device, metric, time, value, quality })),
  );

const clockSetBackMs = -3_600_000;

/** Commits with processing time passing between them, or the wall clock set back. */
export const anyCommits: fc.Arbitrary<Commit[]> = fc
  .array(
    fc.record({
      readings: fc
        .array(
          fc.oneof(
            anyReading.map((one) => [one]),
            message,
          ),
          { maxLength: 12 },
        )
        .map((parts) => parts.flat()),
      waitMs: fc.oneof(fc.integer({ min: 0, max: 15_000 }), fc.constantFrom(0, 400_000, clockSetBackMs)),
    }),
    { maxLength: 12 },
  )
  .map((steps) => {
    let now = 1_000;
    return steps.map(({ readings, waitMs }) => ({ readings, now: (now += waitMs) }));
  });

/** The same readings in other commits: `sizes` says how many of them each commit takes. */
export function resplit(commits: readonly Commit[], sizes: readonly number[]): Commit[] {
  const readings = commits.flatMap((commit) => commit.readings);
  const now = commits.at(-1)?.now ?? 0;
  const out: Commit[] = [];
  for (let from = 0, index = 0; from < readings.length; index++) {
    const size = Math.max(1, sizes[index % Math.max(1, sizes.length)] ?? readings.length);
    out.push({ readings: readings.slice(from, from + size), now });
    from += size;
  }
  return out;
}

export function partialOf(emitted: Emitted): Partial {
  return Partial.decode(Buffer.from(String(emitted.value), 'hex'));
}
