/** `fogline-sim verify` on a hub that holds minutes in place of readings, over its own HTTP side: clean, and no longer so when one minute is spoilt. */
import { defaultAlarms } from '@fogline/cloud-hub/alarms/alarm-config';
import { Alarms } from '@fogline/cloud-hub/alarms/alarms';
import { buildApi } from '@fogline/cloud-hub/api/app';
import { AuditLog } from '@fogline/cloud-hub/auth/audit-log';
import { EdgeAsker } from '@fogline/cloud-hub/edge/edge-asker';
import { ApiTokens } from '@fogline/cloud-hub/fleet/tokens';
import { openLive } from '@fogline/cloud-hub/live/live';
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import { silentLogger } from '@fogline/shared/log';
import { Metrics } from '@fogline/shared/metrics';
import { SeededRandom } from '@fogline/shared/random';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openHubReader } from '../../src/verify/hub-reader.ts';
import type { TruthSeries } from '../../src/verify/truth.ts';
import { type Verdict, verify } from '../../src/verify/verify.ts';
import { heal } from './schedule.ts';
import { type SimSensors, simSource } from './sensors.ts';
import { World } from './world.ts';

const config = (agent: string): CoreConfig => ({
  agent,
  software: 'simulation',
  sources: [simSource],
  pipelines: [
    { name: 'live', from: simSource, lane: 2 },
    { name: 'stats', from: simSource, window: { everyMs: 10_000, latenessMs: 2000, hasSketch: false }, lane: 1 },
  ],
  alarms: [],
  buffer: {
    commit: 'prompt',
    flashBytesPerDay: 1,
    sizeBytesMax: 416 * 1024,
    ageMsMax: 7 * 86_400_000,
    whenFull: { alarm: 'keep', high: 'keep', normal: 'thin_to_1m', low: 'keep' },
  },
  uplink: { token: '', window: 8, lingerMs: 500 },
});

/** An agent that is alone for so long that its buffer overflows, and then comes back. */
function overflow(): World {
  const world = new World(1, {
    agents: 1,
    devices: 3,
    readingsMax: 30,
    config,
    link: { latencyMaxMs: 20, ghostChance: 0, duplicateChance: 0 },
  });
  onTestFinished(() => world.close());
  const [agent] = world.agents;
  agent?.link.takeDown();
  const isThinned = (): boolean =>
    (agent?.db.prepare<{ n: number }>('SELECT count(*) AS n FROM ledger WHERE thinned > 0').get()?.n ?? 0) > 0;
  for (let step = 0; step < 4000 && !isThinned(); step++) {
    agent?.send();
    world.clock.advance(400);
  }
  heal(world);
  return world;
}

/** As `verify` reads it from a file: what was sent twice stands once. */
function truthOf({ truth }: SimSensors): TruthSeries[] {
  return [...Map.groupBy(truth, ({ device }) => device)].map(([device, readings]) => {
    const rows = readings
      .toSorted((a, b) => a.time - b.time || a.value - b.value)
      .filter(({ time, value }, at, all) => time !== all[at - 1]?.time || value !== all[at - 1]?.value);
    return {
      device,
      metric: 'temperature',
      texts: undefined,
      time: Float64Array.from(rows, ({ time }) => time),
      value: Float64Array.from(rows, ({ value }) => value),
      acked: Uint8Array.from(rows, ({ isAcked }) => (isAcked ? 1 : 0)),
      late: new Uint8Array(rows.length),
      resends: new Uint8Array(rows.length),
    };
  });
}

async function verdictOn(world: World, stream: string): Promise<Verdict> {
  const read = world.hub?.read;
  const [agent] = world.agents;
  if (read === undefined || agent === undefined) throw new Error('the hub is down');
  const shared = { store: read, clock: world.clock, log: silentLogger };
  const own = { clock: world.clock, log: silentLogger, random: new SeededRandom(1) };
  const api = buildApi({
    ...shared,
    live: openLive({ ...shared, random: own.random, beforeDelivery: () => undefined }),
    alarms: new Alarms({
      db: world.hubDb,
      store: read,
      isBusy: () => false,
      hasRoom: () => true,
      ...own,
      config: defaultAlarms,
    }),
    metrics: new Metrics(),
    access: { isLoopback: true, callerOf: () => undefined },
    tokens: new ApiTokens(world.hubDb, world.clock),
    credentialsChanged: () => undefined,
    audit: new AuditLog(':memory:', world.clock),
    order: () => '',
    edge: new EdgeAsker({
      clock: world.clock,
      random: new SeededRandom(1),
      send: () => undefined,
      isHeard: () => false,
    }),
    notReady: () => undefined,
  });
  onTestFinished(() => api.close());
  const url = await api.app.listen({ port: 0, host: '127.0.0.1' });
  const hub = openHubReader({ url });
  return verify({ truth: truthOf(agent.sensors), hub, stream, metricMap: new Map(), waitMs: 0, clock: world.clock });
}

describe('the verdict on a hub that holds minutes', () => {
  it('is clean where every minute is what its readings were, for readings and for windows', async () => {
    const world = overflow();
    const live = await verdictOn(world, 'live');
    expect(live.findings).toMatchObject({ isClean: true, declared: 0 });
    expect(live.findings.thinned).toBeGreaterThan(100);
    expect(live.atHub).toBe(live.acked - live.findings.thinned);
    expect((await verdictOn(world, 'stats')).findings.isClean).toBe(true);
  });

  it('is not, where one roll-up of a minute lacks a reading', async () => {
    const world = overflow();
    world.hub?.fold();
    world.hubDb.exec(
      'DELETE FROM rollups WHERE level = 60000 AND (series, start) IN (SELECT series, min(start) FROM rollups WHERE level = 60000)',
    );
    expect((await verdictOn(world, 'live')).findings.counts.bucket).toBeGreaterThan(0);
  });
});
