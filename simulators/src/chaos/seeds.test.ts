import { expect, it } from 'vitest';
import { eachSeed, parseSeeds } from './seeds.ts';

it('a range of seeds has both its ends', () => {
  expect(parseSeeds('7..7')).toEqual([7]);
  expect(parseSeeds('98..101')).toEqual([98, 99, 100, 101]);
  for (const wrong of ['', '7', '7..', '8..7', '1...3', '-1..3', '1..1000000'])
    expect(() => parseSeeds(wrong), wrong).toThrow('--seeds');
});

it('runs every seed once, no more at a time than asked, and begins none after a stop', async () => {
  const stopping = new AbortController();
  const done: number[] = [];
  let [running, most] = [0, 0];
  await eachSeed(parseSeeds('1..9'), 3, stopping.signal, async (seed) => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
    done.push(seed);
    if (seed === 5) stopping.abort();
  });
  expect(most).toBe(3);
  expect(done).toEqual(Array.from(done, (_, index) => index + 1));
  expect(done).toContain(5);
  expect(done.length).toBeLessThan(9);
});
