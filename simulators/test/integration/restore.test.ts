/** P3: an ack is not a delete. A hub that is put back to yesterday's backup is healed by its agents. */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fleetParse, startFleet } from '../support/fleet.ts';
import { countAtHub } from '../support/hub-count.ts';
import { freePort, loopback } from '../support/ports.ts';
import { openStage, type Stage } from '../support/stage.ts';
import { openSystem, type System } from '../support/system.ts';
import { verify } from '../support/verdict.ts';

const pipelines = `
  live: { from: climate }
  stats: { from: climate, window: { every: 10s, compute: [mean, p95] }, send: { priority: high } }`;

/** Waits until the hub counts so many readings more than it did. */
async function moreAtHub(stage: Stage, { hubUrl }: System, more: number): Promise<void> {
  const now = Date.now();
  const count = (): Promise<number> => countAtHub(hubUrl, 'live', [now - 86_400_000, now + 86_400_000]);
  const before = await count();
  await stage.until(`${more} readings more at the hub`, 60_000, async () => (await count()) >= before + more);
}

/** As an operator would: the database and what belongs to it make way for the backup. */
function restore(folder: string, backup: string): void {
  for (const name of ['hub.db', 'hub.db-wal', 'hub.db-shm']) rmSync(join(folder, name), { force: true });
  copyFileSync(backup, join(folder, 'hub.db'));
}

/** A hub of its own on a copy of the backup, which no agent knows. */
async function hubOnBackup(stage: Stage, backup: string): Promise<string> {
  const folder = stage.path('unhealed');
  const [http, mqtt] = [await freePort(), await freePort()].map((port) => `${loopback}:${port}`);
  const enrolled = await stage.run('hub', ['agent', 'add', 'nobody', '--data', folder]);
  expect(enrolled.code).toBe(0);
  restore(folder, backup);
  await stage
    .program('hub', 'unhealed', ['run', '--data', folder, '--http', `${http}`, '--mqtt', `${mqtt}`], 'ready ')
    .start();
  return `http://${http}`;
}

it('a hub restored from an earlier backup is complete again without a hand, over two epochs of the agent', {
  timeout: 240_000,
}, async () => {
  const stage = openStage('restore');
  const system = await openSystem(stage, { parse: fleetParse, pipelines });
  const { agent, hub, hubUrl, hubFolder } = system;
  const [truth, backup] = [stage.path('fleet.truth'), stage.path('hub.backup')];
  const fleet = startFleet(stage, system, { devices: 20, seed: 1, truth });
  await moreAtHub(stage, system, 1_000);
  const backedUp = await stage.run('hub', ['backup', backup, '--data', hubFolder]);
  expect(backedUp.code, backedUp.error).toBe(0);
  await moreAtHub(stage, system, 1_000);
  // The backup does not even know the epoch that begins here.
  await agent.kill();
  await agent.start();
  await moreAtHub(stage, system, 1_000);

  await hub.stop();
  restore(hubFolder, backup);
  await hub.start();
  await fleet.stop(1);
  for (const stream of ['live', 'stats']) {
    const { findings, summary } = await verify(stage, { truth: [truth], hubUrl, stream, waitMs: 90_000 });
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({ isClean: true, lost: 0, duplicated: 0 });
    expect(summary.acked).toBeGreaterThan(3_000);
  }
  expect((await stage.run('hub', ['quarantine', 'list', '--data', hubFolder])).out).toBe('');

  // What nobody healed is not clean, so there was something to heal and the verdict sees it.
  const unhealed = await verify(stage, {
    truth: [truth],
    hubUrl: await hubOnBackup(stage, backup),
    stream: 'live',
    waitMs: 0,
  });
  expect(unhealed.exitCode).toBe(1);
  expect(unhealed.summary.lost).toBeGreaterThan(1_999);
});
