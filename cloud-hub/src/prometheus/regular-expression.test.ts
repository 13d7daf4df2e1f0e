import { describe, expect, it } from 'vitest';
import { compileExpression } from './regular-expression.ts';

it('matches whole values, across lines, in the syntax of RE2', () => {
  const table: [source: string, text: string, isMatch: boolean][] = [
    ['d1', 'd1', true],
    ['d1', 'd12', false],
    ['d1|d2', 'd2', true],
    ['d.*', 'd\n1', true],
    ['(?i)hall', 'HALL', true],
    ['[[:alpha:]]+', 'abc', true],
    ['', '', true],
    ['', 'x', false],
  ];
  for (const [source, text, isMatch] of table) expect(compileExpression(source).isMatch(text), source).toBe(isMatch);
});

it('fills groups into a template by number and by name', () => {
  const { expand } = compileExpression('(?P<first>[a-z]+)-(\\d+)?');
  expect(expand('abc-7', '$2:$first:${1}x:$$:$9')).toBe('7:abc:abcx:$:');
  expect(expand('abc-', '[$2]')).toBe('[]');
  expect(expand('7', '$1')).toBeUndefined();
});

it('many values chosen in a dashboard fit', () => {
  const devices = Array.from({ length: 500 }, (_, index) => `device-${index}`);
  expect(compileExpression(devices.join('|')).isMatch('device-499')).toBe(true);
});

describe('refused, because it would take long:', () => {
  it.each(['((a?){50}){20}', '(.*){500}x', '(a{1,100}){1,10}'])('%s', (source) => {
    expect(() => compileExpression(source)).toThrow('repeats too much');
  });

  it('9,000 characters', () => {
    expect(() => compileExpression('a'.repeat(9_000))).toThrow('at most 8000 are accepted');
  });

  it('what has no bound in other engines is matched in linear time', () => {
    expect(compileExpression('(a+)+b').isMatch('a'.repeat(10_000))).toBe(false);
  });
});
