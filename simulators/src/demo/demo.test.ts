import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { defaultAlarms } from '@fogline/cloud-hub/alarms/alarm-config';
import { openHub } from '@fogline/cloud-hub/hub';
import { HubCore } from '@fogline/cloud-hub/ingest/hub-core';
import { keptForEver } from '@fogline/cloud-hub/store/retention';
import { openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { openSealed, seal } from '@fogline/cloud-hub/store/sealed';
import { systemClock } from '@fogline/shared/clock';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { afterAll, expect, it } from 'vitest';
import { createFleetSource } from '../devices/fleet-source.ts';
import { createMqttWire } from '../fleet/mqtt-connection.ts';
import { readResume } from '../fleet/resume.ts';
import { openSender } from '../fleet/sender.ts';
import { openTruth } from '../fleet/truth-writer.ts';
import { planOf } from '../testing/plan.ts';
import { openHubReader } from '../verify/hub-reader.ts';
import { readTruth } from '../verify/truth.ts';
import { verify } from '../verify/verify.ts';
import { type Demo, type DemoOptions, startDemo } from './demo.ts';
import { readingsAtHub } from './hub-count.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-demo-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const options: DemoOptions = {
  folder: join(folder, 'data'),
  httpPort: undefined,
  hubMqttPort: undefined,
  mqttPort: undefined,
  devices: 3,
  seed: 1,
  clock: systemClock,
  onLog: () => {},
};
const start = (more: Partial<DemoOptions> = {}) => startDemo({ ...options, ...more }, new AbortController().signal);
const truthFile = join(folder, 'truth.ndjson');

/** Lately: what is older than `retention.raw` is in the roll-ups only. */
const startMs = (Math.floor(Date.now() / 86_400_000) - 2) * 86_400_000;

/** Another fleet through the same doors: an hour of the day before yesterday, as fast as it goes. */
async function sendMore({ mqtt }: Demo): Promise<void> {
  const like = { temperature: { like: 'temperature' }, humidity: { like: 'humidity' } };
  const plan = planOf({ seed: 9, duration: '1h', devices: { more: { count: 2, metrics: like } } });
  const sender = openSender({
    source: createFleetSource({ plan, startMs }),
    wire: createMqttWire({ url: `mqtt://${mqtt}`, keepaliveSeconds: 10, clock: systemClock }),
    window: 200,
    clock: systemClock,
    random: new SeededRandom(1),
    startMs,
    speed: 0,
    clientPrefix: 'more',
    truth: openTruth(truthFile, 0),
  });
  await sender.done;
  await sender.stop(0);
}

function verdictOn({ httpUrl }: { readonly httpUrl: string }, waitMs: number, stream?: string) {
  const hub = openHubReader({ url: httpUrl });
  return verify({
    truth: readTruth([truthFile]).series,
    hub,
    metricMap: new Map(),
    waitMs,
    clock: systemClock,
    ...(stream === undefined ? {} : { stream }),
  });
}

/** The hub over the data that the demo left, in this process. */
function openStoredHub() {
  const listener = { host: '127.0.0.1', port: 0 };
  const ports = { clock: systemClock, random: new SeededRandom(1), log: silentLogger };
  const dataFolder = join(options.folder, 'hub');
  return openHub({ dataFolder, http: listener, mqtt: listener, retention: keptForEver, alarms: defaultAlarms }, ports);
}

/** Brings the stopped hub's tables up to date with its log, so that there is something to spoil. */
function fold(): void {
  const db = openHubDatabase(join(options.folder, 'hub', 'hub.db'));
  new HubCore(db, { clock: systemClock, send() {} }).fold();
  db.close();
}

