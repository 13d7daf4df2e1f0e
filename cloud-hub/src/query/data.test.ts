import { Partial } from '@fogline/shared/aggregate/partial';
import type { SeriesDefinition } from '@fogline/shared/reading';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoreRead } from '../store/read.ts';
import { definition, openStoreFixture, type ReadingInput } from '../testing/store-fixture.ts';
import { type Aggregate, isOfReadings, aggregates as known } from './aggregates.ts';
import type { Fill } from './bucket-rows.ts';
import { answerData, type DataPage, type DataQuestion } from './data.ts';
import { fixedGrid, parseGrid } from './grid.ts';
import type { Quality, Value } from './parts.ts';
import { parseSelector } from './selector.ts';

const minute = 60_000;
const start = Date.UTC(2026, 0, 1);

interface Asked {
  readonly match: string;
  readonly from: number;
  readonly to: number;
  readonly everyMs?: number | undefined;
  readonly every?: string;
  readonly tz?: string;
  readonly aggregates?: readonly Aggregate[];
  readonly fill?: Fill;
  readonly qualities?: readonly Quality[];
  readonly limit?: number;
  readonly cursor?: string | undefined;
}

function ask(store: StoreRead, fields: Asked): DataPage {
  const { match, from, to, everyMs, tz, every, ...rest } = fields;
  const iso = (ms: number) => new Date(ms).toISOString();
  const question = {
    selectors: [parseSelector(match)],
    grid: every !== undefined ? parseGrid(every, tz) : everyMs === undefined ? undefined : fixedGrid(everyMs),
    aggregates: undefined,
    fill: undefined,
    qualities: undefined,
    limit: 100_000,
    cursor: undefined,
    ...rest,
  };
  const query = answerData(store, { ...question, from: iso(from), to: iso(to) }, to);
  for (;;) {
    const step = query.next();
    if (step.done === true) return step.value;
  }
}

/** All pages of an answer joined, per series; fails when a page is longer than asked. */
function askAll(store: StoreRead, fields: Asked, limit: number): Map<number, Value[][]> {
  const joined = new Map<number, Value[][]>();
  for (let cursor: string | undefined; ; ) {
    const page = ask(store, { ...fields, limit, cursor });
    let rows = 0;
    for (const { series, values } of page.parts) {
      rows += values[0]?.length ?? 0;
      const known = joined.get(series.id) ?? values.map(() => []);
      values.forEach((column, index) => known[index]?.push(...column));
      joined.set(series.id, known);
    }
    expect(rows).toBeLessThanOrEqual(limit);
    if (page.next === null) return joined;
    cursor = page.next;
  }
}

/** Multiples of 2^-10 below 2^30: their sums are exact in float64, so plain arithmetic is a reference. */
const exactValue = fc.integer({ min: -(2 ** 30), max: 2 ** 30 }).map((value) => value / 1024);

const reading = fc.record({
  series: fc.integer({ min: 0, max: 2 }),
  timeMs: fc.integer({ min: start - 40 * minute, max: start + 40 * minute }),
  value: exactValue,
  quality: fc.constantFrom<0 | 1 | 2>(0, 0, 0, 1, 2),
});

/** What roll-ups answer, in any bucket; those that look beyond it are in standing.test.ts. */
const aggregates = known.filter((name) => !isOfReadings(name) && name !== 'delta');

const three = ['d1', 'd2', 'd3'].map((device) => definition({ device }));

