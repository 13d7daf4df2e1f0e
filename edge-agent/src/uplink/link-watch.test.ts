import { describe, expect, it } from 'vitest';
import { LinkWatch, linkWatchMs } from './link-watch.ts';

/** What it says, step by step, until it is dead or `steps` are over. */
function looks(watch: LinkWatch, from: number, steps: number, bytes: number | undefined): string[] {
  const said: string[] = [];
  for (let step = 1; step <= steps && said.at(-1) !== 'dead'; step++)
    said.push(watch.look(from + step * linkWatchMs, bytes));
  return said;
}

describe('the watch over the link', () => {
  it('asks a silent hub once, and gives it up when no answer comes', () => {
    expect(looks(new LinkWatch(0), 0, 9, 0)).toEqual(['fine', 'ask', 'fine', 'fine', 'dead']);
  });

  it('never gives up a hub that answers, however long it withholds its acks', () => {
    const watch = new LinkWatch(0);
    for (let round = 0; round < 100; round++) {
      expect(looks(watch, round * 3 * linkWatchMs, 3, 0)).toEqual(['fine', 'ask', 'fine']);
      watch.heard();
    }
  });

  it('does not count silence while nothing waits for the hub', () => {
    const watch = new LinkWatch(0);
    expect(new Set(looks(watch, 0, 100, undefined))).toEqual(new Set(['fine']));
    expect(looks(watch, 100 * linkWatchMs, 9, 0)).toEqual(['fine', 'ask', 'fine', 'fine', 'dead']);
  });

  it('gives bytes under way the time that a slow link needs, and not more than half a minute', () => {
    expect(looks(new LinkWatch(0), 0, 99, 40_000)).toHaveLength(10);
    expect(looks(new LinkWatch(0), 0, 99, 100_000_000)).toHaveLength(15);
  });

  it('does not take the time for silence in which its own process was away', () => {
    const watch = new LinkWatch(0);
    expect(watch.look(60_000, 0)).toBe('ask');
    watch.heard();
    expect(watch.look(62_000, 0)).toBe('fine');
  });
});
