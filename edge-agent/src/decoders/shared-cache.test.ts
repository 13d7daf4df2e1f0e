import { describe, expect, it } from 'vitest';
import { BudgetedMap, CacheBudget } from './shared-cache.ts';

describe('caches under one limit', () => {
  it('are all emptied when what they hold costs more', () => {
    const budget = new CacheBudget(100);
    const [one, other] = [new BudgetedMap<number>(budget), new BudgetedMap<number>(budget)];
    one.set('a', 1, 60);
    other.set('b', 2, 40);
    expect([one.get('a'), other.get('b')]).toEqual([1, 2]);
    other.set('c', 3);
    expect([one.get('a'), other.get('b'), other.get('c')]).toEqual([undefined, undefined, 3]);
  });

  it('are emptied by what is spent on what they hold, too', () => {
    const budget = new CacheBudget(100);
    const map = new BudgetedMap<number>(budget);
    map.set('a', 1, 60);
    budget.spend(40);
    expect(map.get('a')).toBe(1);
    budget.spend(1);
    expect(map.get('a')).toBeUndefined();
  });
});
