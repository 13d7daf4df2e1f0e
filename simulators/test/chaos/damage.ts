/**
 * One agent with its database in files; its process is killed, a bit or a few flip or a file comes back shorter, and it is started again,
 * by nothing but starts. In the end nothing is at the hub that was not sent, nothing is there twice, every roll-up says what its readings say, and
 * what was acked and is not there has been declared.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { levels } from '@fogline/cloud-hub/store/levels';
import type { SeriesInfo, StoreRead } from '@fogline/cloud-hub/store/read';
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import { AgentStore } from '@fogline/edge-agent/journal/agent-store';
import { openJournal } from '@fogline/edge-agent/journal/open-journal';
import { Partial } from '@fogline/shared/aggregate/partial';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { CheckFailed } from '../simulation/checks.ts';
import { heal } from '../simulation/schedule.ts';
import { simSource } from '../simulation/sensors.ts';
import { type SimAgent, World } from '../simulation/world.ts';

/** Where it hits: the database, its log, or the high water beside it. */
const targets = ['agent.db', 'agent.db-wal', 'agent.high', 'agent.epochs'] as const;

export interface DamageOutcome {
  readonly target: string;
  readonly what: string;
  readonly sent: number;
  /** Acked and not at the hub. */
  readonly lost: number;
  /** Items of the raw stream's lane that the hub was told are lost. */
  readonly declared: number;
  readonly salvages: number;
  readonly rollbacks: number;
  /** Starts that failed before one succeeded, and ends that the damage caused later. */
  readonly failures: number;
}

const liveLane = 2;

export function configFor(random: SeededRandom): (agent: string) => CoreConfig {
  const commit = random.chance(0.3) ? 'flash' : 'prompt';
  return (agent) => ({
    agent,
    software: 'damage',
    sources: [simSource],
    alarms: [],
    pipelines: [
      { name: 'live', from: simSource, lane: liveLane },
      { name: 'calm', from: simSource, deadband: { thresholds: { temperature: 0.2 }, heartbeatMs: 60_000 }, lane: 3 },
      { name: 'stats', from: simSource, window: { everyMs: 10_000, latenessMs: 2000, hasSketch: false }, lane: 1 },
    ],
    buffer: {
      commit,
      flashBytesPerDay: 64 * 1024 * 1024,
      sizeBytesMax: 2 ** 30,
      ageMsMax: 7 * 86_400_000,
      whenFull: { alarm: 'keep', high: 'drop_oldest', normal: 'drop_oldest', low: 'drop_oldest' },
    },
    uplink: { token: '', window: 8, lingerMs: 500 },
  });
}

/** One agent with its database in `data`, and a hub. */
function worldOn(data: string, random: SeededRandom): World {
  return new World(random.uint32(), {
    agents: 1,
    devices: 1 + random.below(4),
    config: configFor(random),
    link: { latencyMaxMs: 50, ghostChance: 0, duplicateChance: 0.02 },
    openJournal: (agent, clock, faults) => openJournal(data, { agent, clock, log: silentLogger, faults }),
  });
}

