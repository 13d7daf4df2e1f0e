import fc from 'fast-check';
import { expect, it } from 'vitest';
import { didYouMean, editDistance, nearest } from './suggest.ts';

it('measures known distances, a swap of neighbours as one step', () => {
  const table: [string, string, number][] = [
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['deadbnad', 'deadband', 1],
    ['same', 'same', 0],
    ['flash', 'flsh', 1],
  ];
  for (const [left, right, distance] of table) expect(editDistance(left, right), `${left}/${right}`).toBe(distance);
});

it('is symmetric, zero only for equal texts, and never longer than the longer text', () => {
  const text = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(text, text, (left, right) => {
      const distance = editDistance(left, right);
      expect(distance).toBe(editDistance(right, left));
      expect(distance === 0).toBe(left === right);
      expect(distance).toBeLessThanOrEqual(Math.max(left.length, right.length));
    }),
  );
});

it('suggests a near name and stays silent where a guess would be noise', () => {
  const keys = ['deadband', 'window', 'send', 'from'];
  expect(nearest('dead_band', keys)).toBe('deadband');
  expect(nearest('windw', keys)).toBe('window');
  expect(nearest('form', keys)).toBe('from');
  expect(nearest('colour', keys)).toBeUndefined();
  expect(nearest('x', keys)).toBeUndefined();
  expect(didYouMean('sned', keys)).toBe(' (did you mean "send"?)');
  expect(didYouMean('zzz', keys)).toBe('');
});
