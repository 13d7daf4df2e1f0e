/**
 * What the hub's store costs on disk: readings once a second through ingest in simulated time, with the upkeep that a hub does, then the bytes of
 * each table a reading or a row, overhead of the database included. By default 2 days of 20 series, 3.5 million readings, about a minute.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HubCore } from '@fogline/cloud-hub/ingest/hub-core';
import { levels } from '@fogline/cloud-hub/store/levels';
import { keptForEver } from '@fogline/cloud-hub/store/retention';
import { openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { definition, FixtureAgent } from '@fogline/cloud-hub/testing/store-fixture';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { encodeBatch } from '@fogline/shared/protocol/messages';
import { SeededRandom } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { Figures, percentile } from '../kit/figures.ts';
import { levelNames } from '../kit/level-names.ts';

const startMs = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;
const hourMs = 3_600_000;
const seriesPerAgent = 50;
/** What an agent sends at once. */
const secondsPerBatch = 10;
const epoch = '00000000000000e1';

/** Sensors by turns; each gives one value a second. */
const sensors = [
  {
    name: 'temperature, 2 decimals',
    valueAt: (s: number, noise: number) => Math.round(2137 + 300 * Math.sin(s / 13_750) + 5 * noise) / 100,
  },
  {
    name: 'pressure, 2 decimals',
    valueAt: (s: number, noise: number) => Math.round(101_325 + 900 * Math.sin(s / 70_000) + 8 * noise) / 100,
  },
  {
    name: 'humidity, 1 decimal',
    valueAt: (s: number, noise: number) => Math.round(450 + 150 * Math.sin(s / 13_750) + 4 * noise) / 10,
  },
  {
    name: 'power, 1 decimal, −500 … 500',
    valueAt: (s: number, noise: number) => Math.round(5000 * Math.sin(s / 600) + 60 * noise) / 10,
  },
  {
    name: 'vibration, float32',
    valueAt: (s: number, noise: number) => Math.fround(1.5 + 0.4 * Math.sin(s / 90) + 0.05 * noise),
  },
] as const;

