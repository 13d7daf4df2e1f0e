import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { takeFrom } from '../testing/take.ts';
import { type CsvOptions, openCsvSource } from './csv-source.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-csv-'));
afterAll(() => rmSync(folder, { recursive: true }));

const base: Omit<CsvOptions, 'path'> = {
  timeColumn: 'time',
  timeUnit: 's',
  layout: { wideMetric: 'temperature' },
  topic: 'sensors/{device}/climate',
  lanes: 1,
  qos: 1,
  rowsMax: Infinity,
};

function open(text: string, options: Partial<CsvOptions> = {}) {
  const path = join(folder, 'data.csv');
  writeFileSync(path, text);
  return openCsvSource({ ...base, ...options, path });
}

function payloads(text: string, options: Partial<CsvOptions> = {}): string[] {
  const source = open(text, options);
  const sent: string[] = [];
  for (let lane = 0; lane < source.lanes; lane++) {
    for (let next = takeFrom(source, lane); next !== undefined; next = takeFrom(source, lane))
      sent.push(`${next.topic} ${next.payload}`);
    expect(source.dueMs(lane)).toBe(Infinity);
  }
  source.close();
  return sent;
}

it('makes one message of each cell of a wide file, moved to the asked start; empty cells are no readings', () => {
  expect(payloads('time,m1,m2\n0,18.5,19\n30,,20.25\r\n', { startMs: 1_767_225_600_000 })).toEqual([
    'sensors/m1/climate {"ts":1767225600000,"temperature":18.5}',
    'sensors/m2/climate {"ts":1767225600000,"temperature":19}',
    'sensors/m2/climate {"ts":1767225630000,"temperature":20.25}',
  ]);
});

it('makes one message of each row when columns are metrics, with the last line unterminated and ISO times', () => {
  const text = 'time,"co2",hum\n2026-01-01T00:00:00Z,500,\n2026-01-01T00:00:01Z,501,40.5';
  expect(payloads(text, { layout: { device: 'hall' }, timeUnit: 'iso' })).toEqual([
    'sensors/hall/climate {"ts":1767225600000,"co2":500}',
    'sensors/hall/climate {"ts":1767225601000,"co2":501,"hum":40.5}',
  ]);
});

it('keeps the devices of a wide file on their lanes, and holds a lane back rather than memory without bound', () => {
  const rows = Array.from({ length: 5_000 }, (_, row) => `${row},${row},${row + 0.5}`).join('\n');
  const source = open(`time,a,b\n${rows}\n`, { lanes: 2 });
  let ahead = 0;
  while (takeFrom(source, 0) !== undefined) ahead++;
  expect(ahead).toBeGreaterThan(4_000);
  expect(ahead).toBeLessThan(5_000);
  expect(source.dueMs(0)).toBe(-Infinity);
  for (let row = 0; row < 4_500; row++) expect(takeFrom(source, 1)?.payload).toContain(`"temperature":${row}`);
  expect(takeFrom(source, 0)).toMatchObject({
    name: 'b',
    truth: [{ s: 'b', v: { temperature: ahead + 0.5 }, q: 1 }],
  });
  source.close();
});

it('stops after the asked number of rows', () => {
  expect(payloads('time,a\n1,1\n2,2\n3,3\n', { rowsMax: 2 })).toHaveLength(2);
});

it.each([
  ['time,a\n1,x\n', /line 2: "x" is no number/],
  ['time,a\n1,1\nlater,1\n', /line 3: "later" is no time in s/],
  ['time,a\n1,1,1\n', /line 2: 3 cells, the header has 2/],
  ['when,a\n1,1\n', /no column "time": it has when, a/],
  ['time\n1\n', /no column of values/],
])('refuses what it cannot replay, with the line: %j', (text, message) => {
  expect(() => payloads(text)).toThrow(message);
});
