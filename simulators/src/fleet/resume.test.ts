import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterAll, expect, it } from 'vitest';
import { readResume, watchResume } from './resume.ts';
import type { Message, Source } from './source.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));

function sourceOf(messages: readonly Message[]): Source {
  const left = [...messages];
  return { lanes: 1, dueMs: () => left[0]?.timeMs ?? Infinity, take: () => left.shift() };
}

function message(device: string, timeMs: number): Message {
  return { device, timeMs, topic: '', payload: '', values: '' };
}

it('counts as done only what lies before the oldest message that is not settled', () => {
  const path = join(folder, 'state.json');
  const clock = new ManualClock();
  const sent = [message('a', 1), message('a', 2), message('a', 3), message('b', 1)];
  const resume = watchResume(sourceOf(sent), path, new Map([['c', 9]]), clock);
  while (resume.source.take(0) !== undefined) continue;
  resume.source.settled?.(message('a', 3));
  resume.source.settled?.(message('a', 1));
  resume.source.settled?.(message('b', 1));
  clock.advance(1_000);
  expect(readResume(path)).toEqual(
    new Map([
      ['c', 9],
      ['a', 1],
      ['b', 1],
    ]),
  );
  resume.source.settled?.(message('a', 2));
  resume.close();
  expect(readResume(path)).toEqual(
    new Map([
      ['c', 9],
      ['a', 3],
      ['b', 1],
    ]),
  );
});

it('begins at nothing without a file, and refuses one that it did not write', () => {
  expect(readResume(join(folder, 'none.json'))).toEqual(new Map());
  const path = join(folder, 'other.json');
  writeFileSync(path, '{"version":2}');
  expect(() => readResume(path)).toThrow(/not a state file/);
  expect(readFileSync(path, 'utf8')).toBe('{"version":2}');
});
