/**
 * A hub's database with flipped bits or a missing end, while agents still hold everything: whatever it lost comes again, and in the end every
 * roll-up is, byte for byte, that of an undisturbed run.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSoundFolder } from '@fogline/cloud-hub/data-folder';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { damageDatabase } from '../../src/chaos/flip.ts';
import { checkAll } from '../simulation/checks.ts';
import { heal } from '../simulation/schedule.ts';
import { World } from '../simulation/world.ts';
import { configFor } from './damage.ts';

export interface HubDamageOutcome {
  readonly what: string;
  readonly readings: number;
  /** Events that tell of a salvage. */
  readonly salvages: number;
  /** Blocks and batches that the upkeep had made before. */
  readonly packed: number;
  readonly merged: number;
}

/** Throws `CheckFailed`, or what keeps the hub from starting. */
export function runHubDamage(seed: number): HubDamageOutcome {
  const random = new SeededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), 'fogline-hub-damage-'));
  const world = new World(random.uint32(), {
    agents: 1 + random.below(2),
    devices: 1 + random.below(6),
    config: configFor(random),
    link: { latencyMaxMs: 50, ghostChance: 0, duplicateChance: 0.02 },
  });
  try {
    live(world, random, 10 + random.below(60));
    if (random.chance(0.5)) {
      // Then some of it is packed and merged, and the rest is not.
      world.clock.advance(30 * 3_600_000);
      while (world.hub?.upkeep() === true);
      live(world, random, 10);
    }
    const bytes = world.backupHub();
    const { blocksPacked: packed = 0, batchesMerged: merged = 0 } = world.hub?.read.counters() ?? {};
    const path = join(folder, 'hub.db');
    let what = '';
    world.replaceHub(() => {
      writeFileSync(path, bytes);
      openSoundFolder(folder, silentLogger, world.clock.now()).db.close();
      what = damageDatabase(path, random);
      return openSoundFolder(folder, silentLogger, world.clock.now()).db;
    });
    live(world, random, 5);
    heal(world);
    checkAll(world, { isLossAllowed: false });
    const events = world.hub?.read.events() ?? [];
    return {
      what,
      readings: world.agents.reduce((sum, agent) => sum + agent.sensors.truth.length, 0),
      salvages: events.filter(({ kind }) => kind === 'hub_damaged').length,
      packed,
      merged,
    };
  } finally {
    world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function live(world: World, random: SeededRandom, steps: number): void {
  for (let step = 0; step < steps; step++) {
    for (const agent of world.agents) {
      if (random.chance(0.03)) agent.crash();
      if (agent.core === undefined) agent.start();
      for (let n = 1 + random.below(6); n > 0; n--) agent.send();
    }
    // Long enough at times for a fold, so that derived tables are hit too.
    world.clock.advance(random.chance(0.1) ? 35_000 : random.below(1_500));
  }
  world.clock.advance(3_000);
}
