import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { silentLogger } from '@fogline/shared/log';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ParseConfig } from '../decoders/decoder.ts';
import { batchWaitMsMax } from './door.ts';
import { openFile } from './file-source.ts';

let folder: string;
const clock = new ManualClock();
const start = Date.UTC(2020, 0, 1);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-pace-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

const time = { fields: ['ts'], unit: 'ms', maxSkewMs: 0 } as const;
const csv: ParseConfig = { format: 'csv', metrics: 'auto', time, separator: ',', decimal: '.', hasHeader: true };

/** Plays lines at these offsets in ms, and returns when each value came, in ms after the first. */
async function play(
  parse: ParseConfig,
  text: string,
  speed: number,
  expected: number,
): Promise<[at: number, value: number][]> {
  const path = join(folder, 'recording');
  writeFileSync(path, text);
  const came: [number, number][] = [];
  let began: number | undefined;
  const opened = openFile({
    path,
    source: { name: 'old', topics: ['#'], parse },
    speed,
    ingest: {
      submit: ({ columns, tokens }) => {
        began ??= clock.monotonic();
        for (const value of columns.value) came.push([clock.monotonic() - began, value]);
        queueMicrotask(() => opened.release('old', tokens));
      },
    },
    progress: {},
    clock,
    log: silentLogger,
  });
  let hasEnded = false;
  void opened.ended.then(() => {
    hasEnded = true;
  });
  for (let turns = 0; !hasEnded && turns < 20_000; turns++) {
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    clock.advance(Math.min(batchWaitMsMax, clock.untilNextMs() ?? batchWaitMsMax));
  }
  expect(came).toHaveLength(expected);
  await opened.close();
  return came;
}

const rows = (offsets: readonly number[]): string => `ts,v\n${offsets.map((at, v) => `${start + at},${v}\n`).join('')}`;

it.each([1, 10, 0.5])('lines of a recording come as they were recorded, at %d times the speed', async (speed) => {
  const offsets = [0, 100, 1_000, 1_000, 5_000];
  const came = await play(csv, rows(offsets), speed, offsets.length);
  expect(came.map(([, value]) => value)).toEqual([0, 1, 2, 3, 4]);
  for (const [at, value] of came) {
    const due = (offsets[value] ?? 0) / speed;
    expect(at).toBeGreaterThanOrEqual(due - batchWaitMsMax);
    expect(at).toBeLessThanOrEqual(due + 2 * batchWaitMsMax);
  }
});

it('a line that lies before another, or tells no time, comes with it', async () => {
  const text = `{"ts":${start},"v":0}\n{"v":9}\n{"ts":${start + 2_000},"v":1}\n{"ts":${start + 500},"v":2}\n{"ts":${start + 3_000},"v":3}\n`;
  const came = await play({ format: 'json', metrics: 'auto', time }, text, 1, 4);
  expect(came.map(([at, value]) => [Math.round(at / 100) * 100, value])).toEqual([
    [0, 0],
    [2_000, 1],
    [2_000, 2],
    [3_000, 3],
  ]);
});
