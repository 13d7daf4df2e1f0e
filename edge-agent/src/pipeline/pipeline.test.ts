import { Partial } from '@fogline/shared/aggregate/partial';
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineConfig } from '../core-config.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import { canonical } from './columns.ts';
import { Pipeline } from './pipeline.ts';

const definition = (device: string): SeriesDefinition => ({
  stream: 'climate',
  device,
  metric: 'temperature',
  unit: '°C',
  kind: 'reading',
  type: 'number',
  sampling: 'all',
  tags: [],
  widthMs: 0,
  holdMs: 0,
});

function registry(devices: number): DurableSeries {
  const series = new DurableSeries();
  for (let i = 0; i < devices; i++) series.idOf(definition(`d${i}`));
  return series;
}

interface Row {
  readonly series: number;
  readonly time: number;
  readonly value: number;
}

function columnsOf(rows: readonly Row[]): ReadingColumns {
  return canonical({
    count: rows.length,
    series: Uint32Array.from(rows, (row) => row.series),
    time: Float64Array.from(rows, (row) => row.time),
    value: Float64Array.from(rows, (row) => row.value),
    flags: new Uint8Array(rows.length),
    strings: [],
  });
}

const stats: PipelineConfig = {
  name: 'stats',
  from: 'climate',
  window: { everyMs: 10_000, latenessMs: 2000, hasSketch: false },
  lane: 1,
};
const calm: PipelineConfig = {
  name: 'calm',
  from: 'climate',
  deadband: { thresholds: { temperature: 0.5 }, heartbeatMs: 60_000 },
  lane: 2,
};
const live: PipelineConfig = { name: 'live', from: 'climate', lane: 2 };

const row = fc.record({
  series: fc.integer({ min: 0, max: 2 }),
  time: fc.integer({ min: 0, max: 120_000 }),
  value: fc.integer({ min: -500, max: 500 }).map((value) => value / 10),
});
/** Commits of readings, with processing time passing between them. */
const commits = fc.array(
  fc.record({ rows: fc.array(row, { maxLength: 20 }), waitMs: fc.integer({ min: 0, max: 15_000 }) }),
  { maxLength: 12 },
);

const byKey = (a: readonly [string, unknown], b: readonly [string, unknown]): number => (a[0] < b[0] ? -1 : 1);

/** Everything that windows emitted, merged per (device, start). */
class Collected {
  readonly partials = new Map<string, Partial>();
  wholes = new Map<string, number>();

  add(series: DurableSeries, items: readonly ReturnType<Pipeline['tick']>[number][]): void {
    for (const item of items) {
      if (item.kind !== 'windows') continue;
      for (let i = 0; i < item.columns.count; i++) {
        const key = `${series.definitionOf(item.columns.series[i] ?? 0).device}|${item.columns.start[i]}`;
        const partial = Partial.decode(item.columns.partial[i] ?? new Uint8Array());
        const known = this.partials.get(key);
        if (known === undefined) this.partials.set(key, partial);
        else known.merge(partial);
        if (item.columns.delta[i] === 0) this.wholes.set(key, (this.wholes.get(key) ?? 0) + 1);
      }
    }
  }

  toHex(): Record<string, string> {
    return Object.fromEntries(
      [...this.partials].sort(byKey).map(([key, partial]) => [key, Buffer.from(partial.encode()).toString('hex')]),
    );
  }
}

function naive(all: readonly Row[]): Record<string, string> {
  const out = new Map<string, Partial>();
  for (const { series, time, value } of all) {
    const key = `d${series}|${Math.floor(time / 10_000) * 10_000}`;
    let partial = out.get(key);
    if (partial === undefined) out.set(key, (partial = Partial.empty()));
    partial.add(time, value);
  }
  return Object.fromEntries(
    [...out].sort(byKey).map(([key, partial]) => [key, Buffer.from(partial.encode()).toString('hex')]),
  );
}

