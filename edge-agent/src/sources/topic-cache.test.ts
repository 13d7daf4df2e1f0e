import { describe, expect, it } from 'vitest';
import { TopicCache } from './topic-cache.ts';

describe('what is remembered by topic', () => {
  it.each([
    ['many', 20_000, 8],
    ['long', 64, 65_000],
  ])('begins anew beyond a bound: %s topics', (_what, most, length) => {
    const cache = new TopicCache<number>();
    const topic = (n: number): string => String(n).padStart(length, '0');
    for (let n = 0; n < most; n++) cache.set(topic(n), n);
    expect([cache.get(topic(0)), cache.get(topic(most - 1))]).toEqual([0, most - 1]);
    cache.set(topic(most), most);
    expect([cache.has(topic(0)), cache.get(topic(most))]).toEqual([false, most]);
  });
});