function naive(
  readings: readonly ReadingInput[],
  everyMs: number,
  from: number,
  to: number,
): { readonly time: number; readonly min: number; readonly max: number; readonly stddev: number }[] {
  const buckets = new Map<number, { timeMs: number; value: number }[]>();
  for (const { timeMs, value, quality } of readings) {
    if (quality === 2 || typeof value === 'string') continue;
    const bucket = Math.floor(timeMs / everyMs) * everyMs;
    if (bucket >= Math.floor(from / everyMs) * everyMs && bucket < to)
      buckets.set(bucket, [...(buckets.get(bucket) ?? []), { timeMs, value }]);
  }
  return [...buckets.entries()]
    .sort(([a], [b]) => a - b)
    .map(([time, rows]) => {
      const values = rows.map((row) => row.value);
      const sum = values.reduce((a, b) => a + b, 0);
      const firstMs = Math.min(...rows.map((row) => row.timeMs));
      const lastMs = Math.max(...rows.map((row) => row.timeMs));
      const scaled = values.map((value) => BigInt(value * 1024));
      const n = BigInt(values.length);
      const total = scaled.reduce((a, b) => a + b, 0n);
      const squares = scaled.reduce((a, b) => a + b * b, 0n);
      return {
        time,
        min: Math.min(...values),
        max: Math.max(...values),
        mean: sum / values.length,
        sum,
        count: values.length,
        first: Math.min(...rows.filter((row) => row.timeMs === firstMs).map((row) => row.value)),
        last: Math.max(...rows.filter((row) => row.timeMs === lastMs).map((row) => row.value)),
        stddev: Math.sqrt(Number(n * squares - total * total)) / values.length / 1024,
      };
    });
}

