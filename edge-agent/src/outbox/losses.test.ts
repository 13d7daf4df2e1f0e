import { encodeReadings } from '@fogline/shared/codec/readings';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { decodeVoid, encodeVoid } from '@fogline/shared/protocol/messages';
import { flagText } from '@fogline/shared/reading';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LossReport, LossSummary } from './losses.ts';

const msPerHour = 3_600_000;

function blockOf(rows: readonly { series: number; time: number; value: number; text?: string }[]): Uint8Array {
  const sorted = [...rows].sort((a, b) => a.series - b.series);
  const strings = [...new Set(sorted.flatMap(({ text }) => (text === undefined ? [] : [text])))];
  return encodeReadings(
    {
      count: sorted.length,
      series: Uint32Array.from(sorted, ({ series }) => series),
      time: Float64Array.from(sorted, ({ time }) => time),
      value: Float64Array.from(sorted, ({ text, value }) => (text === undefined ? value : strings.indexOf(text))),
      flags: Uint8Array.from(sorted, ({ text }) => (text === undefined ? 0 : flagText)),
      strings,
    },
    'fast',
  );
}

function summaryOf(...blocks: readonly Uint8Array[]): LossReport {
  const summary = new LossSummary();
  for (const block of blocks) summary.addBlock('readings', block);
  return summary.report();
}

function itemsOf({ stats, statsOmitted }: LossReport): number {
  return stats.reduce((sum, { count }) => sum + count, statsOmitted);
}

/** What a hub makes of it; throws what it would refuse. */
function told(report: LossReport): LossReport {
  const range = {
    agent: 'pi',
    epoch: '0000000000000001',
    lane: 2,
    first: 1,
    last: 1e9,
    reason: 'evicted_size',
  } as const;
  return decodeVoid(encodeVoid({ ...range, ...report }));
}

describe('the account of a loss', () => {
  it('tells count, min, max and mean per series and hour, and items per hour', () => {
    const report = summaryOf(
      blockOf([
        { series: 1, time: 10, value: 2 },
        { series: 1, time: 20, value: 4 },
        { series: 1, time: msPerHour, value: 9 },
        { series: 2, time: 30, value: -1 },
      ]),
    );
    expect(report.stats).toEqual([
      { series: 1, hour: 0, count: 2, min: 2, max: 4, mean: 3 },
      { series: 1, hour: 1, count: 1, min: 9, max: 9, mean: 9 },
      { series: 2, hour: 0, count: 1, min: -1, max: -1, mean: -1 },
    ]);
    expect(report.hours).toEqual([
      [0, 3],
      [1, 1],
    ]);
    expect(report.statsOmitted).toBe(0);
  });

  it('has no statistics of texts, whose values are only indices', () => {
    const report = summaryOf(
      blockOf([
        { series: 1, time: 0, value: 0, text: 'open' },
        { series: 1, time: 1, value: 0, text: 'shut' },
        { series: 2, time: 1, value: 5 },
      ]),
    );
    expect(report.stats).toEqual([{ series: 2, hour: 0, count: 1, min: 5, max: 5, mean: 5 }]);
    expect(report.statsOmitted).toBe(2);
    expect(report.hours).toEqual([[0, 3]]);
  });

  it('is what a hub takes, and loses no item, however far apart and however large the values are', () => {
    const value = fc.constantFrom(0, 1.5, -1.7e308, 1.7e308, Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324);
    const row = fc.record({ series: fc.nat(3), time: fc.integer({ min: -1e12, max: 1e13 }), value });
    fc.assert(
      fc.property(
        fc.array(fc.array(row, { minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 6 }),
        (parts) => {
          const report = summaryOf(...parts.map(blockOf));
          const items = parts.flat().length;
          expect(told(report)).toMatchObject(report);
          expect(itemsOf(report)).toBe(items);
          expect(report.hours.reduce((sum, [, count]) => sum + count, 0)).toBe(items);
          for (const { min, max, mean } of report.stats) expect(min <= mean && mean <= max).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('stays within the bounds of a message when accounts are added up', () => {
    const summary = new LossSummary();
    let items = 0;
    for (let n = 0; n < 5; n++) {
      const rows = Array.from({ length: 900 }, (_, i) => ({ series: i, time: (n * 900 + i) * msPerHour, value: i }));
      summary.addReport(summaryOf(blockOf(rows)));
      items += rows.length;
    }
    const report = summary.report();
    expect(told(report)).toMatchObject(report);
    expect(report.stats.length).toBe(protocolLimits.voidStatsMax);
    expect(report.hours.length).toBe(protocolLimits.voidHoursMax);
    expect(itemsOf(report)).toBe(items);
  });
});