describe('tumbling windows', () => {
  it('with their deltas equal the naive aggregate, over any split, order, idle spell and restart', () => {
    fc.assert(
      fc.property(commits, fc.array(fc.boolean(), { maxLength: 12 }), (steps, restarts) => {
        const series = registry(3);
        let pipeline = new Pipeline([stats], series);
        const collected = new Collected();
        let now = 1000;
        steps.forEach(({ rows, waitMs }, index) => {
          now += waitMs;
          if (rows.length > 0) collected.add(series, pipeline.process('climate', columnsOf(rows), now));
          collected.add(series, pipeline.tick(now));
          if (restarts[index] === true) {
            const saved = pipeline.save();
            pipeline = new Pipeline([stats], series);
            pipeline.restore(saved);
          }
        });
        collected.add(series, pipeline.drain(new Set(), now));
        expect(collected.toHex()).toEqual(naive(steps.flatMap(({ rows }) => rows)));
      }),
    );
  });

  it('give each window once as a whole, everything later as deltas', () => {
    fc.assert(
      fc.property(commits, (steps) => {
        const series = registry(3);
        const pipeline = new Pipeline([stats], series);
        const collected = new Collected();
        let now = 1000;
        for (const { rows, waitMs } of steps) {
          now += waitMs;
          if (rows.length > 0) collected.add(series, pipeline.process('climate', columnsOf(rows), now));
          collected.add(series, pipeline.tick(now));
        }
        collected.add(series, pipeline.drain(new Set(), now));
        for (const count of collected.wholes.values()) expect(count).toBe(1);
      }),
    );
  });

  it('do not make neighbours late when one device backfills', () => {
    const series = registry(2);
    const pipeline = new Pipeline([stats], series);
    const collected = new Collected();
    collected.add(series, pipeline.process('climate', columnsOf([{ series: 0, time: 1_000_000, value: 1 }]), 0));
    collected.add(series, pipeline.process('climate', columnsOf([{ series: 1, time: 5000, value: 2 }]), 0));
    collected.add(series, pipeline.process('climate', columnsOf([{ series: 1, time: 15_000, value: 3 }]), 0));
    expect([...collected.wholes]).toEqual([['d1|0', 1]]);
  });

  it('close by processing time when a series goes idle', () => {
    const series = registry(1);
    const pipeline = new Pipeline([stats], series);
    pipeline.process('climate', columnsOf([{ series: 0, time: 5000, value: 1 }]), 100_000);
    expect(pipeline.dueAt()).toBe(112_000);
    expect(pipeline.tick(111_999)).toEqual([]);
    expect(pipeline.tick(112_000)).toHaveLength(1);
    expect(pipeline.dueAt()).toBeUndefined();
  });
});

describe('deadband', () => {
  const pass = (rows: readonly Row[]): number[] => {
    const [items] = new Pipeline([calm], registry(1)).process('climate', columnsOf(rows), 0);
    return items?.kind === 'readings' ? [...items.columns.time] : [];
  };

  it('passes the first reading, changes by the threshold, and the heartbeat', () => {
    const rows = [
      { time: 0, value: 20 },
      { time: 1000, value: 20.4 },
      { time: 2000, value: 20.5 },
      { time: 3000, value: 20.1 },
      { time: 61_999, value: 20.5 },
      { time: 62_000, value: 20.5 },
    ].map((reading) => ({ series: 0, ...reading }));
    expect(pass(rows)).toEqual([0, 2000, 62_000]);
  });

  it('passes late readings and leaves its reference alone', () => {
    const rows = [
      { time: 10_000, value: 20 },
      { time: 5000, value: 25 },
      { time: 11_000, value: 20.1 },
    ].map((reading) => ({ series: 0, ...reading }));
    expect(pass(rows)).toEqual([10_000, 5000]);
  });

  it('marks its stream as held, for as long as the heartbeat', () => {
    const series = registry(1);
    new Pipeline([calm], series).process('climate', columnsOf([{ series: 0, time: 0, value: 1 }]), 0);
    expect(series.definitionOf(1)).toMatchObject({ stream: 'calm', sampling: 'held', holdMs: 60_000 });
  });

  it('goes on after a restart as if there had been none', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), fc.integer({ min: 0, max: 40 }), (rows, cut) => {
        const times = (items: ReturnType<Pipeline['process']>): number[] =>
          items.flatMap((item) => (item.kind === 'readings' ? [...item.columns.time] : []));
        const steady = new Pipeline([calm], registry(3));
        const expected = [
          ...times(steady.process('climate', columnsOf(rows.slice(0, cut)), 0)),
          ...times(steady.process('climate', columnsOf(rows.slice(cut)), 0)),
        ];
        const series = registry(3);
        const before = new Pipeline([calm], series);
        const first = times(before.process('climate', columnsOf(rows.slice(0, cut)), 0));
        const after = new Pipeline([calm], series);
        after.restore(before.save());
        expect([...first, ...times(after.process('climate', columnsOf(rows.slice(cut)), 0))]).toEqual(expected);
      }),
    );
  });
});

