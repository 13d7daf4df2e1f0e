/** Aggregates that follow readings one after the other, against a millisecond by millisecond reading of their definitions (decision 0010). */
import type { Sampling } from '@fogline/shared/reading';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoreRead } from '../store/read.ts';
import { definition, openStoreFixture, type ReadingInput } from '../testing/store-fixture.ts';
import type { Aggregate } from './aggregates.ts';
import { answerData, type DataPage } from './data.ts';
import { type Grid, parseGrid, widened } from './grid.ts';
import type { Value } from './parts.ts';
import { parseSelector } from './selector.ts';

const second = 1_000;
const minute = 60_000;
const hour = 3_600_000;
const start = Date.UTC(2026, 0, 1, 6);

interface Asked {
  readonly match?: string;
  readonly from: number;
  readonly to: number;
  readonly now?: number;
  readonly grid: Grid;
  readonly aggregates?: readonly Aggregate[];
  readonly holdMs?: number;
  readonly limit?: number;
  readonly cursor?: string;
}

function ask(store: StoreRead, { match = 'level', from, to, now = to, limit = 100_000, ...asked }: Asked): DataPage {
  const iso = (ms: number) => new Date(ms).toISOString();
  const rest = { fill: undefined, qualities: undefined, aggregates: undefined, cursor: undefined, limit };
  const selectors = [parseSelector(match)];
  const query = answerData(store, { selectors, from: iso(from), to: iso(to), ...rest, ...asked }, now);
  for (;;) {
    const step = query.next();
    if (step.done === true) return step.value;
  }
}

/** Rows of every series, over all pages. */
function rowsOf(store: StoreRead, asked: Asked): Map<string, Value[][]> {
  const rows = new Map<string, Value[][]>();
  for (let cursor: string | undefined; ; ) {
    const page = ask(store, { ...asked, ...(cursor === undefined ? {} : { cursor }) });
    for (const { series, values } of page.parts) {
      const known = rows.get(series.device) ?? [];
      values[0]?.forEach((_, row) => void known.push(values.map((column) => column[row] ?? null)));
      rows.set(series.device, known);
    }
    if (page.next === null) return rows;
    cursor = page.next;
  }
}

interface Known {
  readonly timeMs: number;
  readonly value: number;
}

/** The definitions, word by word. `grid` gives the buckets; values are multiples of 1/4, so float64 sums of them are exact. */
function naive(unsorted: readonly Known[], { from, to, now = to, grid }: Asked, holdMs: number): Value[][] {
  const readings = unsorted.toSorted((a, b) => a.timeMs - b.timeMs || a.value - b.value);
  const range = widened({ fromMs: from, toMs: to }, grid);
  const rows: Value[][] = [];
  for (let at = range.fromMs; at < range.toMs; at = grid.endOf(at)) {
    const end = grid.endOf(at);
    const own = readings.filter(({ timeMs }) => timeMs >= at && timeMs < end);
    const before = readings.findLast(({ timeMs }) => timeMs < at);
    let integral = 0;
    let stoodMs = 0;
    readings.forEach(({ timeMs, value }, index) => {
      const until = Math.min(readings[index + 1]?.timeMs ?? Infinity, timeMs + holdMs, end, now);
      const ms = Math.max(0, until - Math.max(timeMs, at));
      integral += value * ms;
      stoodMs += ms;
    });
    const last = own.at(-1);
    if (last === undefined && stoodMs === 0) continue;
    const chain = before === undefined ? own : [before, ...own];
    const rise = chain.slice(1).reduce((sum, { value }, index) => {
      const earlier = chain[index]?.value ?? 0;
      return sum + (value >= earlier ? value - earlier : value);
    }, 0);
    const seconds = ((last?.timeMs ?? 0) - (chain[0]?.timeMs ?? 0)) / second;
    rows.push([
      at,
      stoodMs === 0 ? null : integral / stoodMs,
      last !== undefined && seconds > 0 ? rise / seconds : null,
      last === undefined ? null : last.value - (before?.value ?? own[0]?.value ?? 0),
      last?.value ?? null,
    ]);
  }
  return rows;
}

const asked: readonly Aggregate[] = ['twa', 'rate', 'delta', 'last'];
const value = fc.integer({ min: 0, max: 40 }).map((quarters) => quarters / 4);

const grids: readonly (readonly [every: string, tz: string | undefined])[] = [
  ['7s', undefined],
  ['10s', undefined],
  ['1m', undefined],
  ['7m', undefined],
  ['15m', 'Asia/Kathmandu'],
  ['1h', undefined],
  ['1h', 'Asia/Kathmandu'],
  ['6h', 'Europe/Paris'],
  ['1d', 'Australia/Lord_Howe'],
];

