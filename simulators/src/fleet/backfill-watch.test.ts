import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { createFleetSource } from '../devices/fleet-source.ts';
import { planOf } from '../testing/plan.ts';
import { takeFrom } from '../testing/take.ts';
import { watchBackfill } from './backfill-watch.ts';
import { watchResume } from './resume.ts';

const startMs = Date.UTC(2026, 0, 1);

function fleet(backfillMs: number) {
  const metrics = { temperature: { like: 'temperature' } };
  const document = { duration: '10s', backfill: `${backfillMs}ms`, connections: 2 };
  return createFleetSource({ plan: planOf({ ...document, devices: { dev: { count: 4, metrics } } }), startMs });
}

it('reports the backfill done when the last of its messages is settled, not when it was sent, also below a resume', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-backfill-'));
  const done: number[] = [];
  const watched = watchBackfill(fleet(180_000), startMs, (messages) => done.push(messages));
  const resume = watchResume(watched, join(folder, 'state.json'), new Map(), new ManualClock());
  const sent = [0, 1].flatMap((lane) => Array.from({ length: 7 }, () => takeFrom(resume.source, lane)!));
  const past = sent.filter((message) => message.timeMs < startMs);
  expect(past).toHaveLength(12);
  for (const message of sent.filter((one) => one.timeMs >= startMs))
    resume.source.settled?.(message.device, message.position);
  for (const message of past.slice(0, -1)) resume.source.settled?.(message.device, message.position);
  expect(done).toEqual([]);
  resume.source.settled?.(past.at(-1)!.device, past.at(-1)!.position);
  resume.close();
  rmSync(folder, { recursive: true });
  expect(done).toEqual([12]);
});

it('reports at once when there is nothing to send from before', () => {
  const done: number[] = [];
  watchBackfill(fleet(0), startMs, (messages) => done.push(messages));
  expect(done).toEqual([0]);
});
