/**
 * A real agent that is alone until its buffer is full and it thins; then the hub comes back over a line that is cut inside one packet after
 * another. The oldest of what was thinned the hub holds already, as readings: the agent's disk was put back to an earlier copy. Then the hub is
 * put back as well, and everything goes again. Each time every item has one place in the ledger, and every bucket equals a computation over the truth.
 */
import { copyFileSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ledgerTotals } from '../support/ledger.ts';
import { loopback } from '../support/ports.ts';
import { openStage, type Stage } from '../support/stage.ts';
import { agentStatus, openSystem, type System } from '../support/system.ts';
import { verify } from '../support/verdict.ts';

const [devices, metricsEach] = [8, 10];
const metrics = Array.from({ length: metricsEach }, (_, n) => `m${n}`);
const parse = `{ json: { ${metrics.map((metric) => `${metric}: {}`).join(', ')} }, time: { field: ts, unit: ms } }`;
const pipelines = `
  live: { from: climate }
  stats: { from: climate, window: { every: 10s, compute: [mean] }, send: { priority: high } }
  seconds: { from: climate, throttle: 1s, send: { priority: low } }`;
/** The smallest there is. What is of low priority is dropped before anything is thinned. */
const buffer = 'commit: prompt, limit: { size: 8MiB }, when_full: { low: drop_oldest, normal: thin_to_1m, high: keep }';
const high = 1;

/** So much the hub has as readings before the agent's disk is put back: minutes and a half, so that one minute is in both forms. */
const heldSeconds = 90;
const thinnedLeast = 150_000;
const cutsInReturn = 3;

/** Ten times a second, values that fill a float64. */
function fleetArgs(stage: Stage, { mqttPort }: System, truth: string): string[] {
  const file = stage.path('fleet.yaml');
  const values = metrics.map((metric) => `${metric}: { base: 0, noise: 150000000, decimals: 6 }`).join(', ');
  const pump = `count: ${devices}, topic: "sensors/{device}/climate", interval: 100ms, metrics: { ${values} }`;
  writeFileSync(file, `version: 1\nspeed: 0\ndevices: { pump: { ${pump} } }\n`);
  const mqtt = `mqtt://${loopback}:${mqttPort}`;
  return ['fleet', file, '--mqtt', mqtt, '--connections', `${devices}`, '--inflight', '100', '--truth', truth];
}

/** Items of normal priority that minutes stand for, by the agent's own account. */
async function thinnedItems(stage: Stage, { agentConfig }: System): Promise<number> {
  const { out } = await stage.run('agent', ['status', '--config', agentConfig]);
  return Number(/normal .*minutes so far: (\d+)/.exec(out)?.[1] ?? 0);
}

async function drained(stage: Stage, system: System): Promise<void> {
  await stage.until('nothing is queued', 240_000, async () =>
    (await agentStatus(system)).queuedItems.every((items) => items === 0),
  );
}

/** What a power cut and a disk of yesterday leave; `copy` holds a folder as it was. */
function putBack(folder: string, copy: string): void {
  rmSync(folder, { recursive: true });
  cpSync(copy, folder, { recursive: true });
}

/** Of the stream that was thinned, and of the one that was kept. Returns how many readings of it minutes stand for. */
async function expectExact(stage: Stage, { hubUrl, hubFolder }: System, truth: string): Promise<number> {
  const exact = { isClean: true, lost: 0, duplicated: 0, declared: 0, undecidedBuckets: 0 };
  const live = await verify(stage, { truth: [truth], hubUrl, stream: 'live', waitMs: 0 });
  expect(live.findings).toEqual([]);
  expect(live.summary).toMatchObject({ ...exact, atHub: live.summary.acked - live.summary.thinned });
  const stats = await verify(stage, { truth: [truth], hubUrl, stream: 'stats', waitMs: 0 });
  expect(stats.findings).toEqual([]);
  expect(stats.summary).toMatchObject({ ...exact, thinned: 0 });
  const totals = await stage.until('the ledger has a place for every item', 60_000, async () => {
    const found = await ledgerTotals(hubUrl);
    return found.unaccounted === 0 ? found : undefined;
  });
  const { produced, delivered, thinned, evicted } = totals;
  expect(totals).toMatchObject({ queued: 0, gone: 0, damaged: 0, quarantined: 0, thinned: live.summary.thinned });
  expect(delivered + thinned + evicted).toBe(produced);
  expect(evicted).toBeGreaterThan(0);
  expect((await stage.run('hub', ['quarantine', 'list', '--data', hubFolder])).out).toBe('');
  return thinned;
}

it('what was thinned in a full buffer is exact from a minute up and counts once, over cuts, a disk and a hub that are put back', {
  timeout: 900_000,
}, async () => {
  const stage = openStage('thinned');
  const system = await openSystem(stage, { parse, pipelines, buffer });
  const { agent, hub, hubFolder, link } = system;
  const [truth, folder] = [stage.path('truth'), stage.path('agent')];
  const [copy, backup] = [stage.path('agent.copy'), stage.path('hub.backup')];
  const args = fleetArgs(stage, system, truth);
  await hub.kill();
  const held = ['--start', '2026-06-01T06:00:00Z', '--duration', `${heldSeconds}s`];
  expect((await stage.run('sim', [...args, ...held])).code).toBe(0);
  const windows = (devices * metricsEach * heldSeconds) / 10;
  // What is still open would be closed twice: before and after the disk is put back.
  await stage.until(
    'all windows are closed',
    60_000,
    async () => (await agentStatus(system)).queuedItems[high] === windows,
  );
  cpSync(folder, copy, { recursive: true });
  await hub.start();
  await drained(stage, system);
  expect((await stage.run('hub', ['backup', backup, '--data', hubFolder])).code).toBe(0);
  await agent.kill();
  await hub.kill();
  putBack(folder, copy);

  await agent.start();
  const fleet = stage.program('sim', 'fleet', [...args, '--start', '2026-06-01T06:01:30Z']);
  fleet.launch();
  await stage.until('the agent thinned', 240_000, async () => (await thinnedItems(stage, system)) > thinnedLeast);
  await fleet.stop(1);
  const thinnedAtAgent = await thinnedItems(stage, system);

  await hub.start();
  for (let cuts = 1; cuts <= cutsInReturn; cuts++) {
    // The first of a session is its hello.
    link.cutInside('up', { packet: 'publish', nth: 3, bytes: undefined, mode: 'rst' });
    await stage.until(`the line was cut ${cuts} times`, 120_000, () => link.stats().cut >= cuts);
  }
  await drained(stage, system);
  const thinned = await expectExact(stage, system, truth);
  // The hub had the rest of these as readings.
  const heldItems = devices * metricsEach * 10 * heldSeconds;
  expect([thinned, thinnedAtAgent]).toEqual([thinnedAtAgent - heldItems, thinnedAtAgent]);

  await hub.stop();
  for (const name of ['hub.db', 'hub.db-wal', 'hub.db-shm']) rmSync(join(hubFolder, name), { force: true });
  copyFileSync(backup, join(hubFolder, 'hub.db'));
  await hub.start();
  await drained(stage, system);
  expect(await expectExact(stage, system, truth)).toBe(thinned);
});
