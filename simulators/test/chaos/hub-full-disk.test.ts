/** The hub's disk is full, for real: a tmpfs that something else has filled, with agents that go on sending. Needs root. */

import { mkdirSync } from 'node:fs';
import { defaultAlarms } from '@fogline/cloud-hub/alarms/alarm-config';
import { type Hub, type HubOptions, openHub } from '@fogline/cloud-hub/hub';
import { keptForEver } from '@fogline/cloud-hub/store/retention';
import { type Clock, systemClock } from '@fogline/shared/clock';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom, systemRandom } from '@fogline/shared/random';
import { expect, it } from 'vitest';
import { Crowd } from '../../src/agents/crowd.ts';
import { canMount, mountDisk, type SmallDisk } from '../../src/chaos/cli-disk.ts';
import { countAtHub } from '../support/hub-count.ts';
import { loopback } from '../support/ports.ts';
import { openStage, type Stage } from '../support/stage.ts';

const mebibyte = 1024 * 1024;
const room = { ballastBytes: 4 * mebibyte, reserveBytes: 6 * mebibyte, resumeBytes: 8 * mebibyte };
const patienceMs = 60_000;

/** Looks for room and comes again at once. */
const clock: Clock = {
  ...systemClock,
  after: (name, delayMs, fire) =>
    systemClock.after(name, ['hub.room', 'uplink.reconnect'].includes(name) ? Math.min(delayMs, 50) : delayMs, fire),
};

interface Scene {
  readonly stage: Stage;
  readonly disk: SmallDisk;
  readonly crowd: Crowd;
  hub: Hub;
  /** Another process on the same data and port. */
  reopen(options: HubOptions): Promise<void>;
}

async function open(options: HubOptions): Promise<Scene> {
  const stage = openStage('hub-full');
  const disk = mountDisk(stage.path('hub'), 32);
  stage.onClose(() => disk.unmount());
  const openOn = (port: number, how: HubOptions): Promise<Hub> =>
    openHub(
      {
        dataFolder: disk.folder,
        http: { host: loopback, port: 0 },
        mqtt: { host: loopback, port },
        retention: keptForEver,
        alarms: defaultAlarms,
      },
      { clock, random: systemRandom, log: silentLogger },
      how,
    );
  let hub = await openOn(0, options);
  stage.onClose(() => hub.close());
  const { mqttPort } = hub;
  const tokens = new Map(['a', 'b', 'c'].map((name) => [name, hub.agents.create(name)]));
  mkdirSync(stage.path('crowd'));
  const crowd = new Crowd({
    tokens,
    hub: { host: loopback, port: mqttPort },
    folder: stage.path('crowd'),
    intervalMs: 20,
    clock,
    random: new SeededRandom(1),
    log: silentLogger,
    onFatal: (agent, error) => expect.fail(`${agent}: ${String(error)}`),
  });
  stage.onClose(() => crowd.stop());
  const scene: Scene = {
    stage,
    disk,
    crowd,
    get hub() {
      return hub;
    },
    async reopen(how) {
      await hub.close();
      hub = await openOn(mqttPort, how);
    },
  };
  await stage.until('all are connected and acked', patienceMs, () => {
    const { connected, acked } = crowd.status();
    return connected === 3 && acked > 20;
  });
  return scene;
}

async function readiness({ hub }: Scene): Promise<string> {
  const response = await fetch(`${hub.httpUrl}/readyz`);
  return `${response.status} ${await response.text()}`;
}

/** Nothing is acked, and agents go on: what they have in hand grows. */
async function expectWithheld(scene: Scene): Promise<void> {
  const { stage, crowd } = scene;
  await stage.until('the hub says so', patienceMs, async () => (await readiness(scene)).startsWith('503'));
  expect(await readiness(scene)).toContain('the disk is full: nothing is acked');
  const before = await itemsApplied(scene);
  const { acked } = crowd.status();
  await stage.until('agents go on without', patienceMs, () => crowd.status().acked > acked + 100);
  expect(await itemsApplied(scene)).toBe(before);
  expect(crowd.status().queued).toBeGreaterThan(100);
}

async function itemsApplied({ hub }: Scene): Promise<string | undefined> {
  const text = await (await fetch(`${hub.httpUrl}/metrics`)).text();
  expect(text).toContain('fogline_hub_disk_is_full 1');
  return /hub_ingest_total\{kind="itemsApplied"\} (\d+)/.exec(text)?.[1];
}

async function expectNoLoss(scene: Scene): Promise<void> {
  const { stage, crowd, hub } = scene;
  await stage.until('the hub is ready', patienceMs, async () => (await readiness(scene)).startsWith('200'));
  crowd.rest();
  const now = Date.now();
  const atHub = () => countAtHub(hub.httpUrl, 'live', [now - 86_400_000, now + 86_400_000]);
  await stage.until('everything is there', patienceMs, async () => (await atHub()) >= crowd.status().acked);
  expect(await atHub()).toBe(crowd.status().acked);
}

it.skipIf(!canMount())(
  'nothing is acked, a restart changes nothing, and with room it goes on by itself without loss',
  { timeout: 200_000 },
  async () => {
    const scene = await open({ room });
    scene.disk.fill();
    await expectWithheld(scene);
    // What makes room needs some itself.
    scene.hub.agents.create('later');
    await scene.reopen({ room });
    await expectWithheld(scene);
    scene.disk.empty();
    await expectNoLoss(scene);
  },
);

it.skipIf(!canMount())(
  'a commit that finds the disk full ends the hub; the next waits for room',
  { timeout: 200_000 },
  async () => {
    const scene = await open({ room: { ...room, reserveBytes: 0 } });
    scene.disk.fill();
    await expect(scene.hub.failed).rejects.toThrow('full');
    await scene.reopen({ room });
    await expectWithheld(scene);
    scene.disk.empty();
    await expectNoLoss(scene);
  },
);
