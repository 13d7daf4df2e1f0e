import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it } from 'vitest';
import type { BufferConfig } from '../core-config.ts';
import { CommitPacer } from './commit-pacer.ts';

const keep = { alarm: 'keep', high: 'keep', normal: 'keep', low: 'keep' } as const;
const buffer = (commit: BufferConfig['commit'], flashBytesPerDay: number): BufferConfig => ({
  commit,
  flashBytesPerDay,
  sizeBytesMax: 1e9,
  ageMsMax: 1e9,
  whenFull: keep,
});

describe('CommitPacer', () => {
  it('in prompt lets groups grow with the cost of a commit, up to 50 ms', () => {
    const pacer = new CommitPacer(buffer('prompt', 1), new ManualClock());
    expect(pacer.delayMs()).toBe(2);
    pacer.spent(4096, 5);
    expect(pacer.delayMs()).toBe(20);
    pacer.spent(4096, 500);
    expect(pacer.delayMs()).toBe(50);
  });

  it('waits no longer than a commit takes for those who cannot send before it', () => {
    const pacer = new CommitPacer(buffer('prompt', 1), new ManualClock());
    expect(pacer.delayMs(true)).toBe(2);
    pacer.spent(4096, 5);
    expect(pacer.delayMs(true)).toBe(5);
    pacer.spent(4096, 500);
    expect(pacer.delayMs(true)).toBe(50);
    const spent = new CommitPacer(buffer('flash', 48), new ManualClock());
    spent.spent(4096, 5);
    expect(spent.delayMs(true)).toBe(1000);
  });

  it('in flash commits promptly while there is credit, then once a second and never slower', () => {
    const clock = new ManualClock();
    const pacer = new CommitPacer(buffer('flash', 48 * 100_000), clock);
    expect(pacer.delayMs()).toBe(2);
    for (let i = 0; i < 20; i++) pacer.spent(100, 0);
    expect(pacer.delayMs()).toBe(1000);
    clock.advance(400);
    expect(pacer.delayMs()).toBe(600);
    clock.advance(5000);
    expect(pacer.delayMs()).toBeLessThanOrEqual(1000);
  });

  it('counts checkpoints against the budget', () => {
    const pacer = new CommitPacer(buffer('flash', 48 * 1_000_000), new ManualClock());
    expect(pacer.creditBytes).toBe(1_000_000);
    for (let i = 0; i < 5; i++) pacer.checkpointed();
    expect(pacer.creditBytes).toBeLessThan(0);
    pacer.spent(1, 0);
    expect(pacer.delayMs()).toBe(1000);
    expect(new CommitPacer(buffer('prompt', 1), new ManualClock()).creditBytes).toBeUndefined();
  });

  it('in flash spends no more than the budget of a day, whatever the load', () => {
    const clock = new ManualClock();
    const perDay = 200 * 1024 * 1024;
    const pacer = new CommitPacer(buffer('flash', perDay), clock);
    let promptCommits = 0;
    let bytes = 0;
    // Something waits all the time: each commit follows as soon as the pacer allows.
    for (let elapsed = 0; elapsed < 86_400_000; ) {
      const delay = pacer.delayMs();
      if (delay < 1000) {
        promptCommits++;
        bytes += 2 * 4096 + 400;
      }
      clock.advance(delay);
      elapsed += delay;
      pacer.spent(200, 0);
    }
    expect(promptCommits).toBeGreaterThan(100);
    expect(bytes).toBeLessThan(perDay * 1.1);
  });
});
