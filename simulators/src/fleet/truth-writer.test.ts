import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openTruth } from './truth-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-truth-'));
afterAll(() => rmSync(folder, { recursive: true }));

const message = { device: 'dev-0001', timeMs: 5, values: '{"temperature":1.5}' };

it('appends a run to what an earlier one left, after closing the line that a kill tore off', () => {
  const path = join(folder, 'truth.ndjson');
  const first = openTruth(path, 1);
  first.sent(message, 1);
  first.close();
  appendFileSync(path, '{"s":"dev-00');
  const second = openTruth(path, 2);
  second.acked(message);
  second.flush();
  expect(readFileSync(path, 'utf8').split('\n')).toEqual([
    '{"truth":1,"startedMs":1}',
    '{"s":"dev-0001","t":5,"v":{"temperature":1.5},"q":1}',
    '{"s":"dev-00',
    '{"truth":1,"startedMs":2}',
    '{"a":["dev-0001",5]}',
    '',
  ]);
  second.close();
});

it('holds lines back until flush, so that a batch costs one write', () => {
  const path = join(folder, 'held.ndjson');
  const truth = openTruth(path, 1);
  truth.sent(message, 1);
  expect(readFileSync(path, 'utf8')).toBe('{"truth":1,"startedMs":1}\n');
  truth.flush();
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
  truth.close();
});
