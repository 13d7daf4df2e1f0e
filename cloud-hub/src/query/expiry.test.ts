/** What retention removed is said to be expired; it is no gap, and aggregates made of readings that are gone are refused. */
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { HubCore } from '../ingest/hub-core.ts';
import { openHubDatabase } from '../store/schema.ts';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition, FixtureAgent } from '../testing/store-fixture.ts';
import { answerData } from './data.ts';
import { parseGrid } from './grid.ts';
import { parseSelector } from './selector.ts';

const dayMs = 86_400_000;
const t0 = Date.UTC(2026, 0, 1);
const iso = (ms: number): string => new Date(ms).toISOString();

/** Readings of day 0, 5 and 35, looked at on day 40: raw data and 10 s are kept for 30 days. */
function openOld(): ApiFixture {
  const api = openApiFixture(t0 + 40 * dayMs);
  const agent = api.agent('gw1', [definition()]);
  agent.send([0, 5, 35].map((day) => ({ series: 0, timeMs: t0 + day * dayMs, value: 20 + day })));
  api.core.fold();
  while (api.core.upkeep());
  return api;
}

function ask(api: ApiFixture, more: string, from = t0) {
  const range = `from=${iso(from)}&to=${iso(t0 + 40 * dayMs)}`;
  return api.get(`/api/v1/data?match=${encodeURIComponent('{metric="temperature"}')}&${range}&${more}`);
}

const expiredOf = (body: Record<string, unknown>): unknown[] =>
  (body['meta'] as { gaps: { cause: string }[] }).gaps.filter(({ cause }) => cause === 'expired');

it('readings and roll-ups that expired are said to be so, and are not gaps', async () => {
  const api = openOld();
  const horizon = t0 + 10 * dayMs;
  for (const more of ['', 'every=10s&limit=10000']) {
    const { status, body } = await ask(api, more);
    expect(status).toBe(200);
    expect(expiredOf(body)).toEqual([{ series: 1, fromMs: t0, toMs: horizon, cause: 'expired' }]);
    const gaps = (body['meta'] as { gaps: { cause: string; fromMs: number }[] }).gaps;
    expect(gaps.every(({ cause, fromMs }) => cause === 'expired' || fromMs >= horizon)).toBe(true);
  }
});

it('a bucket that the horizon cuts is expired', async () => {
  const { body } = await ask(openOld(), 'every=70s&limit=10000');
  const toMs = Math.ceil((t0 + 10 * dayMs) / 70_000) * 70_000;
  const fromMs = Math.floor(t0 / 70_000) * 70_000;
  expect(expiredOf(body)).toEqual([{ series: 1, fromMs, toMs, cause: 'expired' }]);
});

it('a level that is kept answers in full', async () => {
  const { body } = await ask(openOld(), 'every=1d&agg=mean');
  expect(expiredOf(body)).toEqual([]);
  expect(body['series']).toMatchObject([{ columns: { mean: [20, 25, 55] } }]);
});

it('what is made of all readings is refused where some are gone, with the fix', async () => {
  const api = openOld();
  const refused = await ask(api, 'every=1d&agg=p95');
  expect(refused.status).toBe(400);
  expect(refused.body['detail']).toContain(
    '0 of 1 readings of temperature{agent="gw1",device="d1",stream="raw"} are still held from 2026-01-01T00:00:00.000Z on; begin at 2026-01-11T00:00:00.000Z, before which they have expired, or write agg=min',
  );
  const answered = await ask(api, 'every=1d&agg=p95', t0 + 10 * dayMs);
  expect(answered.body['series']).toMatchObject([{ columns: { p95: [55] } }]);
});

it('the first difference after what expired is to the last value before it', async () => {
  const { body } = await ask(openOld(), 'every=10s&agg=delta');
  expect(body['series']).toMatchObject([{ columns: { delta: [30] } }]);
});

it('readings whose counts expired too are refused by the day', () => {
  const clock = new ManualClock(t0 + 40 * dayMs);
  const db = openHubDatabase(':memory:');
  const levelMs = { 10_000: 10 * dayMs, 60_000: 10 * dayMs, 900_000: 10 * dayMs, 86_400_000: Number.POSITIVE_INFINITY };
  const core = new HubCore(db, { clock, send: () => {} }, { retention: { rawMs: 10 * dayMs, levelMs } });
  const series = [definition()];
  const agent = new FixtureAgent(core, 'gw1', series, '00000000000000a1');
  agent.send([5, 35].map((day) => ({ series: 0, timeMs: t0 + day * dayMs, value: day })));
  core.fold();
  while (core.upkeep());
  const p95 = (fromMs: number) => {
    const question = {
      selectors: [parseSelector('temperature')],
      from: iso(fromMs),
      to: iso(t0 + 40 * dayMs),
      grid: parseGrid('1d', undefined),
      aggregates: ['p95'] as const,
      fill: undefined,
      qualities: undefined,
      cursor: undefined,
      limit: 100,
    };
    const query = answerData(core.read, question, t0 + 40 * dayMs);
    for (;;) {
      const step = query.next();
      if (step.done === true) return step.value.parts[0]?.values;
    }
  };
  expect(() => p95(t0)).toThrow('are still held from 2026-01-06T00:00:00.000Z on; begin at 2026-01-31T00:00:00.000Z');
  expect(p95(t0 + 30 * dayMs)).toEqual([[t0 + 35 * dayMs], [35]]);
});

it('10 s of a held stream outlive its readings, because its time-weighted average is made of them', async () => {
  const api = openApiFixture(t0 + 40 * dayMs);
  const agent = api.agent('gw1', [definition({ sampling: 'held', holdMs: dayMs })]);
  agent.send([0, 35].map((day) => ({ series: 0, timeMs: t0 + day * dayMs, value: 20 + day })));
  api.core.fold();
  while (api.core.upkeep());
  const { body } = await ask(api, 'every=1d&agg=twa');
  expect(expiredOf(body)).toEqual([]);
  expect(body['series']).toMatchObject([{ columns: { twa: [20, 55] } }]);
});

it('items that come when they have expired already are told by an event, once per epoch', async () => {
  const api = openOld();
  const late = api.agent('gw2', [definition()], '00000000000000b2');
  for (const i of [1, 2]) late.send([{ series: 0, timeMs: t0 + i, value: 1 }]);
  const kinds = api.core.read.events().map(({ kind, agent }) => `${agent} ${kind}`);
  expect(kinds).toEqual(['gw2 arrived_expired']);
});
