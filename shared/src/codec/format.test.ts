/** FORMAT.md is checked: its vectors decode to their rows and are what the encoder writes, both bit for bit. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ReadingColumns } from '../reading.ts';
import { type CodecMode, decodeReadings, encodeReadings } from './readings.ts';
import { differenceOf } from './testing/sample-columns.ts';

interface Vector {
  readonly name: string;
  readonly mode: CodecMode;
  readonly strings?: readonly string[];
  readonly rows?: readonly (readonly [series: number, time: number, value: number, flags: number])[];
  readonly run?: {
    readonly series: number;
    readonly count: number;
    readonly time: number;
    readonly timeStep: number;
    readonly value: number;
    readonly cycle: number;
    readonly valueStep: number;
    readonly scale: number;
  };
  readonly hex: string;
}

function columnsOf({ rows = [], run, strings = [] }: Vector): ReadingColumns {
  const all =
    run === undefined
      ? rows
      : Array.from(
          { length: run.count },
          (_, i) =>
            [
              run.series,
              run.time + i * run.timeStep,
              (run.value + (i % run.cycle) * run.valueStep) / run.scale,
              0,
            ] as const,
        );
  return {
    count: all.length,
    series: Uint32Array.from(all, (row) => row[0]),
    time: Float64Array.from(all, (row) => row[1]),
    value: Float64Array.from(all, (row) => row[2]),
    flags: Uint8Array.from(all, (row) => row[3]),
    strings,
  };
}

const text = readFileSync(new URL('FORMAT.md', import.meta.url), 'utf8');
const vectors = (/```json\n([\s\S]*?)```/.exec(text)?.[1] ?? '')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector);

test.each(vectors)('golden vector "$name" decodes to its rows', (vector) => {
  const decoded = decodeReadings(new Uint8Array(Buffer.from(vector.hex, 'hex')));
  expect(differenceOf(decoded, columnsOf(vector))).toBeUndefined();
});

test.each(vectors)('golden vector "$name" is what the encoder writes', (vector) => {
  expect(Buffer.from(encodeReadings(columnsOf(vector), vector.mode)).toString('hex')).toBe(vector.hex);
});

test('the vectors reach every kind of value block and every coder', () => {
  expect(vectors.length).toBeGreaterThanOrEqual(18);
  expect(new Set(vectors.map((vector) => vector.name)).size).toBe(vectors.length);
});
