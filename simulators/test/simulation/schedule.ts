/**
 * One random schedule from a seed: load, crashes of agent and hub between events and around COMMITs, cuts, stalls, duplicates, ghosts,
 * restores of the hub, changed configurations, small budgets of bytes or age, lanes that must be kept. Then everything heals,
 * drains and is checked.
 */
import type { BufferConfig, CoreConfig, FullPolicy } from '@fogline/edge-agent/core-config';
import { SeededRandom } from '@fogline/shared/random';
import { checkAll } from './checks.ts';
import type { Facts } from './facts.ts';
import { simSource } from './sensors.ts';
import { type SimAgent, World } from './world.ts';

export interface Schedule {
  readonly seed: number;
  readonly steps: number;
  readonly hasLoss: boolean;
}

export interface Outcome {
  readonly readings: number;
  readonly crashes: number;
  readonly hubCrashes: number;
  readonly facts: Facts;
}

/** Bugs that are planted to see whether the checks notice. */
export type Canary = 'delete on send' | 'merge after send' | 'ack before commit';

const drainMs = 600_000;
/** Longer than any window stays open without readings, so that what is in none is out. */
const settleMs = 30_000;

/** A buffer that never loses anything, or one that is too small, too short-lived, or may not lose what it has no room for. */
function bufferFor(random: SeededRandom, hasLoss: boolean): BufferConfig {
  const keepChance = random.chance(0.5) ? 1 : 0.5;
  const policy = (): FullPolicy => (random.chance(keepChance) ? 'keep' : 'drop_oldest');
  const kind = hasLoss ? random.below(3) : undefined;
  return {
    commit: random.chance(0.3) ? 'flash' : 'prompt',
    flashBytesPerDay: 64 * 1024 * 1024,
    // An empty database and what a commit reserves take 352 KiB of it.
    sizeBytesMax: kind === 0 || kind === 1 ? 368 * 1024 + 4096 * random.below(kind === 1 ? 5 : 12) : 1024 ** 3,
    ageMsMax: kind === 2 ? 20_000 + random.below(60_000) : 7 * 86_400_000,
    whenFull: {
      alarm: 'drop_oldest',
      high: kind === 1 ? policy() : 'drop_oldest',
      normal: kind === 1 ? policy() : 'drop_oldest',
      low: kind === 1 ? policy() : 'drop_oldest',
    },
  };
}

function configFor(agent: string, random: SeededRandom, hasLoss: boolean): CoreConfig {
  const buffer = bufferFor(random, hasLoss);
  // Without it, readings alone produce nothing that is sent.
  const hasLive = hasLoss || random.chance(0.85);
  return {
    agent,
    software: 'simulation',
    sources: [simSource],
    pipelines: [
      ...(hasLive ? [{ name: 'live', from: simSource, lane: 2 as const }] : []),
      {
        name: 'calm',
        from: simSource,
        deadband: { thresholds: { temperature: 0.2 }, heartbeatMs: 60_000 },
        lane: random.chance(0.5) ? 2 : 3,
      },
      {
        name: 'stats',
        from: simSource,
        window: { everyMs: 10_000, latenessMs: 2000, hasSketch: random.chance(0.3) },
        lane: 1,
      },
    ],
    alarms: [],
    buffer,
    uplink: { token: '', window: 1 + random.below(16), lingerMs: random.below(3) * 500 },
  };
}

/** Runs one schedule; throws `CheckFailed` with what went wrong. */
export function runSchedule(schedule: Schedule, canary?: Canary): Outcome {
  const random = new SeededRandom(schedule.seed);
  const world = new World(random.uint32(), {
    agents: 1 + random.below(2),
    devices: 1 + random.below(4),
    config: (agent) => configFor(agent, random, schedule.hasLoss),
    link: {
      latencyMaxMs: 1 + random.below(200),
      ghostChance: random.unit() * 0.5,
      duplicateChance: random.unit() * 0.1,
    },
  });
  // A line that is down comes back with the rest, or much later.
  const lineChance = schedule.hasLoss && random.chance(0.6) ? 0.1 : 1;
  try {
    if (canary !== undefined) plant(world, canary);
    let backup: Uint8Array | undefined;
    for (let step = 0; step < schedule.steps; step++) {
      if (random.chance(0.01)) backup = world.backupHub();
      disturb(world, random, backup);
      if (random.chance(0.2)) revive(world, random, lineChance);
      load(world, random);
      world.clock.advance(random.chance(0.1) ? random.below(20_000) : random.below(400));
    }
    heal(world);
    checkAll(world, { isLossAllowed: schedule.hasLoss });
    for (const agent of world.agents) agent.observe();
    return {
      facts: world.facts,
      readings: world.agents.reduce((sum, agent) => sum + agent.sensors.truth.length, 0),
      crashes: world.agents.reduce((sum, agent) => sum + agent.crashes, 0),
      hubCrashes: world.hubCrashes,
    };
  } finally {
    world.close();
  }
}

