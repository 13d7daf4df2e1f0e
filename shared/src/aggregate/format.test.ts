import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter } from './bytes.ts';
import { ExactSum } from './exact-sum.ts';
import { Partial } from './partial.ts';
import { Sketch } from './sketch.ts';
import { fromHex, hex } from './testing/reference.ts';
import { decodeThinned, encodeThinned } from './thinned-columns.ts';
import { decodeWindows, encodeWindows } from './window-columns.ts';

interface PartialVector {
  readonly readings: readonly (readonly [number, number])[];
  readonly sketch?: boolean;
  readonly held?: readonly (readonly [number, number])[];
}

type WindowVector = readonly (readonly [series: number, start: number, deltaOrItems: number, partial: string])[];

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.finish();
}

function exactSum(values: readonly number[], isSquared: boolean): ExactSum {
  const sum = new ExactSum();
  for (const value of values) {
    if (isSquared) sum.addProduct(value, value);
    else sum.add(value);
  }
  return sum;
}

function sketchOf(values: readonly number[]): Sketch {
  const sketch = new Sketch();
  for (const value of values) sketch.add(value, 1);
  return sketch;
}

function partialOf({ readings, sketch = false, held = [] }: PartialVector): Partial {
  const partial = Partial.empty({ sketch });
  for (const [time, value] of readings) partial.add(time, value);
  for (const [value, ms] of held) partial.addHeld(value, ms);
  return partial;
}

function windowsOf(rows: WindowVector): Uint8Array {
  return encodeWindows({
    count: rows.length,
    series: Uint32Array.from(rows, (row) => row[0]),
    start: Float64Array.from(rows, (row) => row[1]),
    delta: Uint8Array.from(rows, (row) => row[2]),
    partial: rows.map((row) => fromHex(row[3])),
  });
}

function thinnedOf(rows: WindowVector): Uint8Array {
  return encodeThinned({
    count: rows.length,
    series: Uint32Array.from(rows, (row) => row[0]),
    start: Float64Array.from(rows, (row) => row[1]),
    items: Float64Array.from(rows, (row) => row[2]),
    partial: rows.map((row) => fromHex(row[3])),
  });
}

function sumAgain(bytes: Uint8Array): Uint8Array {
  const sum = new ExactSum();
  sum.read(new ByteReader(bytes));
  return written((writer) => sum.write(writer));
}

function sketchAgain(bytes: Uint8Array): Uint8Array {
  const sketch = new Sketch();
  sketch.read(new ByteReader(bytes));
  return written((writer) => sketch.write(writer));
}

/** Value to bytes, and bytes to what they encode again as. */
const kinds: Record<string, { encode(value: never): Uint8Array; again(bytes: Uint8Array): Uint8Array }> = {
  varint: {
    encode: (value: number) => written((writer) => writer.varint(value)),
    again: (bytes) => written((writer) => writer.varint(new ByteReader(bytes).varint())),
  },
  signed: {
    encode: (value: number) => written((writer) => writer.signed(value)),
    again: (bytes) => written((writer) => writer.signed(new ByteReader(bytes).signed())),
  },
  float: {
    encode: (value: number) => written((writer) => writer.float(value)),
    again: (bytes) => written((writer) => writer.float(new ByteReader(bytes).float())),
  },
  sum: { encode: (values: number[]) => written((writer) => exactSum(values, false).write(writer)), again: sumAgain },
  sumSq: { encode: (values: number[]) => written((writer) => exactSum(values, true).write(writer)), again: sumAgain },
  sketch: { encode: (values: number[]) => written((writer) => sketchOf(values).write(writer)), again: sketchAgain },
  partial: {
    encode: (value: PartialVector) => partialOf(value).encode(),
    again: (bytes) => Partial.decode(bytes).encode(),
  },
};

const page = new URL('FORMAT.md', import.meta.url);
const python = '/usr/bin/python3';
const document = readFileSync(page, 'utf8');
const block = /```vectors\n([\s\S]*?)```/.exec(document)?.[1] ?? '';
const vectors = block
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [kind = '', ...rest] = line.split(' ');
    const text = rest.pop() ?? '';
    return { kind, json: rest.join(' '), text };
  });

/** Of those the page says what the rows are, not every byte. */
const blocks = ['windows', 'thinned'];

describe('FORMAT.md', () => {
  test('has vectors of every kind', () => {
    expect(new Set(vectors.map(({ kind }) => kind))).toEqual(new Set([...Object.keys(kinds), ...blocks]));
  });

  test.each(vectors.filter(({ kind }) => !blocks.includes(kind)))('$kind $json', ({ kind, json, text }) => {
    const { encode, again } = kinds[kind] ?? {};
    expect(hex(encode?.(JSON.parse(json) as never) ?? new Uint8Array())).toBe(text);
    expect(hex(again?.(fromHex(text)) ?? new Uint8Array())).toBe(text);
  });

  test.each(vectors.filter(({ kind }) => kind === 'windows'))('windows $json', ({ json, text }) => {
    const rows = JSON.parse(json) as WindowVector;
    for (const bytes of [fromHex(text), windowsOf(rows)]) {
      const { series, start, delta, partial } = decodeWindows(bytes);
      expect(partial.map((each, i) => [series[i], start[i], delta[i], hex(each)])).toEqual(rows);
    }
  });

  test.each(vectors.filter(({ kind }) => kind === 'thinned'))('thinned $json', ({ json, text }) => {
    const rows = JSON.parse(json) as WindowVector;
    for (const bytes of [fromHex(text), thinnedOf(rows)]) {
      const { series, start, items, partial } = decodeThinned(bytes);
      expect(partial.map((each, i) => [series[i], start[i], items[i], hex(each)])).toEqual(rows);
    }
  });

  test.skipIf(!existsSync(python))('suffices for a reader in Python (skipped where Python is absent)', () => {
    const script = fileURLToPath(new URL('testing/format_reader.py', import.meta.url));
    const run = spawnSync(python, [script, fileURLToPath(page)], { encoding: 'utf8' });
    expect([run.stderr, run.stdout.trim()]).toEqual(['', String(vectors.length)]);
  });
});
