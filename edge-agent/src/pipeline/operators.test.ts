/** Every operator against a plain computation, cut into commits anywhere and restarted anywhere. */
import { flagText, quality, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineConfig } from '../core-config.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import type { StreamItems } from './branch.ts';
import { ColumnBuilder } from './columns.ts';
import { Pipeline } from './pipeline.ts';

const metrics = ['temperature', 'humidity', 'state'] as const;
const devices = ['a', 'b'] as const;

function registry(): DurableSeries {
  const series = new DurableSeries();
  for (const device of devices) {
    for (const metric of metrics) {
      const type = metric === 'state' ? 'text' : 'number';
      const rest = { stream: 's', kind: 'reading', sampling: 'all', tags: [], widthMs: 0, holdMs: 0 } as const;
      series.idOf({ ...rest, device, metric, unit: metric === 'temperature' ? '°C' : '%', type });
    }
  }
  return series;
}

interface Row {
  readonly device: number;
  readonly metric: number;
  readonly time: number;
  readonly value: number;
  readonly quality?: number;
}

const series = ({ device, metric }: Row): number => device * metrics.length + metric;

function columnsOf(rows: readonly Row[]): ReadingColumns {
  const out = new ColumnBuilder();
  for (const row of rows) {
    if (metrics[row.metric] === 'state') out.pushText(series(row), row.time, `s${row.value}`, row.quality ?? 0);
    else out.push(series(row), row.time, row.value, row.quality ?? 0);
  }
  return out.take();
}

interface Out {
  readonly name: string;
  readonly time: number;
  readonly value: number | string;
  readonly quality: number;
}

function outsOf(registered: DurableSeries, items: readonly StreamItems[]): Out[] {
  return items.flatMap((item) => {
    if (item.kind !== 'readings') return [];
    const { count, time, value, flags, strings } = item.columns;
    return Array.from({ length: count }, (_, row) => {
      const { device, metric } = registered.definitionOf(item.columns.series[row] ?? 0);
      const isText = ((flags[row] ?? 0) & flagText) !== 0;
      const read = isText ? (strings[value[row] ?? 0] ?? '') : (value[row] ?? 0);
      return { name: `${device}.${metric}`, time: time[row] ?? 0, value: read, quality: (flags[row] ?? 0) & 3 };
    });
  });
}

type Step = { readonly rows: readonly Row[]; readonly waitMs: number };
const base = { name: 'p', from: 's', lane: 2 } as const;

/** What a pipeline emits over these commits, with a restart before each that is named. */
function run(config: PipelineConfig, steps: readonly Step[], restartBefore: ReadonlySet<number> = new Set()): Out[] {
  const registered = registry();
  let pipeline = new Pipeline([config], registered);
  const out: Out[] = [];
  let now = 1_000_000;
  steps.forEach(({ rows, waitMs }, index) => {
    if (restartBefore.has(index)) {
      const next = new Pipeline([config], registered);
      next.restore(pipeline.save());
      pipeline = next;
    }
    now += waitMs;
    out.push(...outsOf(registered, pipeline.process('s', columnsOf(rows), now)));
    out.push(...outsOf(registered, pipeline.tick(now)));
  });
  return [...out, ...outsOf(registered, pipeline.drain(new Set(), now))];
}

const row = fc.record({
  device: fc.integer({ min: 0, max: 1 }),
  metric: fc.integer({ min: 0, max: 2 }),
  time: fc.integer({ min: 0, max: 60 }).map((second) => second * 1000),
  value: fc.integer({ min: -40, max: 40 }).map((value) => value / 2),
  quality: fc.constantFrom(0, 0, 0, 1, 2),
});
const steps = fc.array(
  fc.record({ rows: fc.array(row, { maxLength: 12 }), waitMs: fc.integer({ min: 0, max: 20_000 }) }),
  { maxLength: 10 },
);