interface Site {
  readonly db: Database;
  readonly core: HubCore;
  readonly clock: ManualClock;
  readonly agents: readonly { readonly name: string; readonly series: number; next: number }[];
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { days: { type: 'string', default: '2' }, series: { type: 'string', default: '20' } },
  });
  const [days, series] = [Number(values.days), Number(values.series)];
  const folder = mkdtempSync(join(tmpdir(), 'fogline-bench-store-'));
  try {
    const site = open(join(folder, 'hub.db'), series);
    const began = performance.now();
    const steps: number[] = [];
    const random = new SeededRandom(1);
    for (let hour = 0; hour < days * 24; hour++) {
      for (const [index, agent] of site.agents.entries()) sendHour(site, agent, index, hour, random);
      site.clock.advance(hourMs);
      if (hour % 6 === 5) keepUp(site.core, steps);
    }
    site.core.fold();
    // Until everything is over and has rested.
    site.clock.advance(3 * dayMs);
    keepUp(site.core, steps);
    report(site, { days, series, steps, seconds: (performance.now() - began) / 1000 });
    site.db.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function open(file: string, series: number): Site {
  const db = openHubDatabase(file, { cacheKib: 65_536 });
  const clock = new ManualClock(startMs);
  const core = new HubCore(db, { clock, send: () => undefined }, { retention: keptForEver });
  const agents = Array.from({ length: Math.ceil(series / seriesPerAgent) }, (_, i) => {
    const count = Math.min(seriesPerAgent, series - i * seriesPerAgent);
    const definitions = Array.from({ length: count }, (__, own) => {
      return definition({ device: `d${own}`, metric: `m${own % sensors.length}`, unit: '' });
    });
    return { name: new FixtureAgent(core, `gw${i}`, definitions, epoch).agent, series: count, next: 1 };
  });
  return { db, core, clock, agents };
}

function sendHour(
  { core }: Site,
  agent: Site['agents'][number],
  index: number,
  hour: number,
  random: SeededRandom,
): void {
  const count = agent.series * secondsPerBatch;
  const series = Uint32Array.from({ length: count }, (_, row) => Math.floor(row / secondsPerBatch));
  const flags = new Uint8Array(count);
  for (let at = hour * 3600; at < (hour + 1) * 3600; at += secondsPerBatch) {
    const time = new Float64Array(count);
    const value = new Float64Array(count);
    for (let row = 0; row < count; row++) {
      const second = at + (row % secondsPerBatch);
      const own = series[row] as number;
      // Sum of three: close enough to a bell.
      const noise = (random.unit() + random.unit() + random.unit() - 1.5) * 2;
      time[row] = startMs + second * 1000;
      value[row] = sensors[own % sensors.length]?.valueAt(second + own * 977 + index * 31_337, noise) ?? 0;
    }
    const bytes = encodeReadings({ count, series, time, value, flags, strings: [] }, 'fast');
    const range = { lane: 2 as const, first: agent.next, last: agent.next + count - 1 };
    agent.next += count;
    const payload = encodeBatch({ agent: agent.name, epoch, ...range, parts: [{ kind: 'readings', bytes }] });
    core.submit(agent.name, 'batch', payload, () => undefined);
  }
  while (core.commit());
}

function keepUp(core: HubCore, steps: number[]): void {
  for (let isMore = true; isMore; ) {
    const before = process.threadCpuUsage();
    isMore = core.upkeep();
    const { user, system } = process.threadCpuUsage(before);
    steps.push((user + system) / 1000);
  }
}

interface Ran {
  readonly days: number;
  readonly series: number;
  readonly seconds: number;
  readonly steps: readonly number[];
}

function report(site: Site, { days, series, seconds, steps }: Ran): void {
  const { db } = site;
  const readings = days * 86_400 * series;
  const figures = new Figures();
  const number = (sql: string): number => db.prepare<{ n: number | null }>(sql).get()?.n ?? 0;
  const pages = (...tables: string[]): number =>
    number(`SELECT sum(pgsize) AS n FROM dbstat WHERE name IN (${tables.map((name) => `'${name}'`).join(', ')})`);
  const add = (figure: string, unit: string, value: number): void => figures.add('store', figure, unit, value);
  add('raw, as stored', 'B/reading', number('SELECT sum(length(payload)) AS n FROM batches') / readings);
  add('raw, with pages and indexes', 'B/reading', pages('batches', 'batch_ranges', 'batch_hours') / readings);
  for (const level of levels) {
    const rows = number(`SELECT sum(rows) AS n FROM rollup_blocks WHERE level = ${level}`);
    const left = number(`SELECT count(*) AS n FROM rollups WHERE level = ${level}`);
    const packed = number(`SELECT sum(length(packed)) AS n FROM rollup_blocks WHERE level = ${level}`);
    const plain = number(`SELECT sum(length(partial)) AS n FROM rollups WHERE level = ${level}`);
    if (rows > 0) add(`roll-up of ${levelNames[level]}, packed`, 'B/row', packed / rows);
    if (left > 0) add(`roll-up of ${levelNames[level]}, not packed`, 'B/row', plain / left);
  }
  for (const [i, { name }] of sensors.entries()) {
    const of = `FROM rollup_blocks b JOIN series s ON s.id = b.series WHERE b.level = 60000 AND s.metric = 'm${i}'`;
    const rows = number(`SELECT sum(b.rows) AS n ${of}`);
    if (rows > 0) add(`1 min of ${name}`, 'B/row', number(`SELECT sum(length(b.packed)) AS n ${of}`) / rows);
  }
  const blocks = pages('rollup_blocks', 'rollup_blocks_place');
  add('packed rows with pages and index', 'B/row', blocks / number('SELECT sum(rows) AS n FROM rollup_blocks'));
  add('the whole database', 'B/reading', db.usedBytes() / readings);
  add('size of the database', 'MiB', db.usedBytes() / 2 ** 20);
  add('CPU of upkeep', 'us/reading', (steps.reduce((sum, ms) => sum + ms, 0) * 1000) / readings);
  add('CPU of a step of upkeep, p99', 'ms', percentile(steps, 0.99));
  add('CPU of a step of upkeep, longest', 'ms', percentile(steps, 1));
  for (const ms of charts(site)) figures.add('store', 'a day of packed minutes of one series', 'ms', ms);
  add('all of it', 's', seconds);
  figures.print({
    bench: 'hub-store',
    command: `npm run bench -- hub-store --days ${days} --series ${series}`,
    notes: { readings, batches: `${secondsPerBatch} s of up to ${seriesPerAgent} series` },
  });
}

const chartRuns = 20;

function charts({ core }: Site): number[] {
  const [first] = core.read.listSeries({});
  return Array.from({ length: chartRuns }, () => {
    const began = performance.now();
    const rows = [...core.read.rollups(first?.id ?? 0, 60_000, startMs, startMs + dayMs)];
    if (rows.length !== 1440) throw new Error(`a day of ${rows.length} minutes`);
    return performance.now() - began;
  });
}
