import { expect, it } from 'vitest';
import { judge, tableOf } from './expectations.ts';

const expectations = { acked: 0.999, rate: 100, latencyP50Ms: undefined, latencyP99Ms: 500, reconnects: 0 };
const reached = { sent: 1_000, settled: 1_000, seconds: 8, disconnects: 0, ackP50Ms: 3, ackP99Ms: 12.34 };

it('holds what was reached against what is expected, and shows both', () => {
  expect(tableOf(judge(expectations, reached))).toEqual([
    'expected     wanted   got',
    'acked        ≥ 99.9%  100%   ok',
    'rate         ≥ 100/s  125/s  ok',
    'latency p99  ≤ 500ms  12ms   ok',
    'reconnects   ≤ 0      0      ok',
  ]);
});

it.each([
  ['acked', { settled: 998 }],
  ['rate', { seconds: 11 }],
  ['latency p99', { ackP99Ms: 501 }],
  ['latency p99', { ackP99Ms: Number.NaN }],
  ['reconnects', { disconnects: 1 }],
  ['acked', { sent: 0, settled: 0 }],
])('does not let %s pass with %j', (what, change) => {
  const failed = judge(expectations, { ...reached, ...change }).filter(({ isMet }) => !isMet);
  expect(failed.map((row) => row.what)).toContain(what);
});

it('never rounds a share up to the whole', () => {
  const [acked] = judge({ ...expectations, acked: 1 }, { ...reached, sent: 1_000_000, settled: 999_999 });
  expect(acked).toMatchObject({ got: '99.999%', isMet: false });
});