/** Gives every day that begins at startMs the roll-up of some minute, with a checksum that fits. */
function spoilDays(startMs: number): void {
  const db = new DatabaseSync(join(options.folder, 'hub', 'hub.db'));
  const minute = db.prepare('SELECT * FROM rollups WHERE level = 60000 LIMIT 1').get();
  const partial = openSealed(
    minute?.['partial'] as Uint8Array,
    60_000,
    Number(minute?.['series']),
    Number(minute?.['start']),
  );
  const spoil = db.prepare('UPDATE rollups SET partial = ? WHERE level = ? AND series = ? AND start = ?');
  const dayMs = 86_400_000;
  for (const { series } of db.prepare('SELECT series FROM rollups WHERE level = ? AND start = ?').all(dayMs, startMs))
    spoil.run(seal(partial, dayMs, Number(series), startMs), dayMs, Number(series), startMs);
  db.close();
}

/** Spoils the hub's database as a bug of ingest could. */
function plant(sql: string): void {
  const db = new DatabaseSync(join(options.folder, 'hub', 'hub.db'));
  expect(db.prepare(sql).run().changes).toBeGreaterThan(0);
  db.close();
}

it('starts with a day of readings at the hub, takes more, stops without losing any, and goes on where it stopped', async () => {
  const first = await start();
  expect(first).toMatchObject({ backfilled: 3 * 1_440, isBackfillVisible: true });
  expect(statSync(join(options.folder, 'agent.token')).mode & 0o077).toBe(0);
  await sendMore(first);
  const verdict = await verdictOn(first, 20_000);
  expect(verdict).toMatchObject({ series: 4, sent: 14_400, acked: 14_400, atHub: 14_400 });
  expect(verdict.findings.examples).toEqual([]);
  const stopped = await first.stop();
  expect(stopped.killed).toEqual([]);
  expect(stopped.devices).toMatch(/, 0 not,/);
  const done = readResume(join(options.folder, 'devices.json'));

  const second = await start();
  expect(second.backfilled).toBeLessThan(3 * 1_440);
  expect(await readingsAtHub(second.httpUrl)).toBeGreaterThanOrEqual(3 * 1_440);
  expect((await verdictOn(second, 0)).findings.examples).toEqual([]);
  // Its last windows close once their series have been idle for long enough.
  expect((await verdictOn(second, 40_000, 'stats')).findings.examples).toEqual([]);
  await second.stop();
  for (const [device, doneMs] of readResume(join(options.folder, 'devices.json')))
    expect(doneMs).toBeGreaterThanOrEqual(done.get(device) ?? 0);
});

it('ends with the last words of a process that cannot run, and leaves none of the others behind', async () => {
  writeFileSync(join(options.folder, 'devices.json'), 'garbage');
  await expect(start()).rejects.toThrow(/the devices ended unasked.*\n.*devices\.json is not a state file/s);
  // It could not be opened while another hub has it.
  const hub = await openStoredHub();
  await hub.close();
});

it("catches what is missing or wrong in a real hub's database", async () => {
  fold();
  // While it runs: a start would notice.
  const hub = await openStoredHub();
  plant(
    `DELETE FROM batches WHERE lane = 2 AND id IN (SELECT batch FROM batch_hours WHERE hour = ${startMs / 3_600_000})`,
  );
  spoilDays(startMs);
  const live = (await verdictOn(hub, 0)).findings;
  const stats = (await verdictOn(hub, 0, 'stats')).findings;
  await hub.close();
  expect(live.counts).toMatchObject({ lost: expect.any(Number), duplicated: 0, wrong: 0, unexpected: 0 });
  expect(live.counts.lost).toBeGreaterThan(0);
  expect(live.counts.bucket).toBeGreaterThan(0);
  // Every series has one spoiled day, in this stream too; its windows are otherwise as they were.
  expect(stats.counts).toMatchObject({ lost: 0, duplicated: 0, wrong: 0, unexpected: 0, bucket: 4 });
});

it('takes another port when a usual one is taken, but never when it was asked for', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  const refused = start({ folder: join(folder, 'other'), httpPort: port });
  await expect(refused).rejects.toMatchObject({
    code: 'address_in_use',
    message: expect.stringContaining(`port ${port} (--port)`),
  });
  await new Promise((resolve) => void taken.close(resolve));
});
