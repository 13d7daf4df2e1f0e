import { describe, expect, it } from 'vitest';
import { LinkWatch, linkWatchMs } from './link-watch.ts';

/** What it says, step by step, until it is dead or `steps` are over. */
function looks(watch: LinkWatch, from: number, steps: number, bytes: number | undefined): string[] {
  const said: string[] = [];
  for (let step = 1; step <= steps && said.at(-1) !== 'dead'; step++)
    said.push(watch.look(from + step * linkWatchMs, bytes));
  return said;
}

/** In how many steps links die on which so many bytes are under way, one after the other. */
function deaths(watch: LinkWatch, links: number, bytes: number): number[] {
  return Array.from({ length: links }, () => {
    watch.begin(0);
    return looks(watch, 0, 999, bytes).length;
  });
}

describe('the watch over the link', () => {
  it('asks a silent hub once, and gives it up when no answer comes', () => {
    expect(looks(new LinkWatch(), 0, 9, 0)).toEqual(['fine', 'ask', 'fine', 'fine', 'dead']);
  });

  it('never gives up a hub that answers, however long it withholds its acks', () => {
    const watch = new LinkWatch();
    for (let round = 0; round < 100; round++) {
      expect(looks(watch, round * 3 * linkWatchMs, 3, 0)).toEqual(['fine', 'ask', 'fine']);
      watch.heard();
    }
  });

  it('does not count silence while nothing waits for the hub', () => {
    const watch = new LinkWatch();
    expect(new Set(looks(watch, 0, 100, undefined))).toEqual(new Set(['fine']));
    expect(looks(watch, 100 * linkWatchMs, 9, 0)).toEqual(['fine', 'ask', 'fine', 'fine', 'dead']);
  });

  it('gives bytes under way the time that a slow link needs, twice as much where that was too little, and not without end', () => {
    expect(deaths(new LinkWatch(), 3, 40_000)).toEqual([10, 15, 25]);
    const watch = new LinkWatch();
    expect(deaths(watch, 6, 100_000_000)).toEqual([15, 25, 45, 85, 125, 125]);
    for (let message = 0; message < 9; message++) watch.acked(1_000, 1);
    expect(deaths(watch, 1, 100_000_000)).toEqual([125]);
    for (let message = 0; message < 9; message++) watch.acked(100_000, 100);
    expect(deaths(watch, 1, 100_000_000)).toEqual([15]);
    expect(deaths(new LinkWatch(), 9, 0)).toEqual(new Array(9).fill(5));
  });

  it('asks again while it waits long', () => {
    const watch = new LinkWatch();
    deaths(watch, 2, 100_000_000);
    watch.begin(0);
    const asked = looks(watch, 0, 99, 100_000_000).flatMap((said, step) => (said === 'ask' ? [step + 1] : []));
    expect(asked).toEqual([2, 12, 22, 32, 42]);
  });

  it('does not take the time for silence in which its own process was away', () => {
    const watch = new LinkWatch();
    expect(watch.look(60_000, 0)).toBe('ask');
    watch.heard();
    expect(watch.look(62_000, 0)).toBe('fine');
  });
});
