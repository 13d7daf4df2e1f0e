import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMatch, parseSelector } from './selector.ts';

const labels = { agent: 'gw1', device: 'd1', metric: 'temperature', stream: 'raw', unit: '' };

describe('selectors', () => {
  it.each([
    ['temperature', true],
    ['humidity', false],
    ['{device="d1"}', true],
    ['temperature{device="d1",agent!="gw2"}', true],
    ['temperature{device="d1",agent!="gw1"}', false],
    ['{__name__="temperature"}', true],
    [" temperature { device = 'd1' , } ", true],
    ['{}', true],
    ['{site=""}', true],
    ['{site!=""}', false],
    ['{unit=""}', true],
    ['{toString=""}', true],
  ])('%s matches: %s', (text, isExpected) => {
    expect(isMatch(parseSelector(text), labels)).toBe(isExpected);
  });

  it.each([
    ['', 'match: a selector begins with a metric name or "{" (position 1, at the end); write temperature{device="d1"}'],
    [
      '{device=~"d.*"}',
      'match: the regular expression matcher =~ on "device" is not supported; name each value: repeat match, once per value, with device="…"',
    ],
    [
      't{device!~"d.*"}',
      'match: the regular expression matcher !~ on "device" is not supported; name each value: repeat match, once per value, with device="…"',
    ],
    ['t{device=d1}', 'match: the value of "device" must be quoted (position 10, at "d1}"); write device="…"'],
    [
      't{device="d1"',
      'match: "," or "}" is missing (position 14, at the end); write temperature{device="d1",stream!="raw"}',
    ],
    ['t{device="d1', 'match: the value of "device" has no closing quote (position 13, at the end); write device="…"'],
    ['t{device=="d1"}', 'match: after "device" comes = or != (position 11, at ""d1"}"); write device="…"'],
    ['t[5m]', 'match: a range such as [5m] is not part of a selector; give from, to and every'],
    ['avg(t)', 'match: functions are not part of a selector; give agg instead of "avg(…)"'],
    ['t offset 5m', 'match: offset and @ are not part of a selector; shift from and to'],
    ['room-temp', 'match: a metric name with "-" must be quoted: {metric="room-temp"}'],
    ['t{="x"}', 'match: a label name is missing (position 3, at "="x"}"); write {device="d1"}'],
  ])('refuses %s with the fix', (text, message) => {
    expect(() => parseSelector(text)).toThrow(expect.objectContaining({ code: 'query_invalid', message }));
  });

  it('any value survives quoting', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const quoted = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
        expect(isMatch(parseSelector(`{device="${quoted}"}`), { device: value })).toBe(true);
      }),
    );
  });

  it('never fails in any other way than by a query error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseSelector(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'query_invalid' });
        }
      }),
    );
  });

  it('is bounded', () => {
    expect(() => parseSelector('x'.repeat(4097))).toThrow('match: 4097 characters, at most 4096 are accepted');
    expect(() => parseSelector(`{${'a="b",'.repeat(33)}}`)).toThrow('match: more than 32 matchers');
  });
});