describe('the pipeline', () => {
  it('passes the columns of a source on unchanged, marked as the input itself', () => {
    const columns = columnsOf([{ series: 0, time: 1, value: 2 }]);
    const outputs = new Pipeline([live, stats], registry(1)).process('climate', columns, 0);
    expect(outputs.filter(({ isInput }) => isInput)).toHaveLength(1);
    expect(outputs[0]?.columns).toBe(columns);
  });

  it('keeps the state of operators whose configuration did not change, and drains the others', () => {
    const series = registry(1);
    const before = new Pipeline([calm, stats], series);
    before.process('climate', columnsOf([{ series: 0, time: 5000, value: 1 }]), 0);
    const wider: PipelineConfig = { ...stats, window: { everyMs: 60_000, latenessMs: 2000, hasSketch: false } };
    const after = new Pipeline([calm, wider], series);
    const drained = before.drain(after.keys(), 0);
    expect(drained.map(({ kind }) => kind)).toEqual(['windows']);
    after.restore(before.save());
    const outputs = after.process('climate', columnsOf([{ series: 0, time: 6000, value: 1.1 }]), 0);
    expect(outputs).toEqual([]);
  });

  it('chains branches in any order of writing: what one emits is what the next takes, under its own stream', () => {
    const series = registry(1);
    const chained: PipelineConfig = { ...stats, name: 'slow', from: 'calm', isFromPipeline: true };
    const local: PipelineConfig = { ...calm, isLocal: true };
    const pipeline = new Pipeline([chained, local], series);
    const at = (time: number, value: number) => columnsOf([{ series: 0, time, value }]);
    const outputs = [
      ...pipeline.process('climate', at(1000, 20), 0),
      ...pipeline.process('climate', at(2000, 20.1), 0),
      ...pipeline.process('climate', at(3000, 21), 0),
      ...pipeline.tick(100_000),
    ];
    expect(outputs.map(({ stream, isSent, kind }) => [stream, isSent, kind])).toEqual([
      ['calm', false, 'readings'],
      ['calm', false, 'readings'],
      ['slow', true, 'windows'],
    ]);
    const window = outputs[2];
    const partial =
      window?.kind === 'windows' ? Partial.decode(window.columns.partial[0] ?? new Uint8Array()) : undefined;
    expect([partial?.count, partial?.min, partial?.max]).toEqual([2, 20, 21]);
    expect(series.definitionOf(window?.columns.series[0] ?? 0)).toMatchObject({
      stream: 'slow',
      sampling: 'held',
      kind: 'window',
    });
    expect([...pipeline.drops()]).toEqual([['calm.deadband.within_band', 1]]);
  });

  it('drains a chain from its beginning, so that nothing stays behind in an operator further on', () => {
    const series = registry(1);
    const chained: PipelineConfig = { ...stats, name: 'slow', from: 'calm', isFromPipeline: true };
    const pipeline = new Pipeline([calm, chained], series);
    pipeline.process('climate', columnsOf([{ series: 0, time: 1000, value: 20 }]), 0);
    const other = new Pipeline([{ ...calm, deadband: { thresholds: {}, heartbeatMs: 1000 } }, chained], series);
    // The window itself did not change, what comes to it did.
    expect(pipeline.drain(other.keys(), 0).map(({ stream }) => stream)).toEqual(['slow']);
  });

  it('keeps keys short, however long the chain', () => {
    const chain = Array.from({ length: 30 }, (_, at): PipelineConfig => {
      return at === 0 ? { ...calm, name: 'p0' } : { ...calm, name: `p${at}`, from: `p${at - 1}`, isFromPipeline: true };
    });
    const keys = [...new Pipeline(chain, registry(1)).keys()];
    expect(keys).toHaveLength(30);
    for (const key of keys) expect(key.length).toBeLessThan(100);
  });

  it('refuses a circle', () => {
    const a: PipelineConfig = { ...calm, name: 'a', from: 'b', isFromPipeline: true };
    const b: PipelineConfig = { ...calm, name: 'b', from: 'a', isFromPipeline: true };
    expect(() => new Pipeline([a, b], registry(1))).toThrow('pipelines take from each other in a circle: a, b');
  });

  it('shows an observer what each step got and what it made of it', () => {
    const series = registry(1);
    const pipeline = new Pipeline([calm, stats], series);
    const seen: unknown[] = [];
    pipeline.observer = ({ pipeline: name, step, before, after, drops, definitionBefore, definitionAfter }) =>
      seen.push([name, step, before.count, after.columns.count, definitionBefore(0), definitionAfter(0), [...drops]]);
    pipeline.process('climate', columnsOf([5, 6].map((time) => ({ series: 0, time, value: 1 }))), 0);
    pipeline.tick(100_000);
    const input = definition('d0');
    const windows = { ...input, kind: 'window', widthMs: 10_000 };
    expect(seen).toEqual([
      ['calm', 'deadband', 2, 1, input, { ...input, sampling: 'held', holdMs: 60_000 }, [['within_band', 1]]],
      ['stats', 'window', 2, 0, input, windows, []],
      ['stats', 'window', 0, 1, input, windows, []],
    ]);
  });
});
