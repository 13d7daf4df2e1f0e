import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReadingsTable } from './readings-table.ts';

let folder: string;
let table: ReadingsTable;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-bench-'));
  table = new ReadingsTable(join(folder, 'readings.db'));
});

afterEach(() => {
  table.close();
  rmSync(folder, { recursive: true });
});

function add(...messages: readonly { device: string; temperature: number; ts: number }[]): void {
  for (const message of messages) table.add(JSON.stringify(message));
  table.commit();
}

test('a reading that comes again is a row more and not one more reading', () => {
  const reading = { device: 'a', temperature: 21.53, ts: 1 };
  add(reading, { device: 'a', temperature: 21.54, ts: 2 });
  add({ ...reading, device: 'b' }, reading);
  expect(table.stored()).toEqual({ rows: 4, distinct: 3, sumHundredths: 8613 });
  expect(table.rows).toBe(4);
});

test('what was not committed is not counted', () => {
  table.add('{"device":"a","temperature":1,"ts":1}');
  expect([table.rows, table.pending]).toEqual([0, 1]);
  table.commit();
  expect([table.rows, table.pending]).toEqual([1, 0]);
});

test('nothing at all is zero', () => {
  expect(table.stored()).toEqual({ rows: 0, distinct: 0, sumHundredths: 0 });
});
