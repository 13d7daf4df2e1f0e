/**
 * A day of readings behind the Prometheus door: how long Grafana's range queries take, from the text of the query to the text of the
 * answer, on one thread. Rounds go over all queries, so that what else the machine does falls on each of them.
 */
import { type Budget, QueryMemory } from '@fogline/cloud-hub/prometheus/budget';
import { answerRange } from '@fogline/cloud-hub/prometheus/engine';
import { defaultLookBackMs, StoreSource } from '@fogline/cloud-hub/prometheus/store-source';
import { definition, openStoreFixture } from '@fogline/cloud-hub/testing/store-fixture';
import { systemClock } from '@fogline/shared/clock';
import { Figures } from '../kit/figures.ts';

const series = 10;
const dayMs = 86_400_000;
const endMs = Date.UTC(2026, 2, 2);
const startMs = endMs - dayMs;
const rounds = 7;

const queries: readonly (readonly [query: string, stepS: number])[] = [
  ['temperature{device="d1"}', 120],
  ['temperature', 120],
  ['temperature', 15],
  ['avg(temperature)', 120],
  ['rate(temperature[5m])', 120],
  ['avg_over_time(temperature[5m])', 120],
  ['max_over_time(temperature[1h])', 120],
  ['quantile_over_time(0.95, temperature[5m])', 120],
];

export async function run(): Promise<void> {
  const { core } = filledStore();
  const source = (budget: Budget) => new StoreSource(core.read, budget, defaultLookBackMs);
  const memory = new QueryMemory();
  const figures = new Figures();
  for (let round = 0; round < rounds; round++) {
    for (const [query, stepS] of queries) {
      const begin = performance.now();
      const answer = answerRange(source, query, { startMs, endMs, stepMs: stepS * 1000 }, memory);
      for (let step = answer.next(); step.done !== true; ) step = answer.next();
      figures.add('24 h', `${query}, step ${stepS}s`, 'ms', performance.now() - begin);
    }
  }
  figures.print({
    bench: 'prometheus',
    command: 'npm run bench -- prometheus',
    notes: { series, readings: (series * dayMs) / 1000, batches: 'one a minute, in memory', rounds },
  });
}

function filledStore(): ReturnType<typeof openStoreFixture> {
  const store = openStoreFixture(systemClock);
  const agent = store.agent(
    'gw',
    Array.from({ length: series }, (_, nr) => definition({ device: `d${nr}` })),
  );
  const perBatch = 60;
  for (let minute = 0; minute < dayMs / 60_000; minute++) {
    const rows = Array.from({ length: series * perBatch }, (_, row) => {
      const second = minute * perBatch + (row % perBatch);
      const nr = Math.floor(row / perBatch);
      // Two decimals, a slow wave with some noise, as a thermometer has.
      const value = Math.round(2000 + 300 * Math.sin(second / 9_000 + nr) + ((second * 7_919) % 13)) / 100;
      return { series: nr, timeMs: startMs + second * 1000, value };
    });
    agent.send(rows);
  }
  return store;
}
