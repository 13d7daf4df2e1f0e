import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it, vi } from 'vitest';
import { openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';
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
  it('others get their turn after each slice, however many queries there are', async () => {
    const clock = new ManualClock();
    const runner = new QueryRunner(clock);
    const seen: string[] = [];
    let isOver = false;
    const others = (): void => {
      seen.push('others');
      if (!isOver) setImmediate(others);
    };
    setImmediate(others);
    await Promise.all([1, 2, 3].map(() => runner.run(slow(clock, 4, seen), stays)));
    isOver = true;
    expect(seen.filter((what) => what !== 'others')).toHaveLength(12);
    expect(seen.join(', ')).not.toMatch(/step \d, step/);
  });

  it('and while devices are told, each with what its series said last', async () => {
    const { api, agent, clock, core } = openApiFixture(Date.UTC(2026, 0, 1));
    agent(
      'gw',
      ['a', 'b', 'c'].map((device) => definition({ device })),
    );
    const seen: string[] = [];
    const latest = core.read.latest.bind(core.read);
    vi.spyOn(core.read, 'latest').mockImplementation((series) => {
      clock.advance(4);
      seen.push('device');
      return latest(series);
    });
    let isOver = false;
    const others = (): void => {
      seen.push('others');
      if (!isOver) setImmediate(others);
    };
    setImmediate(others);
    const { statusCode } = await api.app.inject({ url: '/api/v1/devices', headers: { host: 'localhost' } });
    isOver = true;
    expect(statusCode).toBe(200);
    expect(seen.filter((what) => what === 'device')).toHaveLength(3);
    expect(seen.join(', ')).not.toMatch(/device, device/);
  });

  it('and while gaps of an answer are explained, series by series', async () => {
    const start = Date.UTC(2026, 0, 1);
    const { api, agent, clock, core } = openApiFixture(start + 86_400_000);
    const held = Array.from({ length: 40 }, (_, n) =>
      definition({ device: `d${n}`, sampling: 'held', holdMs: 3_600_000 }),
    );
    agent('gw', held).send(held.map((_, series) => ({ series, timeMs: start, value: 1 })));
    let reads = 0;
    let readsMax = 0;
    const spreads = core.read.spreads.bind(core.read);
    vi.spyOn(core.read, 'spreads').mockImplementation((...asked) => {
      clock.advance(4);
      readsMax = Math.max(readsMax, ++reads);
      return spreads(...asked);
    });
    let isOver = false;
    const others = (): void => {
      reads = 0;
      if (!isOver) setImmediate(others);
    };
    setImmediate(others);
    const url = `/api/v1/data?match=temperature&from=${start + 7_200_000}&to=${start + 14_400_000}&every=1h&agg=last&fill=null`;
    const { statusCode } = await api.app.inject({ url, headers: { host: 'localhost' } });
    isOver = true;
    expect(statusCode).toBe(200);
    // One series is looked up in four levels, the coarsest twice.
    expect(readsMax).toBeLessThan(10);
  });

  it('one whose client has gone is given up', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    await expect(new QueryRunner(clock).run(slow(clock, 1_000, seen), () => true)).rejects.toThrow(
      'the client went away',
    );
    expect(seen).toHaveLength(1);
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
