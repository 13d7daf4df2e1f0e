import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { definition, openStoreFixture } from '../testing/store-fixture.ts';
import { answerData, type DataPage } from './data.ts';
import { lttb } from './lttb.ts';
import { parseSelector } from './selector.ts';

const start = Date.UTC(2026, 0, 1);

/** The paper's definition, run by run, without cleverness. */
function naive(time: readonly number[], value: readonly number[], points: number): number[] {
  if (time.length <= points) return time.map((_, row) => row);
  const step = (time.length - 2) / (points - 2);
  const rows = time.map((_, row) => row).slice(1, -1);
  const runs = Array.from({ length: points - 2 }, (_, run) =>
    rows.filter((row) => row - 1 >= Math.floor(run * step) && row - 1 < Math.floor((run + 1) * step)),
  );
  runs.push([time.length - 1]);
  const kept = [0];
  for (const [index, run] of runs.slice(0, -1).entries()) {
    const next = runs[index + 1] ?? [];
    const mean = (column: readonly number[]) => next.reduce((sum, row) => sum + (column[row] ?? 0), 0) / next.length;
    const [a, c] = [kept.at(-1) ?? 0, { time: mean(time), value: mean(value) }];
    const area = (row: number) =>
      Math.abs(
        ((time[a] ?? 0) - c.time) * ((value[row] ?? 0) - (value[a] ?? 0)) -
          ((time[a] ?? 0) - (time[row] ?? 0)) * (c.value - (value[a] ?? 0)),
      );
    kept.push(run.reduce((best, row) => (area(row) > area(best) ? row : best)));
  }
  return [...kept, time.length - 1];
}

describe('largest triangle three buckets', () => {
  it('keeps the readings that the definition keeps', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 120 }),
        fc.integer({ min: 3, max: 40 }),
        (value, points) => {
          const time = value.map((_, row) => row * 8);
          const kept = lttb(time, value, points);
          const expected = naive(time, value, points);
          expect(kept).toHaveLength(Math.min(points, value.length));
          expect(kept).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('answers for each series with readings, whole series to a page', () => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    const devices = ['d1', 'd2', 'd3'].map((device) => definition({ device }));
    const rows = devices.flatMap((_, series) =>
      Array.from({ length: 500 }, (__, index) => ({
        series,
        timeMs: start + index * 20_000,
        value: index === 77 * (series + 1) ? 100 : Math.sin(index),
      })),
    );
    agent('gw', devices).send(rows.map((row) => (row.timeMs === start ? { ...row, quality: 2 } : row)));
    const pages: DataPage[] = [];
    for (let cursor: string | undefined; ; ) {
      const question = { aggregates: undefined, fill: undefined, qualities: undefined, grid: undefined, cursor };
      const range = { from: String(start), to: String(start + 500 * 20_000) };
      const query = answerData(
        core.read,
        { selectors: [parseSelector('temperature')], ...range, ...question, lttbPoints: 50, limit: 120 },
        start,
      );
      let step = query.next();
      while (step.done !== true) step = query.next();
      pages.push(step.value);
      if (step.value.next === null) break;
      cursor = step.value.next;
    }
    expect(pages.map((page) => page.parts.map(({ series }) => series.device))).toEqual([['d1', 'd2'], ['d3']]);
    pages
      .flatMap((page) => page.parts)
      .forEach(({ values: [time = [], value = []], columns }, series) => {
        expect(columns).toEqual(['time', 'value']);
        expect(time).toHaveLength(50);
        // The bad one at the start is none; the spike stays.
        expect([time[0], time.at(-1)]).toEqual([start + 20_000, start + 499 * 20_000]);
        expect(time[value.indexOf(100)]).toBe(start + 77 * (series + 1) * 20_000);
      });
  });

  it.each([
    [{ kind: 'window', widthMs: 60_000, stream: 'avg' } as const, 'carries windows; leave downsample out'],
    [{ type: 'text' } as const, 'carries text; leave downsample out'],
  ])('is refused for %j', (fields, message) => {
    const { core, agent } = openStoreFixture(new ManualClock(start));
    agent('gw', [definition(fields)]);
    const question = {
      aggregates: undefined,
      fill: undefined,
      qualities: undefined,
      grid: undefined,
      cursor: undefined,
    };
    const asked = { selectors: [parseSelector('temperature')], from: 'now-1h', to: 'now', limit: 9, lttbPoints: 5 };
    expect(() => answerData(core.read, { ...asked, ...question }, start).next()).toThrow(message);
  });
});