describe('time-weighted averages, rates and deltas', () => {
  it.each<Sampling>(['all', 'held'])(
    'of %s streams equal their definitions, late data and any page size included',
    (sampling) => {
      const reading = fc.record({
        series: fc.integer({ min: 0, max: 2 }),
        // Dense and sparse: some 10 s hold many, some hours none.
        timeMs: fc
          .oneof(fc.integer({ min: -5 * hour, max: 5 * hour }), fc.integer({ min: 0, max: 40 * second }))
          .map((ms) => start + ms),
        value,
        quality: fc.constantFrom<0 | 1 | 2>(0, 0, 0, 1, 2),
      });
      fc.assert(
        fc.property(
          fc.array(fc.array(reading, { minLength: 1, maxLength: 25 }), { maxLength: 5 }),
          fc.constantFrom(...grids),
          fc.constantFrom(3 * second, minute, 40 * minute, 3 * hour),
          fc.integer({ min: start - 4 * hour, max: start }),
          fc.integer({ min: 1, max: 5 * hour }),
          fc.integer({ min: 1, max: 400 }),
          fc.boolean(),
          (batches, [every, tz], holdMs, from, spanMs, limit, isFolded) => {
            const { core, agent } = openStoreFixture(new ManualClock(start));
            const own = sampling === 'held' ? holdMs : 0;
            const sender = agent(
              'gw',
              ['d1', 'd2', 'd3'].map((device) => definition({ metric: 'level', device, sampling, holdMs: own })),
            );
            for (const batch of batches) {
              sender.send(batch);
              if (isFolded) core.fold();
            }
            const grid = parseGrid(every, tz);
            const range = { from, to: from + spanMs, grid, aggregates: asked, limit };
            const rows = rowsOf(core.read, { ...range, ...(sampling === 'all' ? { holdMs } : {}) });
            ['d1', 'd2', 'd3'].forEach((device, index) => {
              const readings = batches.flat().filter((row) => row.series === index && row.quality !== 2);
              expect(rows.get(device)).toEqual(naive(readings, range, holdMs));
            });
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  it('of a day on which the clock is set, equal their definitions', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ timeMs: fc.integer({ min: Date.UTC(2026, 9, 23), max: Date.UTC(2026, 9, 28) }), value }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.constantFrom('1h', '6h', '1d'),
        (readings, every) => {
          const { core, agent } = openStoreFixture(new ManualClock(start));
          const held = definition({ metric: 'level', sampling: 'held', holdMs: 3 * hour });
          agent('gw', [held]).send(readings.map((row) => ({ series: 0, ...row })));
          const grid = parseGrid(every, 'Europe/Paris');
          const range = { from: Date.UTC(2026, 9, 24), to: Date.UTC(2026, 9, 27), grid, aggregates: asked };
          expect(rowsOf(core.read, range).get('d1')).toEqual(naive(readings, range, 3 * hour));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of many series of an agent are the same whether read in one pass or one by one', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const devices = Array.from({ length: 40 }, (_, index) => `d${index}`);
    const sender = agent(
      'gw',
      devices.map((device) => definition({ metric: 'level', device })),
    );
    const readings = (at: number): ReadingInput[] =>
      devices.map((_, series) => ({ series, timeMs: start + at * 17 * second, value: (series * at) % 13 }));
    for (let at = 0; at < 100; at++) sender.send(readings(at));
    const range = { from: start, to: start + hour, grid: parseGrid('1m', undefined), aggregates: asked };
    const together = rowsOf(core.read, range);
    devices.forEach((device, series) => {
      const own = Array.from({ length: 100 }, (_, at) => readings(at)[series] as Known);
      expect(together.get(device)).toEqual(naive(own, range, hour));
    });
    expect(rowsOf(core.read, { ...range, limit: 70 })).toEqual(together);
  });
});

describe('the time-weighted average', () => {
  const held = definition({ metric: 'level', sampling: 'held', holdMs: 10 * minute });

  it('of a held stream outlives its readings where no 10 s hold three', () => {
    const { db, core, agent } = openStoreFixture(new ManualClock(start));
    const at = [0, 5, 90, 200].map((s, index) => ({ series: 0, timeMs: start + s * second, value: index }));
    agent('gw', [held]).send(at);
    core.fold();
    const range = {
      from: start,
      to: start + 20 * minute,
      grid: parseGrid('1m', undefined),
      aggregates: ['twa'] as const,
    };
    const before = rowsOf(core.read, range);
    expect(before.get('d1')).toHaveLength(14);
    for (const table of ['batches', 'batch_hours', 'batch_ranges']) db.prepare(`DELETE FROM ${table}`).run();
    expect(rowsOf(core.read, range)).toEqual(before);
    expect(() => ask(core.read, { ...range, match: '{stream="raw"}', aggregates: ['p95'] })).toThrow(/would mislead/);
  });

  it('is refused with the fix where readings are gone, as everything is that needs each of them', () => {
    const { db, core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition({ metric: 'level' })]).send(
      [0, 1, 2].map((index) => ({ series: 0, timeMs: start + index * second, value: index })),
    );
    core.fold();
    for (const table of ['batches', 'batch_hours', 'batch_ranges']) db.prepare(`DELETE FROM ${table}`).run();
    for (const aggregate of ['twa', 'rate', 'p95'] as const) {
      const range = { from: start, to: start + hour, grid: parseGrid('1m', undefined), aggregates: [aggregate] };
      expect(() => ask(core.read, range)).toThrow(
        expect.objectContaining({
          code: 'query_invalid',
          message:
            'from: this needs every reading, and 0 of 3 readings of level{agent="gw",device="d1",stream="raw"} are still held from 2026-01-01T06:00:00.000Z on; begin after it, or write agg=min,max,first,last,delta,mean,sum,count,stddev with every=1m or a multiple, which roll-ups answer',
        }),
      );
    }
  });

  it('is the default of held streams, in buckets without a reading too, and ends with now', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [held]).send([{ series: 0, timeMs: start + 30 * second, value: 4 }]);
    const range = { from: start, to: start + 5 * minute, now: start + 150 * second, grid: parseGrid('1m', undefined) };
    const [part] = ask(core.read, range).parts;
    expect([part?.columns, part?.values, part?.recordedMs]).toEqual([
      ['time', 'twa', 'last'],
      [
        [start, start + minute, start + 2 * minute],
        [4, 4, 4],
        [4, null, null],
      ],
      [start],
    ]);
  });

  it('takes no other hold than the stream says', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [held]);
    const range = { from: start, to: start + hour, grid: parseGrid('1m', undefined), aggregates: ['twa'] as const };
    expect(() => ask(core.read, { ...range, holdMs: minute })).toThrow(
      'hold: in level{agent="gw",device="d1",stream="raw"} a value stands for 10m at most, as its stream says; leave hold out, or add sampling!="held" to match',
    );
  });

  it.each([
    ['subset', 'twa, rate would mislead over level{agent="gw",device="d1",stream="some"}'],
    ['window', 'twa, rate follows readings one after the other'],
  ])('is not there for %s streams', (kind, message) => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const some = definition({ metric: 'level', stream: 'some', sampling: 'subset' });
    const windows = definition({ metric: 'level', stream: 'avg', kind: 'window', widthMs: minute });
    agent('gw', [kind === 'subset' ? some : windows]);
    const range = { from: start, to: start + hour, grid: parseGrid('1m', undefined) };
    expect(() => ask(core.read, { ...range, aggregates: ['twa', 'rate', 'last'] })).toThrow(message);
  });
});