const configs: Readonly<Record<string, PipelineConfig>> = {
  only: { ...base, only: ['humidity', 'state'] },
  convert: { ...base, convert: { temperature: { rename: 'f', unit: '°F', scale: 1.8, offset: 32 } } },
  check: { ...base, check: { temperature: { range: { min: -10, max: 15 }, ratePerMs: 0.002, stuckMs: 5000 } } },
  derive: {
    ...base,
    derive: [
      { metric: 'sum', unit: '', text: 'temperature + humidity', holdMs: 0 },
      { metric: 'twice', unit: '', text: 'sum * 2', holdMs: 0 },
    ],
  },
  'derive with hold': {
    ...base,
    derive: [{ metric: 'sum', unit: '', text: 'temperature + humidity', holdMs: 10_000 }],
  },
  where: { ...base, where: { text: "temperature > 0 or device == 'b'", holdMs: 0 } },
  'where with hold': { ...base, where: { text: "state != 's1' and temperature > 0", holdMs: 20_000 } },
  deadband: { ...base, deadband: { thresholds: { temperature: 3 }, shares: { humidity: 0.1 }, heartbeatMs: 20_000 } },
  'swinging door': { ...base, swingingDoor: { bounds: { temperature: 2 }, maxGapMs: 15_000 } },
  throttle: { ...base, throttleMs: 5000 },
  sample: { ...base, sampleMs: 5000 },
  hopping: {
    ...base,
    hopping: { everyMs: 5000, widthMs: 15_000, latenessMs: 2000, compute: ['mean', 'count', 'p95'], hasSketch: true },
  },
  everything: {
    ...base,
    only: ['temperature', 'humidity'],
    convert: { temperature: { rename: 't', scale: 2, offset: 0 } },
    check: { t: { range: { min: -30, max: 30 } } },
    derive: [{ metric: 'ratio', unit: '', text: 't / humidity', holdMs: 5000 }],
    where: { text: 't > -20', holdMs: 5000 },
    deadband: { thresholds: { ratio: 0.1 }, heartbeatMs: 20_000 },
    hopping: { everyMs: 5000, widthMs: 10_000, latenessMs: 0, compute: ['max'], hasSketch: false },
  },
};

describe.each(Object.entries(configs))('%s', (_name, config) => {
  it('goes on after a restart at any commit as if there had been none', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.nat({ max: 9 })), (commits, restarts) => {
        expect(run(config, commits, new Set(restarts))).toEqual(run(config, commits));
      }),
      { numRuns: 100 },
    );
  });
});

const at = (second: number, value: number, metric = 0, device = 0): Row => ({
  device,
  metric,
  time: second * 1000,
  value,
});
const once = (config: PipelineConfig, ...rows: Row[]): Out[] => run(config, [{ rows, waitMs: 0 }]);
const values = (outs: readonly Out[]): (number | string)[] => outs.map(({ value }) => value);

describe('convert', () => {
  it('scales numbers, leaves others bit for bit, and renames', () => {
    const outs = once(configs['convert'] ?? base, at(1, 100), at(1, 7, 1), at(1, 3, 2));
    expect(Object.fromEntries(outs.map(({ name, value }) => [name, value]))).toEqual({
      'a.f': 212,
      'a.humidity': 7,
      'a.state': 's3',
    });
  });

  it('drops and counts what becomes infinite', () => {
    const pipeline = new Pipeline([{ ...base, convert: { temperature: { scale: 1e300, offset: 0 } } }], registry());
    expect(pipeline.process('s', columnsOf([at(1, 1e300)]), 0)).toEqual([]);
    expect([...pipeline.drops()]).toEqual([['p.convert.not_finite', 1]]);
  });
});

describe('check', () => {
  it('marks what is out of range, too fast or stuck, and drops nothing', () => {
    const rows = [at(0, 0), at(1, 1), at(2, 10), at(3, 99), at(4, 10), at(5, 10), at(7, 10), at(8, 11)];
    const { good, uncertain, bad } = quality;
    const outs = once(configs['check'] ?? base, ...rows);
    expect(outs.map((out) => out.quality)).toEqual([good, good, uncertain, bad, good, good, uncertain, good]);
    expect(values(outs)).toEqual(rows.map(({ value }) => value));
  });
});

describe('derive', () => {
  it('joins what one message holds, takes the worst quality, and builds on what was derived before', () => {
    const rows = [at(1, 20), { ...at(1, 50, 1), quality: 1 }, at(2, 21), at(3, 55, 1), at(1, 5, 1, 1), at(1, 1, 0, 1)];
    const outs = once(configs['derive'] ?? base, ...rows).filter(({ name }) => /sum|twice/.test(name));
    expect(outs).toEqual([
      { name: 'a.sum', time: 1000, value: 70, quality: 1 },
      { name: 'b.sum', time: 1000, value: 6, quality: 0 },
      { name: 'a.twice', time: 1000, value: 140, quality: 1 },
      { name: 'b.twice', time: 1000, value: 12, quality: 0 },
    ]);
  });

  it('with a hold uses the last value before, while it is young enough', () => {
    const rows = [at(1, 20), at(5, 50, 1), at(11, 51, 1), at(12, 52, 1)];
    const outs = once(configs['derive with hold'] ?? base, ...rows).filter(({ name }) => name === 'a.sum');
    expect(outs.map(({ time, value }) => [time, value])).toEqual([
      [5000, 70],
      [11_000, 71],
    ]);
  });

  it('is lossy where its inputs are, and described as its own metric', () => {
    const registered = registry();
    const calm: PipelineConfig = { ...base, name: 'calm', deadband: { thresholds: {}, heartbeatMs: 60_000 } };
    const chained: PipelineConfig = { ...configs['derive'], ...base, from: 'calm', isFromPipeline: true };
    const pipeline = new Pipeline([calm, chained], registered);
    const items = pipeline.process('s', columnsOf([at(1, 20), at(1, 50, 1)]), 0);
    const made = items.flatMap(({ columns }) => [...columns.series]).map((id) => registered.definitionOf(id));
    expect(made.find(({ metric }) => metric === 'sum')).toMatchObject<Partial<SeriesDefinition>>({
      stream: 'p',
      device: 'a',
      sampling: 'held',
      holdMs: 60_000,
    });
  });
});