function load(world: World, random: SeededRandom): void {
  for (const agent of world.agents) {
    const messages = random.chance(0.1) ? random.below(60) : random.below(4);
    for (let n = 0; n < messages; n++) agent.send();
  }
}

function disturb(world: World, random: SeededRandom, backup: Uint8Array | undefined): void {
  const agent = world.agents[random.below(world.agents.length)];
  if (agent === undefined) return;
  const dice = random.unit();
  if (dice < 0.02) agent.crash();
  else if (dice < 0.04) agent.crashPoint.armed = random.chance(0.5) ? 'before' : 'after';
  else if (dice < 0.05) world.crashHub();
  else if (dice < 0.06) world.hubCrashPoint.armed = random.chance(0.5) ? 'before' : 'after';
  else if (dice < 0.09) agent.link.cut();
  else if (dice < 0.1) agent.link.stall();
  else if (dice < 0.12) agent.link.takeDown();
  else if (dice < 0.123 && backup !== undefined) world.restoreHub(backup);
}

function revive(world: World, random: SeededRandom, lineChance: number): void {
  if (!world.isUp) world.startHub();
  for (const agent of world.agents) {
    if (random.chance(lineChance)) agent.link.isDown = false;
    if (agent.core !== undefined) continue;
    if (random.chance(0.1)) {
      agent.config = changed(agent.config, random);
      world.facts.note('configuration changed');
    }
    agent.start();
  }
}

/** Another configuration of the same streams, so that the naive computation still holds. */
function changed(config: CoreConfig, random: SeededRandom): CoreConfig {
  const commit = random.chance(0.5) ? 'flash' : 'prompt';
  const pipelines = config.pipelines.map((pipeline) =>
    pipeline.window === undefined
      ? pipeline
      : { ...pipeline, window: { ...pipeline.window, latenessMs: 1000 * random.below(10) } },
  );
  return { ...config, pipelines, buffer: { ...config.buffer, commit } };
}

/** Ends every fault and waits until all is at the hub. */
export function heal(world: World): void {
  world.hubCrashPoint.armed = undefined;
  for (const agent of world.agents) {
    agent.crashPoint.armed = undefined;
    agent.link.isDown = false;
  }
  if (!world.isUp) world.startHub();
  for (const agent of world.agents) if (agent.core === undefined) agent.start();
  const step = 1000;
  for (let waited = 0; waited < drainMs; waited += step) {
    world.clock.advance(step);
    if (waited > settleMs && world.agents.every((agent) => isDrained(agent))) break;
  }
  for (const agent of world.agents) agent.core?.checkpoint();
}

function isDrained(agent: SimAgent): boolean {
  const status = agent.core?.status();
  return (
    status !== undefined &&
    status.isConnected &&
    agent.sensors.waiting === 0 &&
    status.queuedItems.every((items) => items === 0)
  );
}

function plant(world: World, canary: Canary): void {
  for (const agent of world.agents) {
    switch (canary) {
      case 'ack before commit':
        agent.afterSubmit = (tokens) => agent.sensors.release(tokens);
        break;
      case 'delete on send':
        agent.link.onPublish = (kind) => {
          if (kind === 'batch')
            sabotage(world, agent, 'DELETE FROM rows WHERE batch IS NOT NULL; DELETE FROM batches;');
        };
        break;
      case 'merge after send':
        agent.link.onPublish = (kind) => {
          if (kind === 'hello') {
            sabotage(
              world,
              agent,
              'UPDATE rows SET batch = NULL WHERE batch IN (SELECT id FROM batches WHERE acked = 0); DELETE FROM batches WHERE acked = 0;',
            );
          }
        };
        break;
    }
  }
}

/** Changes an agent's database behind its back, outside any transaction of its own. */
function sabotage(world: World, agent: SimAgent, sql: string): void {
  world.clock.after('canary', 0, () => agent.db.exec(sql));
}
