/**
 * What must hold after a schedule has ended, every fault has healed and everything has drained. Each check reads what the system
 * itself keeps and compares it with something computed another way: the sensors' truth, or the agent's journal.
 */

import { levels } from '@fogline/cloud-hub/store/levels';
import type { StoreRead } from '@fogline/cloud-hub/store/read';
import { AgentStore } from '@fogline/edge-agent/journal/agent-store';
import { decodeCommit } from '@fogline/edge-agent/journal/commit-record';
import { DurableSeries } from '@fogline/edge-agent/journal/series-registry';
import { Pipeline } from '@fogline/edge-agent/pipeline/pipeline';
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeReadings } from '@fogline/shared/codec/readings';
import { lanes } from '@fogline/shared/protocol/limits';
import type { ReadingColumns } from '@fogline/shared/reading';
import type { SimAgent, World } from './world.ts';

export class CheckFailed extends Error {}

function expectEqual(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new CheckFailed(`${what}: found ${a?.slice(0, 400)}, expected ${b?.slice(0, 400)}`);
}

interface JournalReading {
  readonly device: string;
  readonly time: number;
  readonly value: number;
}

interface JournalStep {
  readonly now: number;
  readonly inputs: readonly { source: string; columns: ReadingColumns }[];
}

/** The whole log of an agent, also what its database no longer has. */
function journalOf(agent: SimAgent): { steps: JournalStep[]; readings: JournalReading[]; series: DurableSeries } {
  const store = new AgentStore(agent.db);
  const series = new DurableSeries();
  for (const packed of store.series()) series.load(packed);
  const steps: JournalStep[] = [];
  const readings: JournalReading[] = [];
  agent.noteCommits();
  for (const { id, body } of agent.commits) {
    const record = decodeCommit(body, id);
    const inputs = record.inputs.map(({ source, bytes }) => ({ source, columns: decodeReadings(bytes) }));
    for (const { columns } of inputs) {
      for (let row = 0; row < columns.count; row++) {
        const { device } = series.definitionOf(columns.series[row] ?? 0);
        readings.push({ device, time: columns.time[row] ?? 0, value: columns.value[row] ?? 0 });
      }
    }
    steps.push({ now: record.now, inputs });
  }
  return { steps, readings, series };
}

const keyOf = (reading: JournalReading): string => `${reading.device}|${reading.time}|${reading.value}`;

/** P1: what was acked is in the journal once, what was sent and not acked at most once, and nothing else is there. */
function checkSensorsToJournal(agent: SimAgent): void {
  const counts = new Map<string, number>();
  for (const reading of journalOf(agent).readings) counts.set(keyOf(reading), (counts.get(keyOf(reading)) ?? 0) + 1);
  const sent = new Map<string, boolean>();
  for (const reading of agent.sensors.truth)
    sent.set(keyOf(reading), reading.isAcked || sent.get(keyOf(reading)) === true);
  for (const [key, isAcked] of sent) {
    const count = counts.get(key) ?? 0;
    if (count > 1 || (isAcked && count !== 1))
      throw new CheckFailed(`${agent.name}: reading ${key} (acked: ${isAcked}) is in the journal ${count} times`);
  }
  for (const key of counts.keys())
    if (!sent.has(key)) throw new CheckFailed(`${agent.name}: reading ${key} was never sent`);
}

/**
 * P2: the hub's roll-ups of every stream and level equal, byte for byte, those of an undisturbed run over the same journal; where it was thinned,
 * from a minute up. Where something was given up a bucket may hold less, and never more.
 */
function checkRollups(world: World, agent: SimAgent, read: StoreRead): void {
  const expected = undisturbed(agent);
  const found = new Map<string, Uint8Array>();
  const isThinned = read.ledger(agent.name).some(({ thinned }) => thinned > 0);
  const isWhole = read.voids(agent.name).length === 0;
  if (isThinned && isWhole) world.facts.note('nothing lost, though thinned');
  for (const series of read.listSeries({ agent: agent.name })) {
    for (const level of levels) {
      for (const row of read.rollups(series.id, level, 0, Number.MAX_SAFE_INTEGER)) {
        found.set(`${series.stream}|${series.device}|${level}|${row.startMs}`, row.partial);
      }
    }
  }
  for (const [key, partial] of expected) {
    const bytes = found.get(key);
    if (!isWhole || (isThinned && key.includes(`|${levels[0]}|`))) {
      if (bytes !== undefined && Partial.decode(bytes).count > partial.count)
        throw new CheckFailed(`${agent.name}: roll-up ${key} holds more than was produced`);
      continue;
    }
    if (bytes === undefined) throw new CheckFailed(`${agent.name}: roll-up ${key} is missing`);
    if (Buffer.compare(bytes, partial.encode()) !== 0) throw new CheckFailed(`${agent.name}: roll-up ${key} differs`);
  }
  for (const key of found.keys())
    if (!expected.has(key)) throw new CheckFailed(`${agent.name}: roll-up ${key} should not exist`);
}

/** What is in the roll-ups of the streams of readings of one lane is what of it was delivered or thinned. */
function checkCounts(agent: SimAgent, read: StoreRead): void {
  for (const [lane, name] of lanes.entries()) {
    const streams = agent.config.pipelines.filter((pipeline) => pipeline.lane === lane);
    if (streams.length === 0 || streams.some(({ window }) => window !== undefined)) continue;
    const names = new Set(streams.map(({ name: stream }) => stream));
    let held = 0;
    for (const { id, stream } of read.listSeries({ agent: agent.name }))
      if (names.has(stream))
        for (const { partial } of read.rollups(id, 86_400_000, 0, Number.MAX_SAFE_INTEGER))
          held += Partial.decode(partial).count;
    const lines = read.ledger(agent.name).filter((line) => line.lane === lane);
    const arrived = lines.reduce((sum, { delivered, thinned }) => sum + delivered + thinned, 0);
    expectEqual(held, arrived, `${agent.name}: readings in the roll-ups of lane ${name} against what arrived`);
  }
}

