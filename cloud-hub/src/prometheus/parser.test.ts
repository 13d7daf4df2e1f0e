/** Texts that are no queries: every one is read or refused with a reason, none breaks the reader. */
import { hasCode } from '@fogline/shared/errors';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Budget, QueryMemory } from './budget.ts';
import { answerInstant, answerRange } from './engine.ts';
import type { SampleSource } from './source.ts';

const nothing: SampleSource = {
  *range() {
    yield;
    return [];
  },
  *latest() {
    yield;
    return [];
  },
};

const memory = new QueryMemory();

function outcome(text: string): 'answered' | 'refused' {
  try {
    for (const answer of [
      answerInstant(() => nothing, text, 1_000, memory),
      answerRange(() => nothing, text, { startMs: 0, endMs: 5_000, stepMs: 1_000 }, memory),
    ]) {
      let step = answer.next();
      while (step.done !== true) step = answer.next();
      JSON.parse(step.value);
    }
    return 'answered';
  } catch (error) {
    if (hasCode(error, 'query_invalid', 'limit_exceeded')) return 'refused';
    throw error;
  }
}

const words = fc.constantFrom(
  ...'x y{a="b"} {a=~"("} [5m] [5m:1m] [1h:] ( ) , + - * / % ^ == != > bool and or unless on(a) ignoring(b) group_left group_right(c)'.split(
    ' ',
  ),
  ...'sum avg topk quantile count_values limitk by(a) without() rate( avg_over_time( clamp( label_replace( vector( scalar( time() absent('.split(
    ' ',
  ),
  ...'1 -2 0x1f 1e3 5m Inf NaN "s" `r` offset 5m @ 10 start() end() anchored smoothed fill(0) # } {'.split(' '),
);

it('any row of words is answered or refused', () => {
  const counts = { answered: 0, refused: 0 };
  fc.assert(
    fc.property(fc.array(words, { minLength: 1, maxLength: 9 }), (row) => {
      counts[outcome(row.join(' '))]++;
    }),
    { numRuns: 3_000 },
  );
  expect(Math.min(counts.answered, counts.refused)).toBeGreaterThan(100);
});

it('any text is answered or refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      expect(['answered', 'refused']).toContain(outcome(text));
    }),
    { numRuns: 300 },
  );
});

it('a budget is counted for each query anew', () => {
  const seen = new Set<Budget>();
  const source = (budget: Budget): SampleSource => {
    seen.add(budget);
    return nothing;
  };
  for (const text of ['x', 'x']) answerInstant(source, text, 0, memory).next();
  expect(seen.size).toBe(2);
});
