import { hasCode } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';
import { Budget, queryLimits } from './budget.ts';

describe('a query ends with the name of its limit when it would', () => {
  const cases: [what: string, limit: keyof typeof queryLimits, spend: (budget: Budget, amount: number) => void][] = [
    ['read too much', 'readMax', (budget, amount) => budget.read(amount)],
    ['hold too much', 'samplesMax', (budget, amount) => budget.hold(amount)],
    ['answer too much', 'cellsMax', (budget, amount) => budget.allocate(amount / 1_000, 1_000)],
    ['look at samples too often', 'visitsMax', (budget, amount) => budget.visit(amount)],
  ];
  it.each(cases)('%s', (_what, limit, spend) => {
    const budget = new Budget();
    spend(budget, queryLimits[limit]);
    const more = (): void => spend(budget, 1_000);
    expect(more).toThrow(`(${limit})`);
    expect(more).toThrow(expect.toSatisfy((error) => hasCode(error, 'limit_exceeded')));
  });
});