describe('rates', () => {
  it('a counter that was reset goes on from zero', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const values = [100, 110, 120, 5, 15];
    agent('gw', [definition({ metric: 'level' })]).send(
      values.map((value, index) => ({ series: 0, timeMs: start + index * 10 * second, value })),
    );
    const range = { from: start, to: start + minute, grid: parseGrid('1m', undefined) };
    const { values: columns } = ask(core.read, { ...range, aggregates: ['rate', 'delta'] }).parts[0] ?? {};
    expect(columns).toEqual([[start], [35 / 40], [-85]]);
  });
});

it('readings that arrive while a question is answered are no reason to refuse it', () => {
  const { core, agent } = openStoreFixture(new ManualClock(start));
  const sender = agent('gw', [definition({ metric: 'level' })]);
  // More quarters of an hour than are looked up at once, with a batch each.
  for (let at = 0; at < 900; at++) sender.send([{ series: 0, timeMs: start + at * 15 * minute, value: at }]);
  core.fold();
  const range = { from: String(start), to: String(start + 900 * 15 * minute), grid: parseGrid('1d', undefined) };
  const rest = { fill: undefined, qualities: undefined, limit: 1_000, cursor: undefined };
  const selectors = [parseSelector('level')];
  const query = answerData(core.read, { selectors, ...range, ...rest, aggregates: ['p50', 'count'] }, start);
  let step = query.next();
  for (let turn = 0; step.done !== true; turn++, step = query.next()) {
    sender.send([{ series: 0, timeMs: start + ((turn * 7) % 900) * 15 * minute + 1 + turn, value: turn }]);
  }
  const counts = step.value.parts[0]?.values[2] as number[];
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(900);
});
