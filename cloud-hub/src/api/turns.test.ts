import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it } from 'vitest';
import { QueryRunner } from './turns.ts';

/** Takes 4 ms a step. */
function* slow(clock: ManualClock, steps: number, seen: string[] = []): Generator<void, string> {
  for (let step = 1; step <= steps; step++) {
    clock.advance(4);
    seen.push(`step ${step}`);
    yield;
  }
  return 'answer';
}

const stays = () => false;

describe('queries beside ingest', () => {
  it('others get their turn after each slice', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    setImmediate(() => seen.push('an ack'));
    expect(await new QueryRunner(clock).run(slow(clock, 4, seen), stays)).toBe('answer');
    expect(seen).toEqual(['step 1', 'step 2', 'an ack', 'step 3', 'step 4']);
  });

  it('one whose client has gone is given up', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    await expect(new QueryRunner(clock).run(slow(clock, 1_000, seen), () => true)).rejects.toThrow(
      'the client went away',
    );
    expect(seen).toHaveLength(2);
  });

  it('no more than 32 at once; the next is told to come back', async () => {
    const clock = new ManualClock();
    const runner = new QueryRunner(clock);
    const answers = Array.from({ length: 32 }, () => runner.run(slow(clock, 3), stays));
    await expect(runner.run(slow(clock, 1), stays)).rejects.toMatchObject({
      problem: 'unavailable',
      headers: { 'retry-after': '1' },
    });
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['answer']));
    expect(await runner.run(slow(clock, 1), stays)).toBe('answer');
  });

  it('stopping ends what runs', async () => {
    const clock = new ManualClock();
    const runner = new QueryRunner(clock);
    const answer = runner.run(slow(clock, 1_000), stays);
    runner.stop();
    await expect(answer).rejects.toThrow('the hub is stopping');
    await runner.settled();
  });
});