describe('aggregates over time', () => {
  it('equal a plain computation over the readings, in every bucket, width, range and page size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(reading, { minLength: 1, maxLength: 40 }), { maxLength: 5 }),
        fc.constantFrom(10_000, 30_000, minute, 7 * minute, 15 * minute, 60 * minute, 86_400_000),
        fc.integer({ min: start - 45 * minute, max: start }),
        fc.integer({ min: start + 1, max: start + 45 * minute }),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        (batches, everyMs, from, to, limit, isFolded) => {
          const { core, agent } = openStoreFixture(new ManualClock(start));
          const sender = agent('gw', three);
          for (const batch of batches) {
            sender.send(batch);
            if (isFolded) core.fold();
          }
          const answer = askAll(core.read, { match: 'temperature', from, to, everyMs, aggregates }, limit);
          expect(answer.size).toBe(3);
          for (const { id, device } of core.read.listSeries({})) {
            const own = batches.flat().filter((row) => three[row.series]?.device === device);
            const [time = [], ...columns] = answer.get(id) ?? [];
            const rows = time.map((at, row) => ({
              time: at,
              ...Object.fromEntries(aggregates.map((name, index) => [name, columns[index]?.[row]])),
            }));
            const expected = naive(own, everyMs, from, to);
            expect(rows).toEqual(
              expected.map((row) => ({
                ...row,
                stddev: expect.closeTo(row.stddev, 3),
                min: row.min + 0,
                max: row.max + 0,
              })),
            );
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('in a time zone equal a plain computation by the local clock, whatever the calendar does', () => {
    const rows = fc.array(
      fc.record({
        timeMs: fc.integer({ min: Date.UTC(2026, 2, 20), max: Date.UTC(2026, 3, 10) - 1 }),
        value: exactValue,
      }),
      { minLength: 1, maxLength: 60 },
    );
    const local = (ms: number, timeZone: string): string =>
      new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' }).format(ms);
    fc.assert(
      fc.property(
        rows,
        fc.constantFrom('Europe/Paris', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'UTC'),
        fc.constantFrom(['1d', 10], ['1mo', 7], ['1y', 4]) as fc.Arbitrary<[string, number]>,
        fc.integer({ min: 1, max: 20 }),
        (readings, tz, [every, length], limit) => {
          const { core, agent } = openStoreFixture(new ManualClock(start));
          agent('gw', [definition()]).send(readings.map((row) => ({ series: 0, ...row })));
          const range = { from: Date.UTC(2026, 2, 20), to: Date.UTC(2026, 3, 10) };
          const asked = { match: 'temperature', ...range, every, tz, aggregates: ['sum', 'count'] as const };
          const [time = [], sum = [], count = []] = askAll(core.read, asked, limit).get(1) ?? [];
          const expected = new Map<string, { sum: number; count: number }>();
          for (const { timeMs, value } of readings) {
            const name = local(timeMs, tz).slice(0, length);
            const known = expected.get(name) ?? { sum: 0, count: 0 };
            expected.set(name, { sum: known.sum + value, count: known.count + 1 });
          }
          const found = time.map((ms, row) => [
            local(Number(ms), tz).slice(0, length),
            { sum: sum[row], count: count[row] },
          ]);
          expect(found).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('percentiles are within the stated error of the reading of that rank, in every bucket and page', () => {
    fc.assert(
      fc.property(
        fc.array(reading, { minLength: 1, maxLength: 120 }),
        fc.constantFrom(1_000, 10_000, minute, 15 * minute),
        fc.integer({ min: 1, max: 30 }),
        (readings, everyMs, limit) => {
          const { core, agent } = openStoreFixture(new ManualClock(start));
          agent('gw', three).send(readings);
          const range = { from: start - 40 * minute, to: start + 41 * minute };
          const answer = askAll(
            core.read,
            { match: 'temperature', ...range, everyMs, aggregates: ['p50', 'p95'] },
            limit,
          );
          for (const { id, device } of core.read.listSeries({})) {
            const [time = [], ...columns] = answer.get(id) ?? [];
            const own = readings.filter(({ series, quality }) => three[series]?.device === device && quality !== 2);
            const starts = [...new Set(own.map(({ timeMs }) => Math.floor(timeMs / everyMs) * everyMs))];
            expect(time).toEqual(starts.sort((a, b) => a - b));
            time.forEach((bucket, row) => {
              const values = own
                .filter(({ timeMs }) => Math.floor(timeMs / everyMs) * everyMs === bucket)
                .map(({ value }) => value)
                .sort((a, b) => a - b);
              [0.5, 0.95].forEach((q, column) => {
                const exact = values[Math.floor(q * (values.length - 1))] ?? Number.NaN;
                const found = Number(columns[column]?.[row]);
                expect(Math.abs(found - exact)).toBeLessThanOrEqual(0.01 * Math.abs(exact) + 1e-12);
              });
            });
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('empty buckets are filled as asked, over any pages', () => {
    const minutes = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 0, maxLength: 8 });
    fc.assert(
      fc.property(
        minutes,
        fc.constantFrom<Fill>('null', 'previous', 'linear', 0, -1.5),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 31 }),
        (unsorted, fill, limit, span) => {
          const at = unsorted.toSorted((a, b) => a - b).filter((index) => index < span);
          const { core, agent } = openStoreFixture(new ManualClock(start));
          agent('gw', [definition()]).send(
            [...at, 500].map((index) => ({ series: 0, timeMs: start + index * minute, value: index * index })),
          );
          const range = { from: start, to: start + span * minute };
          const asked = { match: 'temperature', ...range, everyMs: minute, aggregates: ['max'] as const, fill };
          const [time = [], max = []] = askAll(core.read, asked, limit).get(1) ?? [];
          expect(time).toEqual(Array.from({ length: span }, (_, index) => start + index * minute));
          const expected = time.map((_, index) => {
            const before = at.findLast((known) => known <= index);
            const after = at.find((known) => known >= index);
            if (before === index) return index * index;
            if (typeof fill === 'number') return fill;
            if (fill === 'null' || before === undefined) return null;
            if (fill === 'previous') return before * before;
            if (after === undefined) return null;
            return before * before + ((after * after - before * before) * (index - before)) / (after - before);
          });
          expect(
            max.map((value, row) =>
              typeof value === 'number' &&
              typeof expected[row] === 'number' &&
              Math.abs(value - (expected[row] ?? 0)) < 1e-9
                ? expected[row]
                : value,
            ),
          ).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('what fill put there is still a gap', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition()]).send([0, 3].map((index) => ({ series: 0, timeMs: start + index * minute, value: 1 })));
    const range = { match: 'temperature', from: start, to: start + 4 * minute, everyMs: minute };
    const { parts } = ask(core.read, { ...range, fill: 'previous' });
    expect(parts[0]?.values[0]?.length).toBe(4);
    expect(parts[0]?.recordedMs).toEqual([start, start + 3 * minute]);
  });

  it('percentiles of windows without a sketch are refused with the fix', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const windows = agent('gw', [definition({ kind: 'window', widthMs: 10_000, stream: 'stats' })]);
    const plain = Partial.empty();
    plain.add(start, 1);
    windows.send([], [{ series: 0, startMs: start, partial: plain.encode() }]);
    const range = { match: 'temperature', from: start, to: start + minute, everyMs: minute };
    expect(() => ask(core.read, { ...range, aggregates: ['p95'] })).toThrow(
      'agg: p95 was not kept with the windows of temperature{agent="gw",device="d1",stream="stats"}; add p95 to compute of that pipeline, ask a stream of readings, or leave p95 out',
    );
  });

  it('round once: a sum that loses everything in float64 additions is exact', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition()]).send(
      [1e16, 1, -1e16].map((value, index) => ({ series: 0, timeMs: start + index * 20_000, value })),
    );
    const page = ask(core.read, {
      match: 'temperature',
      from: start,
      to: start + minute,
      everyMs: minute,
      aggregates: ['sum', 'mean'],
    });
    expect(page.parts[0]?.values).toEqual([[start], [1], [1 / 3]]);
  });

  it('are answered from the coarsest level that divides the width', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition()]).send([{ series: 0, timeMs: start, value: 1 }]);
    const source = (everyMs: number) =>
      ask(core.read, { match: 'temperature', from: start, to: start + 1, everyMs }).parts[0]?.source;
    expect([10_000, 50_000, minute, 14 * minute, 45 * minute, 86_400_000, 7 * 86_400_000].map(source)).toEqual([
      '10s',
      '10s',
      '1m',
      '1m',
      '15m',
      '1d',
      '1d',
    ]);
  });

  it('too many buckets are refused before anything is read, with a width that fits', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', three);
    const { listSeries } = core.read;
    const unread = { listSeries: listSeries.bind(core.read) } as StoreRead;
    const years = { match: 'temperature', from: Date.UTC(2021, 0, 1), to: start };
    expect(() => ask(unread, { ...years, every: '10s', tz: 'Europe/Paris', aggregates: ['max'] })).toThrow(
      'every: 3 series in buckets of 10s are 47329920 buckets, at most 10000000 are answered; write every=1m or more, or narrow the range',
    );
    expect(ask(core.read, { ...years, every: '1m', tz: 'Europe/Paris', aggregates: ['max'] }).next).toBeNull();
  });

  it('the range is widened to whole buckets and says so', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition()]).send([{ series: 0, timeMs: start + 1_000, value: 1 }]);
    const page = ask(core.read, {
      match: 'temperature',
      from: start + 30_000,
      to: start + minute + 1,
      everyMs: minute,
    });
    expect(page.range).toEqual({ fromMs: start, toMs: start + 2 * minute });
    expect(page.parts[0]?.values).toEqual([[start], [1], [1], [1], [1]]);
  });

  it('a page goes on where the last ended although now has moved and more has arrived', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const sender = agent('gw', [definition()]);
    const at = (index: number) => ({ series: 0, timeMs: start + index * minute, value: index });
    sender.send([0, 1, 2, 3].map(at));
    const question: DataQuestion = {
      selectors: [parseSelector('temperature')],
      from: 'now-4m',
      to: undefined,
      grid: fixedGrid(minute),
      aggregates: ['last'],
      fill: undefined,
      qualities: undefined,
      limit: 2,
      cursor: undefined,
    };
    const finish = (query: Generator<void, DataPage>): DataPage => {
      for (;;) {
        const step = query.next();
        if (step.done === true) return step.value;
      }
    };
    const first = finish(answerData(core.read, question, start + 4 * minute));
    sender.send([at(4)]);
    const second = finish(answerData(core.read, { ...question, cursor: first.next ?? '' }, start + 9 * minute));
    expect([first, second].map((page) => page.parts[0]?.values[1])).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(second.next).toBeNull();
    const other = { ...question, grid: fixedGrid(2 * minute), cursor: first.next ?? '' };
    expect(() => finish(answerData(core.read, other, start))).toThrow(/cursor: it belongs to another question/);
    expect(() => finish(answerData(core.read, { ...question, cursor: 'abc' }, start))).toThrow(/cursor: it is damaged/);
  });
});