/** Throws `CheckFailed`, or what keeps the agent from starting. */
export function runDamage(seed: number): DamageOutcome {
  const random = new SeededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), 'fogline-damage-'));
  const data = join(folder, 'data');
  const world = worldOn(data, random);
  try {
    const agent = world.agents[0] as SimAgent;
    live(world, agent, random);
    const hit = damage(world, agent, random, data, join(folder, 'snapshot'));
    return { ...hit, ...goOn(world, agent) };
  } finally {
    world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Batches are sealed and on their way when the agent goes down; then `spoil` changes its database. */
export function runSpoiled(spoil: (databasePath: string) => void): Omit<DamageOutcome, 'target' | 'what'> {
  const random = new SeededRandom(1);
  const folder = mkdtempSync(join(tmpdir(), 'fogline-spoiled-'));
  const world = worldOn(join(folder, 'data'), random);
  try {
    const agent = world.agents[0] as SimAgent;
    live(world, agent, random);
    if (agent.core === undefined) agent.start();
    agent.link.isDown = false;
    world.clock.advance(120_000);
    agent.link.stall();
    for (let n = 0; n < 20; n++) {
      agent.send();
      world.clock.advance(700);
    }
    // The next start brings what was sealed into tables.
    agent.die();
    agent.start();
    agent.die();
    spoil(join(folder, 'data', 'agent.db'));
    return goOn(world, agent);
  } finally {
    world.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function goOn(world: World, agent: SimAgent): Omit<DamageOutcome, 'target' | 'what'> {
  agent.start();
  for (let step = 0; step < 10; step++) {
    if (agent.core === undefined) agent.start();
    agent.send();
    world.clock.advance(400);
  }
  heal(world);
  return { ...checkDeclared(world, agent), failures: agent.failures };
}

/** A life with some of everything: online, offline with a backlog that is merged, started anew. */
function live(world: World, agent: SimAgent, random: SeededRandom): void {
  const steps = 15 + random.below(40);
  for (let step = 0; step < steps; step++) {
    if (random.chance(0.06)) agent.link.isDown = !agent.link.isDown;
    if (agent.link.isDown) agent.link.cut();
    if (random.chance(0.04)) agent.die();
    if (agent.core === undefined) agent.start();
    for (let n = 1 + random.below(8); n > 0; n--) agent.send();
    world.clock.advance(random.chance(0.1) ? 15_000 : random.below(1_500));
  }
  world.clock.advance(3_000);
}

/** The files as a kill leaves them, then something happens to one of them. */
function damage(
  world: World,
  agent: SimAgent,
  random: SeededRandom,
  data: string,
  snapshot: string,
): { target: string; what: string } {
  mkdirSync(snapshot);
  const files = targets.filter((name) => existsSync(join(data, name)));
  for (const name of files) copyFileSync(join(data, name), join(snapshot, name));
  agent.die();
  world.clock.advance(1);
  for (const name of ['agent.db-wal', 'agent.db-shm']) rmSync(join(data, name), { force: true });
  for (const name of files) copyFileSync(join(snapshot, name), join(data, name));
  const dice = random.unit();
  const wanted = dice < 0.5 ? 'agent.db' : dice < 0.9 ? 'agent.db-wal' : dice < 0.97 ? 'agent.high' : 'agent.epochs';
  const target = files.includes(wanted) && statSync(join(data, wanted)).size > 0 ? wanted : 'agent.db';
  const path = join(data, target);
  const bytes = readFileSync(path);
  if (random.chance(0.25)) {
    const length = random.below(bytes.length);
    truncateSync(path, length);
    return { target, what: `cut from ${bytes.length} to ${length} bytes` };
  }
  const flips = random.chance(0.8) ? 1 : 1 + random.below(16);
  const places: string[] = [];
  for (let n = 0; n < flips; n++) {
    const [at, bit] = [random.below(bytes.length), random.below(8)];
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    places.push(`${at}.${bit}`);
  }
  writeFileSync(path, bytes);
  return { target, what: `flipped ${places.join(' ')} of ${bytes.length} bytes` };
}

/** Throws `CheckFailed` where something was lost in silence, or is at the hub that should not be. */
export function checkDeclared(world: World, agent: SimAgent): Omit<DamageOutcome, 'target' | 'what' | 'failures'> {
  const read = world.hub?.read;
  if (read === undefined || agent.core === undefined) throw new CheckFailed('something is down in the end');
  const quarantined = read.quarantine();
  if (quarantined.length > 0) throw new CheckFailed(`quarantined: ${JSON.stringify(quarantined)}`);
  const held = heldReadings(read);
  let lost = 0;
  for (const { device, time, value, isAcked } of agent.sensors.truth) {
    const key = `${device}|${time}|${value}`;
    const count = held.get(key) ?? 0;
    if (count > 1) throw new CheckFailed(`${key} is at the hub ${count} times`);
    if (count === 0 && isAcked) lost++;
    held.delete(key);
  }
  for (const key of held.keys()) throw new CheckFailed(`${key} was never sent`);
  checkRollups(read);
  const account = accountOf(agent, read);
  const declared = account.declared;
  if (lost > declared) throw new CheckFailed(`${lost} acked readings are lost, ${declared} items are declared`);
  const counters = agent.core.counters();
  return {
    sent: agent.sensors.truth.length,
    lost,
    declared,
    salvages: counters['damage.salvages'] ?? 0,
    rollbacks: counters['damage.rollbacks'] ?? 0,
  };
}

function liveSeries(read: StoreRead): SeriesInfo[] {
  return read.listSeries({}).filter(({ stream }) => stream === 'live');
}

/** How often each reading of the raw stream is at the hub. */
function heldReadings(read: StoreRead): Map<string, number> {
  const held = new Map<string, number>();
  for (const { id, agent, device } of liveSeries(read)) {
    for (const { readings } of read.raw({ agent, series: new Set([id]), fromMs: 0, toMs: 4e12 })) {
      for (let row = 0; row < readings.count; row++) {
        const key = `${device}|${readings.time[row]}|${readings.value[row]}`;
        held.set(key, (held.get(key) ?? 0) + 1);
      }
    }
  }
  return held;
}

function checkRollups(read: StoreRead): void {
  for (const { id, agent, device } of liveSeries(read)) {
    for (const level of levels) {
      const expected = new Map<number, Partial>();
      for (const { readings } of read.raw({ agent, series: new Set([id]), fromMs: 0, toMs: 4e12 })) {
        for (let row = 0; row < readings.count; row++) {
          const time = readings.time[row] ?? 0;
          const start = Math.floor(time / level) * level;
          const partial = expected.get(start) ?? Partial.empty();
          partial.add(time, readings.value[row] ?? 0);
          expected.set(start, partial);
        }
      }
      for (const { startMs, partial } of read.rollups(id, level, 0, Number.MAX_SAFE_INTEGER)) {
        const want = expected.get(startMs);
        if (want === undefined || Buffer.compare(want.encode(), partial) !== 0)
          throw new CheckFailed(`${device}: the roll-up of ${level} ms at ${startMs} is not what its readings say`);
        expected.delete(startMs);
      }
      if (expected.size > 0) throw new CheckFailed(`${device}: ${expected.size} roll-ups of ${level} ms are missing`);
    }
  }
}

/** Items of all lanes: produced = delivered + declared, as the agent and the hub say at the end. */
function accountOf(agent: SimAgent, read: StoreRead): { declared: number } {
  agent.core?.checkpoint();
  let produced = 0;
  for (const line of new AgentStore(agent.db).wholeLedger()) produced += line.produced;
  let delivered = 0;
  let voided = 0;
  let declared = 0;
  for (const line of read.ledger(agent.name)) {
    const items = Object.values(line.voided).reduce((sum, count) => sum + count, 0);
    delivered += line.delivered;
    voided += items;
    if (line.lane === liveLane) declared += items;
  }
  if (produced !== delivered + voided)
    throw new CheckFailed(`${produced} items produced, ${delivered} delivered and ${voided} declared`);
  const queued = agent.core?.status().queuedItems ?? [];
  if (queued.some((items) => items > 0)) throw new CheckFailed(`still queued: ${queued.join(', ')}`);
  return { declared };
}
