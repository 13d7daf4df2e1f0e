import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeriveConfig, PipelineConfig } from '../core-config.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import { type Commit, inputSeries, type Reading, reading, runOf, StreamRun, valuesOf } from './testing/stream-kit.ts';

const base = { name: 'out', from: 'climate', lane: 2 } as const;

function deriving(
  ...derive: readonly (Pick<DeriveConfig, 'metric' | 'text'> & Partial<DeriveConfig>)[]
): PipelineConfig {
  return { ...base, derive: derive.map((one) => ({ unit: '', holdMs: 0, ...one })) };
}

function message(time: number, values: Readonly<Record<string, Reading['value']>>, quality = 0): Reading[] {
  return Object.entries(values).map(([metric, value]) => reading(time, value, metric, quality));
}

function run(config: PipelineConfig, ...commits: readonly (readonly Reading[])[]): StreamRun {
  return runOf(
    [config],
    commits.map((readings, index): Commit => ({ readings, now: index })),
  );
}

describe('derive', () => {
  it('makes a metric of a message, of the same device, with its unit', () => {
    const config = deriving({ metric: 'dew_point', text: 'temperature - (100 - humidity) / 5', unit: '°C' });
    const { emitted } = run(config, message(1000, { temperature: 20, humidity: 60 }));
    expect(emitted.map(({ metric, value }) => [metric, value])).toEqual([
      ['temperature', 20],
      ['humidity', 60],
      ['dew_point', 12],
    ]);
    expect(emitted[2]?.definition).toMatchObject({
      stream: 'out',
      device: 'd',
      unit: '°C',
      type: 'number',
      sampling: 'all',
    });
  });

  it('makes flags and texts of expressions that give those', () => {
    const config = deriving(
      { metric: 'hot', text: 'temperature > 30' },
      { metric: 'word', text: 'temperature > 30 ? "hot" : "cold"' },
      { metric: 'same', text: 'state' },
    );
    const { emitted } = run(config, message(1, { temperature: 31, state: 'on' }));
    const types = emitted.map(({ metric, value, definition }) => [metric, value, definition.type]);
    expect(types).toContainEqual(['hot', true, 'boolean']);
    expect(types).toContainEqual(['word', 'hot', 'text']);
    expect(types).toContainEqual(['same', 'on', 'text']);
  });

  it('takes the place of a metric of its name', () => {
    const found = run(deriving({ metric: 'temperature', text: 'temperature + 0.5' }), message(1, { temperature: 20 }));
    expect(valuesOf(found.emitted)).toEqual([[1, 20.5]]);
    expect(found.drops()).toEqual({ 'out.derive temperature.replaced': 1 });
  });

  it('makes nothing of a moment that lacks a metric or has no result, and counts it', () => {
    const config = deriving({ metric: 'ratio', text: 'temperature / humidity' });
    const found = run(config, [
      ...message(1, { temperature: 1, humidity: 0 }),
      ...message(2, { temperature: 1 }),
      // Of no concern to it.
      ...message(3, { pressure: 1000 }),
      ...message(4, { temperature: 1, humidity: 2 }),
    ]);
    expect(valuesOf(found.emitted, 'ratio')).toEqual([[4, 0.5]]);
    expect(found.drops()).toEqual({ 'out.derive ratio.missing': 1, 'out.derive ratio.no_result': 1 });
  });

  it('has the worst quality of what it was made of', () => {
    const config = deriving({ metric: 'sum', text: 'temperature + humidity', holdMs: 1000 });
    const found = run(
      config,
      message(1, { temperature: 1 }, 1),
      message(2, { humidity: 1 }),
      message(3, { humidity: 1 }, 2),
    );
    expect(found.emitted.filter(({ metric }) => metric === 'sum').map(({ quality }) => quality)).toEqual([1, 2]);
  });

  it('with hold, takes the last value that is neither newer nor too old', () => {
    const config = deriving({ metric: 'sum', text: 'temperature + humidity', holdMs: 5000 });
    const found = run(
      config,
      message(1000, { humidity: 50 }),
      message(2000, { temperature: 1 }),
      [...message(6000, { temperature: 2 }), ...message(6001, { temperature: 3 })],
      message(500, { temperature: 4 }),
    );
    expect(valuesOf(found.emitted, 'sum')).toEqual([
      [2000, 51],
      [6000, 52],
    ]);
    expect(found.drops()).toEqual({ 'out.derive sum.missing': 3 });
  });

  it('keeps messages apart that have one time', () => {
    const config = deriving({ metric: 'sum', text: 'temperature + humidity' });
    const found = run(config, [
      ...message(1, { temperature: 1, humidity: 10 }),
      ...message(1, { temperature: 2, humidity: 20 }),
    ]);
    expect(valuesOf(found.emitted, 'sum')).toEqual([
      [1, 11],
      [1, 22],
    ]);
  });

  it('builds on what was derived before it', () => {
    const config = deriving({ metric: 'sum', text: 'temperature + humidity' }, { metric: 'twice', text: 'sum * 2' });
    const devices = ['b', 'a'].flatMap((device) =>
      message(1, { temperature: 1, humidity: 2 }).map((one) => ({ ...one, device })),
    );
    const found = run(config, devices);
    expect(
      found.emitted.filter(({ metric }) => metric === 'twice').map(({ device, value }) => [device, value]),
    ).toEqual([
      ['b', 6],
      ['a', 6],
    ]);
  });

  it('knows the device and its tags by name', () => {
    const config = deriving({ metric: 'place', text: 'temperature > 0 ? room : device' });
    const registry = new DurableSeries();
    const stream = new StreamRun([config], registry);
    const id = registry.idOf({ ...inputSeries('d', 'temperature', 'number'), tags: [['room', 'kitchen']] });
    const columns = { count: 2, series: Uint32Array.of(id, id), flags: new Uint8Array(2), strings: [] };
    const items = stream.pipeline.process(
      'climate',
      { ...columns, time: Float64Array.of(1, 2), value: Float64Array.of(1, -1) },
      0,
    );
    const [out] = items.map((item) => item.kind === 'readings' && item.columns);
    expect(out && out.strings).toEqual(['kitchen', 'd']);
  });

  it('is exact over exact streams alone', () => {
    const local: PipelineConfig = {
      ...base,
      name: 'calm',
      isLocal: true,
      deadband: { thresholds: { temperature: 1 }, heartbeatMs: 1000 },
    };
    const chained = {
      ...deriving({ metric: 'double', text: 'temperature * 2' }),
      from: 'calm',
      isFromPipeline: true,
    } as const;
    const { emitted } = runOf([local, chained], [{ readings: message(1, { temperature: 1 }), now: 0 }]);
    expect(emitted.find(({ metric }) => metric === 'double')?.definition.sampling).toBe('subset');
  });

  it('equals the naive evaluation of every message, over any split between messages and any restart', () => {
    const row = fc.record({
      device: fc.constantFrom('a', 'b'),
      time: fc.integer({ min: 0, max: 20 }),
      temperature: fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined }),
      humidity: fc.option(fc.integer({ min: -3, max: 3 }), { nil: undefined }),
    });
    // A message of a device and time that was there before would belong to the same moment: at most one of each.
    const messages = fc.uniqueArray(row, { maxLength: 20, selector: ({ device, time }) => `${device}${time}` });
    const config = deriving({ metric: 'ratio', text: 'temperature / humidity' });
    fc.assert(
      fc.property(messages, fc.array(fc.boolean()), fc.integer({ min: 1, max: 5 }), (rows, restarts, size) => {
        const asReadings = rows.map(({ device, time, ...values }) =>
          Object.entries(values).flatMap(([metric, value]) =>
            value === undefined ? [] : [{ device, metric, time, value, quality: 0 }],
          ),
        );
        const commits = asReadings.map((_, at) => ({
          readings: asReadings.slice(at * size, (at + 1) * size).flat(),
          now: at,
        }));
        const expected = rows.flatMap(({ device, time, temperature, humidity }) =>
          temperature === undefined || humidity === undefined || humidity === 0
            ? []
            : [`${device}@${time}=${temperature / humidity + 0}`],
        );
        const { emitted } = runOf([config], commits, restarts);
        const found = emitted
          .filter(({ metric }) => metric === 'ratio')
          .map(({ device, time, value }) => `${device}@${time}=${value}`);
        expect(found.sort()).toEqual(expected.sort());
      }),
    );
  });
});

