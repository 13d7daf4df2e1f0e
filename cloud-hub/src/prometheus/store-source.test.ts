/** What a query sees of windows: each aggregate by itself, at the end of the window, with what came late. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { afterEach, expect, it } from 'vitest';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const nowMs = Date.UTC(2026, 2, 1, 12);
const minuteMs = 60_000;
let fixture: ApiFixture;
afterEach(() => fixture.api.close());

function partialOf(startMs: number, ...values: number[]): Uint8Array {
  const partial = Partial.empty();
  values.forEach((value, index) => partial.add(startMs + index * 1_000, value));
  return partial.encode();
}

async function valueOf(query: string, atMs: number): Promise<string | undefined> {
  const params = new URLSearchParams({ query, time: String(atMs / 1000) }).toString();
  const { body } = await fixture.get(`/prometheus/api/v1/query?${params}`);
  expect(body).toMatchObject({ status: 'success' });
  const { result } = body['data'] as { result: { value: [number, string] }[] };
  expect(result.length).toBeLessThan(2);
  return result[0]?.value[1];
}

function load(): void {
  fixture = openApiFixture(nowMs);
  const window = { kind: 'window', widthMs: minuteMs, stream: 'minutes' } as const;
  const agent = fixture.agent('gw1', [definition(window)]);
  const at = (startMs: number, ...values: number[]) => ({ series: 0, startMs, partial: partialOf(startMs, ...values) });
  agent.send([], [at(nowMs - 2 * minuteMs, 1, 2, 3), at(nowMs - minuteMs, 10, 20)]);
  agent.send([], [{ ...at(nowMs - 2 * minuteMs, 6), isDelta: true }]);
}

it('a window is known at its end, not before, and stands for its width and five minutes more', async () => {
  load();
  expect(await valueOf('temperature_mean', nowMs - 1)).toBe('3');
  expect(await valueOf('temperature_mean', nowMs)).toBe('15');
  expect(await valueOf('temperature_mean', nowMs + 6 * minuteMs - 1)).toBe('15');
  expect(await valueOf('temperature_mean', nowMs + 6 * minuteMs)).toBeUndefined();
});

it('late readings are merged into their window', async () => {
  load();
  const values = { mean: '3', min: '1', max: '6', sum: '12', count: '4', last: '3' };
  for (const [aggregate, value] of Object.entries(values)) {
    expect(await valueOf(`temperature_${aggregate}`, nowMs - 1), aggregate).toBe(value);
  }
});

it('ranges over windows take those that ended in them', async () => {
  load();
  expect(await valueOf('sum_over_time(temperature_count[1m])', nowMs)).toBe('2');
  expect(await valueOf('sum_over_time(temperature_count[2m])', nowMs)).toBe('6');
  expect(await valueOf('sum_over_time(temperature_sum[2m]) / sum_over_time(temperature_count[2m])', nowMs)).toBe('7');
});
