import { decodeReadings } from '@fogline/shared/codec/readings';
import { envelopeBytesMax } from '@fogline/shared/protocol/envelope';
import { encodeBatch } from '@fogline/shared/protocol/messages';
import { SeededRandom } from '@fogline/shared/random';
import { flagText } from '@fogline/shared/reading';
import { describe, expect, it } from 'vitest';
import type { SourceBatch } from '../sources/batch-port.ts';
import { Intake, rememberRepeats } from './intake.ts';
import { RepeatFilter } from './repeat-filter.ts';
import { DurableSeries } from './series-registry.ts';

interface Row {
  readonly time: number;
  readonly value: number | string;
  readonly series?: number;
}

const sources = [
  { name: 'a', stream: 'a', isLocal: false },
  { name: 'b', stream: 'b', isLocal: false },
];

function intakeOf(filter = new RepeatFilter(), seriesCountMax?: number): Intake {
  return new Intake(sources, new DurableSeries(), filter, seriesCountMax);
}

function batchOf(
  rows: readonly Row[],
  more: Partial<SourceBatch> & { hasTime?: boolean; defines?: number } = {},
): SourceBatch {
  const { hasTime = true, defines = 0, ...rest } = more;
  const strings = [...new Set(rows.flatMap(({ value }) => (typeof value === 'string' ? [value] : [])))];
  return {
    source: 'a',
    newSeries: Array.from({ length: defines }, (_, id) => ({
      id,
      device: `d${id}`,
      metric: 'm',
      unit: '',
      type: 'number' as const,
      tags: [],
    })),
    columns: {
      count: rows.length,
      series: Uint32Array.from(rows, ({ series = 0 }) => series),
      time: Float64Array.from(rows, ({ time }) => time),
      value: Float64Array.from(rows, ({ value }) => (typeof value === 'string' ? strings.indexOf(value) : value)),
      flags: Uint8Array.from(rows, ({ value }) => (typeof value === 'string' ? flagText : 0)),
      strings,
    },
    hasSourceTime: new Uint8Array(rows.length).fill(hasTime ? 1 : 0),
    tokens: [],
    ...rest,
  };
}

function taken(intake: Intake): Row[] {
  return intake.take().flatMap(({ columns: { series, time, value, flags, strings, count } }) =>
    Array.from({ length: count }, (_, i) => ({
      series: series[i] ?? -1,
      time: time[i] ?? -1,
      value: ((flags[i] ?? 0) & flagText) === 0 ? (value[i] ?? -1) : (strings[value[i] ?? 0] ?? ''),
    })),
  );
}

describe('repeats', () => {
  it('count once within a commit, across commits and after a restart, numbers and texts alike', () => {
    const filter = new RepeatFilter();
    const intake = intakeOf(filter);
    intake.add(
      batchOf(
        [
          { time: 1, value: 5 },
          { time: 1, value: 'on' },
          { time: 1, value: 5 },
        ],
        { defines: 1 },
      ),
    );
    const first = intake.take();
    intake.add(
      batchOf([
        { time: 1, value: 'on' },
        { time: 1, value: 'off' },
        { time: 2, value: 5 },
      ]),
    );
    expect(taken(intake)).toEqual([
      { series: 0, time: 1, value: 'off' },
      { series: 0, time: 2, value: 5 },
    ]);
    expect(intake.takeCounted()).toEqual([['repeat', 2]]);
    const recalled = new RepeatFilter();
    for (const { input } of first) rememberRepeats(recalled, decodeReadings(input.bytes));
    const after = intakeOf(recalled);
    // The table of texts of this message is another one.
    after.add(
      batchOf(
        [
          { time: 1, value: 'off' },
          { time: 1, value: 'on' },
          { time: 1, value: 5 },
        ],
        { defines: 1 },
      ),
    );
    expect(taken(after)).toEqual([{ series: 0, time: 1, value: 'off' }]);
  });

  it('are not dropped where the time is not the sender’s', () => {
    const intake = intakeOf();
    intake.add(
      batchOf(
        [
          { time: 1, value: 5 },
          { time: 1, value: 5 },
        ],
        { defines: 1, hasTime: false },
      ),
    );
    const [only] = intake.take();
    expect(only?.columns.count).toBe(2);
    expect(only?.input.hasSourceTime).toBe(false);
    intake.add(batchOf([{ time: 1, value: 5 }]));
    expect(intake.take()[0]?.input.hasSourceTime).toBe(true);
  });
});