describe('where', () => {
  const filtering = (text: string, holdMs = 0): PipelineConfig => ({ ...base, where: { text, holdMs } });

  it('passes messages whole for which it is true, as a subset', () => {
    const found = run(filtering('state == "on"'), [
      ...message(1, { temperature: 1, state: 'on' }),
      ...message(2, { temperature: 2, state: 'off' }),
      ...message(3, { temperature: 3 }),
    ]);
    expect(found.emitted.map(({ metric, time }) => `${metric}@${time}`).sort()).toEqual(['state@1', 'temperature@1']);
    expect(found.emitted[0]?.definition.sampling).toBe('subset');
    expect(found.drops()).toEqual({ 'out.where.not_matched': 2, 'out.where.missing': 1 });
  });

  it('takes a flag as it is', () => {
    const found = run(filtering('door'), [...message(1, { door: true }), ...message(2, { door: false })]);
    expect(valuesOf(found.emitted, 'door')).toEqual([[1, true]]);
  });

  it('with hold, goes by the last value', () => {
    const found = run(
      filtering('state == "on"', 10_000),
      message(1000, { state: 'on' }),
      message(2000, { temperature: 1 }),
      message(11_001, { temperature: 2 }),
    );
    expect(found.emitted.map(({ metric, time }) => `${metric}@${time}`)).toEqual(['state@1000', 'temperature@2000']);
    expect(found.drops()).toEqual({ 'out.where.missing': 1 });
  });

  it('passes whole series by the device alone, exact as they came', () => {
    const found = run(filtering('device == "d"'), message(1, { temperature: 1 }), [{ ...reading(2, 1), device: 'x' }]);
    expect(found.emitted.map(({ device, definition }) => [device, definition.sampling])).toEqual([['d', 'all']]);
  });

  it('counts what has no result', () => {
    const found = run(filtering('temperature / humidity > 1'), message(1, { temperature: 1, humidity: 0 }));
    expect(found.drops()).toEqual({ 'out.where.no_result': 2 });
  });
});
