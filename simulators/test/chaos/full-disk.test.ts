/** The disk is full for an hour of virtual time, for real: a tmpfs that something else has filled, with SQLite on it. Needs root. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '@fogline/edge-agent/journal/open-journal';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { expect, it, onTestFinished } from 'vitest';
import { canMount, mountDisk } from '../../src/chaos/cli-disk.ts';
import { heal } from '../simulation/schedule.ts';
import { type SimAgent, World } from '../simulation/world.ts';
import { checkDeclared, configFor } from './damage.ts';

const hourS = 3_600;

it.skipIf(!canMount())('what has to go is declared, and the agent recovers by itself', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-full-'));
  const disk = mountDisk(folder, 12);
  onTestFinished(() => {
    disk.unmount();
    rmSync(folder, { recursive: true, force: true });
  });
  const random = new SeededRandom(1);
  const world = new World(1, {
    agents: 1,
    devices: 16,
    // Sketches are large, so that an hour does not fit; the raw stream is in the lowest lane and goes first.
    config: (name) => {
      const config = configFor(random)(name);
      const pipelines = config.pipelines
        .filter(({ lane }) => lane !== 3)
        .map((one) => (one.window === undefined ? one : { ...one, window: { ...one.window, hasSketch: true } }));
      return { ...config, pipelines };
    },
    link: { latencyMaxMs: 50, ghostChance: 0, duplicateChance: 0 },
    openJournal: (agent, clock, faults) =>
      openJournal(join(folder, 'data'), { agent, clock, log: silentLogger, faults, ballastBytes: 2 * 1024 * 1024 }),
  });
  onTestFinished(() => world.close());
  const agent = world.agents[0] as SimAgent;
  const live = (seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      if (agent.core === undefined) agent.start();
      for (let n = 0; n < 4; n++) agent.send();
      world.clock.advance(1_000);
    }
  };
  live(60);
  // No hub in that hour, so nothing leaves but by eviction.
  agent.link.takeDown();
  live(10);
  disk.fill();
  live(hourS);
  expect(agent.failures).toBeGreaterThan(0);
  const full = agent.core?.status();
  disk.empty();
  agent.link.isDown = false;
  live(180);
  heal(world);
  const { sent, lost, declared } = checkDeclared(world, agent);
  expect(sent).toBeGreaterThan(30_000);
  expect(declared).toBeGreaterThan(0);
  expect(lost).toBe(declared);
  expect(full?.isOverloaded).toBe(false);
  // The ballast is back, and with it the configured size.
  expect(agent.failures).toBeLessThan(20);
});
