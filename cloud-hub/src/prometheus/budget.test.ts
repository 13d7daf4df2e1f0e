import { hasCode } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';
import { Budget, QueryMemory, queryLimits } from './budget.ts';
import { answerRange } from './engine.ts';
import type { SampleSource } from './source.ts';

describe('a query ends with the name of its limit when it would', () => {
  const cases: [what: string, limit: keyof typeof queryLimits, spend: (budget: Budget, amount: number) => void][] = [
    ['read too much', 'readMax', (budget, amount) => budget.read(amount)],
    ['hold too much', 'samplesMax', (budget, amount) => budget.hold(amount)],
    ['answer too much', 'cellsMax', (budget, amount) => budget.allocate(amount / 1_000, 1_000)],
    ['look at samples too often', 'visitsMax', (budget, amount) => budget.visit(amount)],
  ];
  it.each(cases)('%s', (_what, limit, spend) => {
    const budget = new Budget(new QueryMemory());
    spend(budget, queryLimits[limit]);
    const more = (): void => spend(budget, 1_000);
    expect(more).toThrow(`(${limit})`);
    expect(more).toThrow(expect.toSatisfy((error) => hasCode(error, 'limit_exceeded')));
  });
});

describe('queries that run at once', () => {
  it('hold together no more than fits: the next is told to come back, and may when another has ended', () => {
    const memory = new QueryMemory(16_000_000);
    const [first, second] = [new Budget(memory), new Budget(memory)];
    first.hold(900_000);
    const more = (): void => second.hold(200_000);
    expect(more).toThrow(/memoryBytesMax/);
    expect(more).toThrow(expect.toSatisfy((error) => hasCode(error, 'unavailable')));
    first.hold(-500_000);
    more();
    first.close();
    second.close();
    expect(memory.bytes).toBe(0);
  });

  it('let go of it also where one is refused or given up', () => {
    const memory = new QueryMemory(9 * 1_000);
    const samples = { labels: new Map(), times: Float64Array.of(0), values: Float64Array.of(1), lookBackMs: 1e9 };
    const source: SampleSource = {
      *range() {
        yield;
        return [];
      },
      *latest() {
        yield;
        return [{ ...samples, sampling: 'all' }];
      },
    };
    const range = (steps: number) => ({ startMs: 0, endMs: (steps - 1) * 1_000, stepMs: 1_000 });
    const waiting = answerRange(() => source, 'x', range(900), memory);
    for (let steps = 0; steps < 3; steps++) waiting.next();
    expect(memory.bytes).toBeGreaterThan(0);
    expect(() => [...answerRange(() => source, 'x', range(900), memory)]).toThrow(/memoryBytesMax/);
    waiting.return('');
    expect(memory.bytes).toBe(0);
    expect([...answerRange(() => source, 'x', range(900), memory)]).toBeDefined();
    expect(memory.bytes).toBe(0);
  });
});
