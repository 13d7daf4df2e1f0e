import { protocolLimits } from '@fogline/shared/protocol/limits';
import { decodeReported, encodeReported } from '@fogline/shared/protocol/messages';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { othersNames, othersSum, reportedCounters } from './reported-counters.ts';

const kind = fc.constantFrom('rejected.s', 'filtered.p', 'file.f', 'alarm.a', 'repeat');
const counter = fc
  .tuple(kind, fc.nat(500), fc.nat(1e6))
  .map(([prefix, n, value]) => [`${prefix}.${n}`, value] as const);
const counters = fc.uniqueArray(counter, { selector: ([name]) => name, maxLength: 300 });

it('carries every counter, or the rest as a sum and a number of names, within one message', () => {
  fc.assert(
    fc.property(counters, (given) => {
      const told = reportedCounters(given);
      expect(told.length).toBeLessThanOrEqual(protocolLimits.countersMax);
      const others = new Map(told.filter(([name]) => name.startsWith('others.')));
      const named = told.filter(([name]) => !others.has(name));
      const sumOf = (list: readonly (readonly [string, number])[]): number =>
        list.reduce((sum, [, value]) => sum + value, 0);
      expect(sumOf(named) + (others.get(othersSum) ?? 0)).toBe(sumOf(given));
      expect(named.length + (others.get(othersNames) ?? 0)).toBe(given.length);
      expect(decodeReported(encodeReported({ agent: 'a', atMs: 0, rows: [], counters: told })).counters).toEqual(told);
    }),
  );
});

it('keeps what is few and matters, and of the rest the largest', () => {
  const rejected = Array.from({ length: 150 }, (_, n) => [`rejected.s.${n}`, n] as const);
  const told = reportedCounters([...rejected, ['filtered.p.check.bad', 1_000_000], ['damage.salvages', 1]]);
  expect(told.slice(0, 3)).toEqual([
    ['damage.salvages', 1],
    ['rejected.s.149', 149],
    ['rejected.s.148', 148],
  ]);
  expect(told.slice(-2)).toEqual([
    [othersSum, 1_000_000 + (53 * 52) / 2],
    [othersNames, 54],
  ]);
});
