import { Partial } from '@fogline/shared/aggregate/partial';
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
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
