import { describe, expect, it } from 'vitest';
import { breakerLimits, CircuitBreaker } from './circuit-breaker.ts';

const { failuresMax, openMs, openMsMax } = breakerLimits;

function failing(times: number, atMs = 0): CircuitBreaker {
  const breaker = new CircuitBreaker();
  for (let i = 0; i < times; i++) breaker.failed(atMs);
  return breaker;
}

describe('a circuit breaker', () => {
  it('stays closed until so many failures came in a row', () => {
    const breaker = failing(failuresMax - 1);
    expect([breaker.state(0), breaker.waitMs(0)]).toEqual(['closed', 0]);
    breaker.succeeded();
    for (let i = 1; i < failuresMax; i++) breaker.failed(0);
    expect(breaker.state(0)).toBe('closed');
    breaker.failed(0);
    expect([breaker.state(0), breaker.waitMs(0)]).toEqual(['open', openMs]);
  });

  it('lets one attempt decide after a while', () => {
    const breaker = failing(failuresMax, 1_000);
    expect(breaker.state(1_000 + openMs - 1)).toBe('open');
    expect([breaker.state(1_000 + openMs), breaker.waitMs(1_000 + openMs)]).toEqual(['half_open', 0]);
    breaker.succeeded();
    expect(breaker.state(1_000 + openMs)).toBe('closed');
    breaker.failed(1_000 + openMs);
    expect(breaker.state(1_000 + openMs)).toBe('closed');
  });

  it('stays open longer each time, up to a limit', () => {
    const breaker = failing(failuresMax);
    let nowMs = 0;
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      waits.push(breaker.waitMs(nowMs));
      nowMs += breaker.waitMs(nowMs);
      breaker.failed(nowMs);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 20, 20, 20].map((times) => times * openMs));
    expect(waits.at(-1)).toBe(openMsMax);
  });
});
