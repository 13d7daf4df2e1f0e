import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterAll, expect, it } from 'vitest';
import { readResume, watchResume } from './resume.ts';
import type { Source } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));

const names = ['a', 'b'];
const source: Source = {
  lanes: 1,
  devices: names.length,
  nameOf: (device) => names[device] ?? '',
  dueMs: () => Infinity,
  take: () => false,
  writeName: () => {},
};

it('remembers for each device how far it came, and of others what an earlier run left', () => {
  const path = join(folder, 'state.json');
  const clock = new ManualClock();
  const resume = watchResume(source, path, new Map(Object.entries({ b: 7, c: 9 })), clock);
  resume.source.settled?.(0, 1);
  resume.source.settled?.(0, 2);
  clock.advance(1_000);
  expect(readResume(path)).toEqual(new Map(Object.entries({ a: 2, b: 7, c: 9 })));
  resume.source.settled?.(1, 8);
  resume.close();
  expect(readResume(path)).toEqual(new Map(Object.entries({ a: 2, b: 8, c: 9 })));
});

it('begins at nothing without a file, and refuses one that it did not write', () => {
  expect(readResume(join(folder, 'none.json'))).toEqual(new Map());
  const path = join(folder, 'other.json');
  writeFileSync(path, '{"version":2}');
  expect(() => readResume(path)).toThrow(/not a state file/);
  expect(readFileSync(path, 'utf8')).toBe('{"version":2}');
});