describe('readings with and without their sender’s time in one commit', () => {
  const filter = new RepeatFilter();
  const intake = intakeOf(filter);
  intake.add(batchOf([{ time: 1, value: 5 }], { defines: 2 }));
  intake.add(batchOf([{ time: 9, value: 7, series: 1 }], { hasTime: false }));
  intake.add(batchOf([{ time: 2, value: 5 }]));
  const parts = intake.take();

  it('are journaled apart, so that the former are still known after a restart', () => {
    const recalled = new RepeatFilter();
    for (const { input } of parts) if (input.hasSourceTime) rememberRepeats(recalled, decodeReadings(input.bytes));
    const after = intakeOf(recalled);
    const rows = [1, 2, 9].map((time) => ({ time, value: time === 9 ? 7 : 5, series: time === 9 ? 1 : 0 }));
    after.add(batchOf(rows, { defines: 2 }));
    expect(taken(after)).toEqual([{ series: 1, time: 9, value: 7 }]);
  });

  it('are all there', () => {
    expect(parts.map(({ input, columns }) => [input.hasSourceTime, [...columns.time]])).toEqual([
      [true, [1, 2]],
      [false, [9]],
    ]);
  });
});

describe('a commit takes', () => {
  it('sources in the order of the configuration, and tokens of each in the order in which they came', () => {
    const intake = intakeOf();
    intake.add(batchOf([{ time: 1, value: 1 }], { source: 'b', tokens: [7, 8], defines: 1 }));
    intake.add(batchOf([], { tokens: [3] }));
    intake.add(batchOf([{ time: 1, value: 1 }], { tokens: [4, 5], defines: 1 }));
    intake.add(batchOf([], { source: 'b', tokens: [2] }));
    expect(intake.take().map(({ source }) => source)).toEqual(['a', 'b']);
    expect(intake.takeTokens()).toEqual([
      { source: 'a', tokens: [3, 4, 5] },
      { source: 'b', tokens: [7, 8, 2] },
    ]);
    expect(intake.takeTokens()).toEqual([]);
  });

  it('is due when all sources together have gathered enough', () => {
    const intake = intakeOf();
    const rows = Array.from({ length: 17_000 }, (_, time) => ({ time, value: 1 }));
    intake.add(batchOf(rows, { defines: 1 }));
    expect(intake.isCommitDue).toBe(false);
    intake.add(batchOf(rows, { source: 'b', defines: 1 }));
    expect(intake.isCommitDue).toBe(true);
  });
});

describe('a block', () => {
  const random = new SeededRandom(3);
  /** As bad as it gets: nothing compresses, all at once what a commit and one batch more may gather. */
  const numbers = Array.from({ length: 32_767 + 4_096 }, (_, i) => ({
    series: i,
    time: Math.round((random.unit() - 0.5) * 2 ** 53),
    value: (random.unit() - 0.5) * 10 ** (random.below(600) - 300),
  }));
  const texts = Array.from({ length: 6_000 }, (_, time) => ({
    time,
    value: Array.from({ length: 85 }, () => String.fromCharCode(0x4e00 + random.below(20_000))).join(''),
  }));

  it.each([
    ['numbers', numbers],
    ['texts of three bytes a character', texts],
    ['both', [...texts, ...numbers]],
  ])('always fits into an envelope, and nothing is lost by cutting: %s', (_name, rows) => {
    const intake = intakeOf();
    intake.add(batchOf(rows, { defines: numbers.length, tokens: [1] }));
    const parts = intake.take();
    for (const { input, columns } of parts) {
      const last = columns.count;
      const part = { kind: 'readings', bytes: input.bytes } as const;
      const range = { agent: 'a'.repeat(64), epoch: 'ffffffffffffffff', lane: 3, first: 1, last } as const;
      expect(encodeBatch({ ...range, parts: [part] }).byteLength).toBeLessThanOrEqual(envelopeBytesMax);
      expect(decodeReadings(input.bytes).count).toBe(last);
    }
    expect(parts.reduce((sum, { columns }) => sum + columns.count, 0)).toBe(rows.length);
    intake.add(batchOf(rows));
    expect(taken(intake)).toEqual([]);
  });
});

describe('new series beyond the limit', () => {
  it('are refused and counted, known ones still come in', () => {
    const intake = intakeOf(new RepeatFilter(), 2);
    const rows = [0, 1, 2].map((series) => ({ series, time: 1, value: series }));
    intake.add(batchOf(rows, { defines: 3 }));
    expect(taken(intake)).toEqual(rows.slice(0, 2));
    intake.add(
      batchOf([
        { series: 1, time: 2, value: 1 },
        { series: 2, time: 2, value: 2 },
      ]),
    );
    expect(taken(intake)).toEqual([{ series: 1, time: 2, value: 1 }]);
    expect(intake.takeCounted()).toEqual([['rejected.a.series_limit', 2]]);
  });
});
