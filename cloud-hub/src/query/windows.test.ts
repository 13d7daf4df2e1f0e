/** Streams of windows, tumbling and hopping, with late deltas: every bucket against a computation over the readings they were made of. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { definition, openStoreFixture, type WindowInput } from '../testing/store-fixture.ts';
import { answerData } from './data.ts';
import { parseGrid } from './grid.ts';
import { parseSelector } from './selector.ts';

const second = 1_000;
const minute = 60_000;
const start = Date.UTC(2026, 2, 28, 20);
const aggregates = ['count', 'sum', 'min', 'max', 'first', 'last', 'p50', 'delta'] as const;

interface Known {
  readonly timeMs: number;
  readonly value: number;
}

/** The partials that an agent sends for readings of one commit: one for each window that holds any. */
function windowsOf(readings: readonly Known[], widthMs: number, hopMs: number, isDelta: boolean): WindowInput[] {
  const windows = new Map<number, Partial>();
  for (const { timeMs, value } of readings) {
    for (let at = Math.floor(timeMs / hopMs) * hopMs; at > timeMs - widthMs; at -= hopMs) {
      const partial = windows.get(at) ?? Partial.empty({ sketch: true });
      partial.add(timeMs, value);
      windows.set(at, partial);
    }
  }
  return [...windows].map(([startMs, partial]) => ({ series: 0, startMs, partial: partial.encode(), isDelta }));
}

it('aggregates of windows equal those of their readings, in every bucket that consists of windows', () => {
  // Each time once, so that first and last of a bucket are one reading.
  const readings = fc.uniqueArray(
    fc.record({
      timeMs: fc.integer({ min: 0, max: 12 * 60 * minute - 1 }).map((ms) => start + ms),
      value: fc.integer({ min: -64, max: 64 }).map((quarters) => quarters / 4),
    }),
    { minLength: 1, maxLength: 60, selector: ({ timeMs }) => timeMs },
  );
  fc.assert(
    fc.property(
      fc.array(readings, { minLength: 1, maxLength: 4 }),
      fc.constantFrom([10, 10], [30, 30], [60, 20], [60, 60], [900, 300]),
      fc.constantFrom<[string, string | undefined]>(
        ['15m', undefined],
        ['1h', undefined],
        ['45m', undefined],
        ['1h', 'Asia/Kathmandu'],
        ['12h', 'Europe/Paris'],
        ['1d', 'Europe/Paris'],
        ['1d', 'Australia/Lord_Howe'],
      ),
      fc.boolean(),
      (commits, [width = 0, hop = 0], [every, tz], isFolded) => {
        const { core, agent } = openStoreFixture(new ManualClock(start));
        const sender = agent('gw', [definition({ kind: 'window', stream: 'stats', widthMs: width * second })]);
        commits.forEach((commit, index) => {
          sender.send([], windowsOf(commit, width * second, hop * second, index > 0));
          if (isFolded) core.fold();
        });
        const grid = parseGrid(every, tz);
        const query = answerData(
          core.read,
          {
            selectors: [parseSelector('temperature')],
            from: new Date(start).toISOString(),
            to: new Date(start + 12 * 60 * minute).toISOString(),
            grid,
            aggregates,
            fill: undefined,
            qualities: undefined,
            limit: 100_000,
            cursor: undefined,
          },
          start,
        );
        let step = query.next();
        while (step.done !== true) step = query.next();
        const [time = [], ...columns] = step.value.parts[0]?.values ?? [];
        const all = commits.flat().toSorted((a, b) => a.timeMs - b.timeMs || a.value - b.value);
        const buckets = Map.groupBy(all, ({ timeMs }) => grid.startOf(timeMs));
        expect(time).toEqual([...buckets.keys()].toSorted((a, b) => a - b));
        time.forEach((at, row) => {
          const own = buckets.get(Number(at)) ?? [];
          const values = own.map(({ value }) => value).toSorted((a, b) => a - b);
          const before = all.findLast(({ timeMs }) => timeMs < Number(at));
          const first = own.filter(({ timeMs }) => timeMs === own[0]?.timeMs)[0]?.value ?? 0;
          const last = own.at(-1)?.value ?? 0;
          const median = values[Math.floor((values.length - 1) / 2)] ?? 0;
          const sum = values.reduce((a, b) => a + b, 0);
          const found = columns.map((column) => column[row]);
          expect(Math.abs(Number(found[6]) - median)).toBeLessThanOrEqual(0.01 * Math.abs(median) + 1e-12);
          const expected = [
            own.length,
            sum,
            values[0],
            values.at(-1),
            first,
            last,
            found[6],
            last - (before?.value ?? first),
          ];
          expect(found.map((cell) => Number(cell) + 0)).toEqual(expected.map((cell) => Number(cell) + 0));
        });
      },
    ),
    { numRuns: 200 },
  );
});