function undisturbed(agent: SimAgent): Map<string, Partial> {
  const { steps, series } = journalOf(agent);
  const out = new Map<string, Partial>();
  const add = (
    stream: string,
    device: string,
    time: number,
    hasSketch: boolean,
    apply: (partial: Partial) => void,
  ): void => {
    for (const level of levels) {
      const key = `${stream}|${device}|${level}|${Math.floor(time / level) * level}`;
      let partial = out.get(key);
      if (partial === undefined) out.set(key, (partial = Partial.empty({ sketch: hasSketch })));
      apply(partial);
    }
  };
  for (const config of agent.config.pipelines) {
    const through = config.deadband === undefined ? undefined : new Pipeline([config], series);
    for (const step of steps) {
      for (const { source, columns } of step.inputs) {
        const passed = through === undefined ? columns : deadbanded(through, source, columns, step.now);
        for (let row = 0; row < passed.count; row++) {
          const { device } = series.definitionOf(passed.series[row] ?? 0);
          const time = passed.time[row] ?? 0;
          const hasSketch = config.window?.hasSketch ?? false;
          add(config.name, device, time, hasSketch, (partial) => partial.add(time, passed.value[row] ?? 0));
        }
      }
    }
  }
  return out;
}

function deadbanded(pipeline: Pipeline, source: string, columns: ReadingColumns, now: number): ReadingColumns {
  const [items] = pipeline.process(source, columns, now);
  return items?.kind === 'readings' ? items.columns : { ...columns, count: 0 };
}

/** P4: per lane and event hour, everything produced is delivered or declared; nothing is queued any more. */
function checkLedger(world: World, agent: SimAgent, read: StoreRead): void {
  const hub = new Map(read.ledger(agent.name).map((line) => [`${line.lane}:${line.hour}`, line]));
  const store = new AgentStore(agent.db);
  const totals = lanes.map(() => ({ produced: 0, accounted: 0 }));
  let gone = 0;
  // Of what was merely found to be gone nobody knows the hours.
  const isByHour = ![...hub.keys()].some((key) => key.endsWith(':-1'));
  const ledger = store.wholeLedger();
  const hasEvicted = ledger.some(({ evicted }) => evicted > 0);
  for (const { lane, hour, produced, evicted } of ledger) {
    const line = hub.get(`${lane}:${hour}`);
    const delivered = (line?.delivered ?? 0) + (line?.thinned ?? 0);
    const declared = (line?.voided.evicted_size ?? 0) + (line?.voided.evicted_age ?? 0);
    const quarantined = line?.quarantined ?? 0;
    expectEqual(quarantined, 0, `${agent.name}: quarantined items of lane ${lane}, hour ${hour}`);
    // What was given up while the hub already held it is delivered: data beats void.
    if (declared > evicted)
      throw new CheckFailed(`${agent.name}: lane ${lane}, hour ${hour}: ${declared} declared, only ${evicted} evicted`);
    const keeps = agent.config.buffer.whenFull[lanes[lane]] === 'keep';
    if (keeps && evicted > 0)
      throw new CheckFailed(`${agent.name}: ${evicted} items of a lane that keeps were evicted`);
    if (keeps && produced > 0 && hasEvicted) world.facts.note('lane kept while another was evicted');
    if (isByHour)
      expectEqual(delivered + declared, produced, `${agent.name}: the account of lane ${lane}, hour ${hour}`);
    const total = totals[lane];
    if (total !== undefined) {
      total.produced += produced;
      total.accounted += delivered + declared;
    }
  }
  for (const [key, line] of hub) if (key.endsWith(':-1')) gone += line.voided.gone;
  const produced = totals.reduce((sum, total) => sum + total.produced, 0);
  const accounted = totals.reduce((sum, total) => sum + total.accounted, 0);
  expectEqual(accounted + gone, produced, `${agent.name}: delivered + declared against produced`);
}

/** Every held range is whole: the hub misses nothing that any epoch of the agent produced. */
function checkNothingMissing(agent: SimAgent): void {
  const store = new AgentStore(agent.db);
  const queued = [...store.queuedRows()];
  expectEqual(queued.length, 0, `${agent.name}: rows still queued`);
  const open = store.voids.unacked(0, 1);
  expectEqual(open.length, 0, `${agent.name}: voids still undelivered`);
}

/** A ghost of an epoch that a restored hub forgot may lie there: its range is not recorded, so it was sent again. Nothing else may. */
function checkNoQuarantine(read: StoreRead): void {
  const rows = read.quarantine().filter(({ reason }) => reason !== 'unknown_epoch');
  expectEqual(rows, [], 'quarantined messages');
}

export function checkAll(world: World, { isLossAllowed }: { isLossAllowed: boolean }): void {
  const read = world.hub?.read;
  if (read === undefined) throw new CheckFailed('the hub is down');
  checkNoQuarantine(read);
  for (const agent of world.agents) {
    checkNothingMissing(agent);
    checkLedger(world, agent, read);
    checkSensorsToJournal(agent);
    checkRollups(world, agent, read);
    checkCounts(agent, read);
    if (!isLossAllowed) expectEqual(read.voids(agent.name), [], `${agent.name}: declared losses`);
  }
}