describe('readings themselves', () => {
  it('come back all, in order of time then arrival, whatever the page size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(reading, { minLength: 1, maxLength: 30 }), { maxLength: 5 }),
        fc.integer({ min: start - 45 * minute, max: start }),
        fc.integer({ min: start + 1, max: start + 45 * minute }),
        fc.integer({ min: 1, max: 30 }),
        (batches, from, to, limit) => {
          const { core, agent } = openStoreFixture(new ManualClock(start));
          const sender = agent('gw', three);
          for (const batch of batches) sender.send(batch);
          const answer = askAll(core.read, { match: '{agent="gw"}', from, to }, limit);
          for (const { id, device } of core.read.listSeries({})) {
            const own = batches
              .flat()
              .filter((row) => three[row.series]?.device === device && row.timeMs >= from && row.timeMs < to);
            const sorted = own.sort((a, b) => a.timeMs - b.timeMs);
            const [time, value, quality] = answer.get(id) ?? [];
            expect(time).toEqual(sorted.map((row) => row.timeMs));
            expect(value).toEqual(sorted.map((row) => row.value + 0));
            expect(quality).toEqual(sorted.map((row) => ['good', 'uncertain', 'bad'][row.quality]));
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('texts and booleans are told as they were sent', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition({ type: 'text', metric: 'state' }), definition({ type: 'boolean', metric: 'door' })]).send([
      { series: 0, timeMs: start, value: 'open' },
      { series: 0, timeMs: start + 1, value: 'closed', quality: 1 },
      { series: 1, timeMs: start, value: 1 },
    ]);
    expect(ask(core.read, { match: '{}', from: start, to: start + 10 }).parts.map((part) => part.values)).toEqual([
      [
        [start, start + 1],
        ['open', 'closed'],
        ['good', 'uncertain'],
      ],
      [[start], [1], ['good']],
    ]);
  });

  it('windows are told with their width and their figures', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const partial = Partial.empty();
    for (const value of [1, 2, 6]) partial.add(start + value, value);
    const definitions = [definition({ kind: 'window', stream: 'mean_7s', widthMs: 7_000 })];
    agent('gw', definitions).send([], [{ series: 0, startMs: start, partial: partial.encode(), isDelta: true }]);
    const page = ask(core.read, { match: '{kind="window"}', from: start, to: start + 1 });
    expect(page.parts[0]).toMatchObject({
      source: 'windows',
      columns: ['time', 'widthMs', 'isDelta', 'count', 'mean', 'min', 'max', 'first', 'last'],
      values: [[start], [7_000], [true], [3], [3], [1], [6], [1], [6]],
    });
  });
});

