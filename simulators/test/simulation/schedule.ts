/**
 * One random schedule from a seed: load, crashes of agent and hub between events and around COMMITs, cuts, stalls, duplicates, ghosts,
 * restores of the hub, changed configurations, small budgets of bytes or age, lanes that must be kept. Then everything heals,
 * drains and is checked.
 */
import type { BufferConfig, CoreConfig, FullPolicy } from '@fogline/edge-agent/core-config';
import { SeededRandom } from '@fogline/shared/random';
import { checkAll } from './checks.ts';
import type { BufferKind, Facts } from './facts.ts';
import { type Canary, plant } from './plant.ts';
import { simSource } from './sensors.ts';
import { type SimAgent, World } from './world.ts';

export interface Schedule {
  readonly seed: number;
  readonly steps: number;
  readonly buffer: BufferKind;
}

export interface Outcome {
  readonly readings: number;
  readonly crashes: number;
  readonly hubCrashes: number;
  readonly facts: Facts;
}

const drainMs = 600_000;
/** Ghosts of cut connections still come in this time; windows that are open then are waited for. */
const settleMs = 30_000;

const keptFreeBytes = 1024 * 1024;
/** An empty database and what a commit reserves take 352 KiB of it. */
const sizeBytesLeast = 368 * 1024;

/** The same with messages of many readings, as thinning needs them. */
const sizeBytesWithMany = sizeBytesLeast + 32 * 1024;

/** Lanes that are thinned when there is no room, in a buffer that is too small or on a disk that is needed for other things. */
function thinningBuffer(random: SeededRandom): BufferConfig {
  const policy = (): FullPolicy => (random.chance(0.85) ? 'thin_to_1m' : 'drop_oldest');
  const hasDisk = random.chance(0.4);
  return {
    commit: random.chance(0.3) ? 'flash' : 'prompt',
    flashBytesPerDay: 64 * 1024 * 1024,
    sizeBytesMax: hasDisk ? 1024 ** 3 : sizeBytesWithMany + 4096 * random.below(12),
    ageMsMax: 7 * 86_400_000,
    ...(hasDisk ? { keepFree: { bytes: keptFreeBytes, sizeBytesMin: sizeBytesWithMany } } : {}),
    whenFull: { alarm: 'drop_oldest', high: policy(), normal: policy(), low: policy() },
  };
}

/** A buffer that never loses anything, or one that is too small, too short-lived, or may not lose what it has no room for. */
function bufferFor(random: SeededRandom, kindOfBuffer: BufferKind): BufferConfig {
  if (kindOfBuffer === 'thinning') return thinningBuffer(random);
  const hasLoss = kindOfBuffer === 'small';
  const keepChance = random.chance(0.5) ? 1 : 0.5;
  const policy = (): FullPolicy => (random.chance(keepChance) ? 'keep' : 'drop_oldest');
  const kind = hasLoss ? random.below(3) : undefined;
  return {
    commit: random.chance(0.3) ? 'flash' : 'prompt',
    flashBytesPerDay: 64 * 1024 * 1024,
    sizeBytesMax: kind === 0 || kind === 1 ? sizeBytesLeast + 4096 * random.below(kind === 1 ? 5 : 12) : 1024 ** 3,
    ageMsMax: kind === 2 ? 20_000 + random.below(60_000) : 7 * 86_400_000,
    whenFull: {
      alarm: 'drop_oldest',
      high: kind === 1 ? policy() : 'drop_oldest',
      normal: kind === 1 ? policy() : 'drop_oldest',
      low: kind === 1 ? policy() : 'drop_oldest',
    },
  };
}

function configFor(agent: string, random: SeededRandom, kind: BufferKind): CoreConfig {
  const buffer = bufferFor(random, kind);
  // Without it, readings alone produce nothing that is sent.
  const hasLive = kind !== 'ample' || random.chance(0.85);
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
    readingsMax: schedule.buffer === 'thinning' ? 30 : 6,
    config: (agent) => configFor(agent, random, schedule.buffer),
    link: {
      latencyMaxMs: 1 + random.below(200),
      ghostChance: random.unit() * 0.5,
      duplicateChance: random.unit() * 0.1,
    },
  });
  // A line that is down comes back with the rest, or much later.
  const lineChance = { ample: 1, small: random.chance(0.6) ? 0.1 : 1, thinning: 0.04 }[schedule.buffer];
  if (schedule.buffer === 'thinning') for (const agent of world.agents) if (random.chance(0.6)) agent.link.takeDown();
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
    const before = schedule.buffer === 'thinning' && random.chance(0.3) ? world.backupHub() : undefined;
    heal(world);
    if (before !== undefined) {
      // What was delivered as minutes goes again.
      world.restoreHub(before);
      heal(world);
    }
    for (const agent of world.agents) agent.observe();
    checkAll(world, { isLossAllowed: schedule.buffer !== 'ample' });
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
  else if (dice < 0.2 && agent.config.buffer.keepFree !== undefined) fillDisk(world, agent, random);
}

/** Others take more of the disk, or less. */
function fillDisk(world: World, agent: SimAgent, random: SeededRandom): void {
  agent.diskBytes = keptFreeBytes + sizeBytesWithMany - 32_768 + 4096 * random.below(24);
  if (agent.diskBytes < keptFreeBytes + sizeBytesWithMany) world.facts.note('disk short');
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
    agent.core?.dueAt === undefined &&
    agent.sensors.waiting === 0 &&
    status.queuedItems.every((items) => items === 0)
  );
}