describe('where', () => {
  it('lets whole messages pass, and counts the others by why', () => {
    const registered = registry();
    const pipeline = new Pipeline([{ ...base, where: { text: 'temperature > 0', holdMs: 0 } }], registered);
    const rows = [at(1, 20), at(1, 50, 1), at(2, -1), at(2, 51, 1), at(3, 52, 1)];
    const outs = outsOf(registered, pipeline.process('s', columnsOf(rows), 0));
    expect(values(outs)).toEqual([20, 50]);
    expect(Object.fromEntries(pipeline.drops())).toEqual({ 'p.where.no_result': 1, 'p.where.not_matched': 2 });
  });
});

describe('throttle and sample', () => {
  const rows = [at(1, 1), at(2, 2), at(4, 4), at(6, 6), at(9, 9), at(3, 3), at(11, 11)];

  it('throttle passes the first of each period', () => {
    expect(values(once(configs['throttle'] ?? base, ...rows))).toEqual([1, 6, 11]);
  });

  it('sample passes the last of each period, when the period is over or the series idle', () => {
    expect(values(once(configs['sample'] ?? base, ...rows))).toEqual([4, 9, 11]);
    const registered = registry();
    const pipeline = new Pipeline([configs['sample'] ?? base], registered);
    pipeline.process('s', columnsOf([at(1, 1)]), 100_000);
    expect(pipeline.dueAt()).toBe(105_000);
    expect(pipeline.tick(104_999)).toEqual([]);
    expect(values(outsOf(registered, pipeline.tick(105_000)))).toEqual([1]);
  });
});

describe('hopping windows', () => {
  it('equal a plain computation over every window, with readings in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 0, max: 9 })), { maxLength: 40 }),
        fc.nat({ max: 40 }),
        (unsorted, cut) => {
          const readings = unsorted.toSorted(([a], [b]) => a - b).map(([second, value]) => at(second, value));
          const config: PipelineConfig = {
            ...base,
            hopping: { everyMs: 5000, widthMs: 15_000, latenessMs: 0, compute: ['sum'], hasSketch: false },
          };
          const commits = [readings.slice(0, cut), readings.slice(cut)].map((rows) => ({ rows, waitMs: 0 }));
          const expected = new Map<number, number>();
          for (const { time, value } of readings)
            for (let start = Math.floor(time / 5000) * 5000; start > time - 15_000; start -= 5000)
              expected.set(start, (expected.get(start) ?? 0) + value);
          const found = run(config, commits).map(({ time, value }) => [time, value]);
          expect(found).toEqual([...expected].sort(([a], [b]) => a - b));
        },
      ),
    );
  });

  it('are values of their own metrics, and what is late changes nothing and is counted', () => {
    const registered = registry();
    const hopping = { everyMs: 5000, widthMs: 10_000, latenessMs: 0, compute: ['mean', 'count'], hasSketch: false };
    const pipeline = new Pipeline([{ ...base, hopping }], registered);
    const outs = [[at(1, 1)], [at(30, 2)], [at(2, 3)]].flatMap((rows) =>
      outsOf(registered, pipeline.process('s', columnsOf(rows), 0)),
    );
    expect(outs.map(({ name, time, value }) => [name, time, value])).toEqual([
      ['a.temperature.mean', -5000, 1],
      ['a.temperature.mean', 0, 1],
      ['a.temperature.count', -5000, 1],
      ['a.temperature.count', 0, 1],
    ]);
    expect([...pipeline.drops()]).toEqual([['p.window.late', 1]]);
    expect(registered.definitionOf(registry().count)).toMatchObject({
      kind: 'reading',
      sampling: 'subset',
      unit: '°C',
    });
  });
});