describe('which stream answers', () => {
  const streams: readonly SeriesDefinition[] = [
    definition({ stream: 'raw' }),
    definition({ stream: 'avg', kind: 'window', widthMs: minute }),
    definition({ stream: 'changes', sampling: 'held', holdMs: 10 * minute }),
  ];

  function store(counts: readonly [raw: number, avg: number, changes: number]): StoreRead {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const [raw, avg, changes] = counts;
    const partial = (startMs: number) => {
      const window = Partial.empty();
      window.add(startMs, 5);
      return window.encode();
    };
    const at = (count: number, series: number) =>
      Array.from({ length: count }, (_, index) => ({ series, timeMs: start + index * minute, value: 1 }));
    const windows = Array.from({ length: avg }, (_, index) => start + index * minute).map((startMs) => ({
      series: 1,
      startMs,
      partial: partial(startMs),
    }));
    agent('gw', streams).send([...at(raw, 0), ...at(changes, 2)], windows);
    return core.read;
  }

  const range = { match: 'temperature', from: start, to: start + 10 * minute };

  it.each([
    ['the exact one that covers most', [3, 8, 10], 'avg', ['raw', 'changes']],
    ['the readings where coverage is equal', [8, 8, 10], 'raw', ['avg', 'changes']],
    ['a lossy one only when no exact one has anything', [0, 0, 4], 'changes', ['raw', 'avg']],
  ] as const)('%s', (_name, counts, stream, also) => {
    for (const everyMs of [minute, undefined]) {
      const { parts } = ask(store(counts), { ...range, everyMs });
      expect(parts.map((part) => [part.series.stream, part.also.map((other) => other.stream)])).toEqual([
        [stream, also],
      ]);
    }
  });

  it('never two together', () => {
    const { parts } = ask(store([3, 8, 10]), { ...range, everyMs: minute, aggregates: ['count'] });
    expect(parts[0]?.values[1]).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('the default aggregates follow the sampling', () => {
    expect(ask(store([8, 0, 0]), { ...range, everyMs: minute }).parts[0]?.columns).toEqual([
      'time',
      'mean',
      'min',
      'max',
      'count',
    ]);
    expect(ask(store([0, 0, 4]), { ...range, everyMs: minute }).parts[0]?.columns).toEqual(['time', 'twa', 'last']);
    expect(ask(store([0, 8, 0]), { ...range, everyMs: minute, match: '{stream="avg"}' }).parts[0]?.columns[1]).toBe(
      'mean',
    );
  });

  it.each([
    [
      'temperature',
      { everyMs: minute, aggregates: ['max', 'mean', 'count'] as const },
      'agg: mean, count would mislead over temperature{agent="gw",device="d1",stream="changes"}, whose sampling is "held": it keeps only values that changed, so readings are not evenly spread; add stream="raw" to match for the exact stream, or ask for agg=twa, last, min or max',
    ],
    [
      '{stream="changes"}',
      { everyMs: minute, aggregates: ['stddev'] as const },
      'agg: stddev would mislead over temperature{agent="gw",device="d1",stream="changes"}, whose sampling is "held": it keeps only values that changed, so readings are not evenly spread; ask for agg=twa, last, min or max, or for a stream with sampling="all"',
    ],
    [
      '{stream="avg"}',
      { everyMs: 10_000 },
      'every: 10s cannot be answered exactly for temperature{agent="gw",device="d1",stream="avg"}, which consists of windows of 1m; write every=1m or a multiple, or leave every and agg out for the windows themselves',
    ],
  ])('refuses %s with %j and says what works', (match, fields, message) => {
    expect(() => ask(store([0, 0, 4]), { ...range, match, ...fields })).toThrow(
      expect.objectContaining({ code: 'query_invalid', message }),
    );
  });

  it('a series whose windows grew is not answered from a level that lacks the wide ones', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const partial = Partial.empty();
    partial.add(start, 5);
    const window = definition({ stream: 'avg', kind: 'window' });
    const sender = agent('gw', [
      { ...window, widthMs: 10_000 },
      { ...window, widthMs: minute },
    ]);
    sender.send([], [{ series: 0, startMs: start, partial: partial.encode() }]);
    sender.send([], [{ series: 1, startMs: start + minute, partial: partial.encode() }]);
    expect(core.read.listSeries({})).toHaveLength(1);
    expect(() => ask(core.read, { ...range, everyMs: 10_000 })).toThrow(
      /windows of 10s and 1m; write every=1m or a multiple/,
    );
    expect(ask(core.read, { ...range, everyMs: minute, aggregates: ['count'] }).parts[0]?.values).toEqual([
      [start, start + minute],
      [1, 1],
    ]);
  });

  it('text has no aggregates', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition({ type: 'text' })]).send([{ series: 0, timeMs: start, value: 'on' }]);
    expect(() => ask(core.read, { ...range, everyMs: minute })).toThrow(
      /carries text, which has no aggregates; add type!="text" to match, or leave every and agg out/,
    );
  });
});
