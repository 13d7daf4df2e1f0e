/**
 * `batch`: applied, recognised as a repeat, or quarantined (decision 0002). Nothing is written before the batch is decoded and every
 * check has passed.
 */
import { hasCode, messageOf } from '@fogline/shared/errors';
import { alarmLane } from '@fogline/shared/protocol/alarm-stream';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { type BatchMessage, decodeBatch, isThinned } from '@fogline/shared/protocol/messages';
import type { AgentState } from '../store/agent-table.ts';
import { type BatchContent, decodeContent, findUnknownSeries, hoursBySeries, runEnd } from '../store/batch-content.ts';
import type { EpochState } from '../store/epoch-table.ts';
import type { HubStore } from '../store/hub-store.ts';
import { unknownHour } from '../store/ledger-table.ts';
import { hourMs } from '../store/levels.ts';
import type { HeldRange, QuarantineReason } from '../store/quarantine.ts';
import type { LocalSeries } from '../store/series-table.ts';
import { sizeWithin, type VoidState } from '../store/void-table.ts';
import type { IngestContext } from './context.ts';
import type { AppliedBatch } from './ports.ts';
import { hasRoom } from './range-room.ts';

type Claim =
  /** The range is free, apart from these voids, which data beats. */
  | { readonly kind: 'free'; readonly voids: readonly VoidState[]; readonly healed?: number }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'rejected'; readonly reason: QuarantineReason; readonly detail: string };

export function applyBatch(
  context: IngestContext,
  agent: AgentState,
  message: BatchMessage,
  payload: Uint8Array,
): void {
  const { store } = context;
  const reject = (reason: QuarantineReason, detail: string): void =>
    context.quarantine(agent, { kind: 'batch', reason, detail, payload });
  const count = message.last - message.first + 1;
  if (count > protocolLimits.itemsPerBatchMax) return reject('corrupt', `range of ${count} items`);
  const epoch = store.epochs.find(agent.id, message.epoch);
  if (epoch === undefined) return reject('unknown_epoch', `epoch ${message.epoch}`);
  const claim = claimOf(context, epoch, message, payload);
  if (claim.kind === 'repeat') {
    store.counters.batchesRepeated++;
    return;
  }
  if (claim.kind === 'rejected') return reject(claim.reason, claim.detail);
  const read = readContent(context, message, store.series.of(epoch));
  const range = { epoch: epoch.id, lane: message.lane, first: message.first, last: message.last };
  if ('corrupt' in read) {
    // Held as it is: the agent would send the same bytes for ever. A void of this range still stands, and so does an earlier copy.
    const isFree = claim.voids.length === 0 && claim.healed === undefined;
    if (isFree) holdQuarantined(context, agent, epoch, message, new Map([[unknownHour, count]]));
    context.quarantine(agent, {
      kind: 'batch',
      reason: 'corrupt',
      detail: read.corrupt,
      payload,
      ...(isFree ? { held: range } : {}),
    });
    return;
  }
  const { content, missing } = read;
  if (missing !== undefined && !store.quarantine.canWait(payload.byteLength)) {
    return reject('limit', 'waitingBytesMax: too much waits for series definitions');
  }
  if (claim.healed !== undefined) {
    store.quarantine.remove(claim.healed);
    store.ledger.add(agent.id, message.lane, 'quarantined', new Map([[unknownHour, count]]), -1);
  }
  withdrawVoids(context, claim.voids, message, content);
  if (claim.voids.length > 0) store.stamps.touchAgent(agent.id);
  if (missing !== undefined) {
    holdQuarantined(context, agent, epoch, message, content.hours);
    context.quarantine(agent, {
      kind: 'batch',
      reason: 'unknown_series',
      detail: `series ${missing}`,
      payload,
      held: range,
      missing,
    });
    context.welcomeAnew(agent.name, epoch.epoch);
    return;
  }
  commitBatch(context, agent, epoch, message, content, payload, context.clock.now());
}

/** Ingests what waited for definitions that are there now, in order of arrival. */
export function ingestWaiting(context: IngestContext, agent: AgentState): void {
  const { store } = context;
  for (const row of store.quarantine.waiting(agent.id)) {
    const epoch = store.epochs.byId(row.epoch);
    if (epoch === undefined || (store.series.of(epoch).ids[row.missing] ?? 0) === 0) continue;
    const found = store.quarantine.message(row.id);
    if (found?.held !== undefined) ingestHeld(context, agent, row.id, found.held);
  }
}

/** A quarantined batch whose range counts as held, once more; returns what became of it. */
export function ingestHeld(context: IngestContext, agent: AgentState, id: number, held: HeldRange): string {
  const { store } = context;
  const epoch = store.epochs.byId(held.epoch);
  const found = store.quarantine.message(id);
  if (epoch === undefined || found === undefined) return 'its epoch is not known';
  const { payload, receivedMs, reason } = found;
  const message = decodeBatch(payload);
  const read = readContent(context, message, store.series.of(epoch));
  if ('corrupt' in read) {
    if (reason === 'corrupt') return `still corrupt: ${read.corrupt}`;
    store.quarantine.remove(id);
    context.quarantine(agent, { kind: 'batch', reason: 'corrupt', detail: read.corrupt, payload, held });
    return `corrupt: ${read.corrupt}`;
  }
  if (read.missing !== undefined) {
    if (reason === 'unknown_series') store.quarantine.setMissing(id, read.missing);
    return `still waits for the definition of series ${read.missing}`;
  }
  store.quarantine.remove(id);
  const items = message.last - message.first + 1;
  const counted = reason === 'corrupt' ? new Map([[unknownHour, items]]) : read.content.hours;
  store.ledger.add(agent.id, message.lane, 'quarantined', counted, -1);
  commitBatch(context, agent, epoch, message, read.content, payload, receivedMs);
  return 'ingested';
}

function claimOf(context: IngestContext, epoch: EpochState, message: BatchMessage, payload: Uint8Array): Claim {
  const { store } = context;
  const { lane, first, last } = message;
  const ranges = epoch.ranges[lane];
  const verdict = ranges?.classify(first, last) ?? 'new';
  if (verdict === 'new') {
    if (hasRoom(epoch, lane, first, last, context.limits.rangesMax)) return { kind: 'free', voids: [] };
    return { kind: 'rejected', reason: 'limit', detail: `rangesMax: lane ${lane} has too many gaps` };
  }
  const batches = store.log.overlapping(epoch.id, lane, first, last);
  const twin = batches.find((batch) => batch.first === first && batch.last === last);
  if (twin !== undefined) {
    const stored = twin.merged === 1 ? undefined : store.log.get(twin.batch);
    if (stored === undefined || isEqual(stored.payload, payload)) return { kind: 'repeat' };
    if (isThinned(message) || isThinned(decodeBatch(stored.payload))) return { kind: 'repeat' };
    return {
      kind: 'rejected',
      reason: 'conflict',
      detail: `[${first}, ${last}] of lane ${lane} is held with other bytes`,
    };
  }
  const voids = store.voids.overlapping(epoch.id, lane, first, last);
  let open = 0;
  for (const found of voids) open += sizeWithin(found.pieces, first, last);
  for (let gaps = ranges?.missing(first, last) ?? [], i = 0; i < gaps.length; i += 2)
    open += (gaps[i + 1] ?? 0) - (gaps[i] ?? 0) + 1;
  if (open === last - first + 1) return { kind: 'free', voids };
  const waiting = store.quarantine.findHeld({ epoch: epoch.id, lane, first, last });
  if (waiting !== undefined) {
    if (isEqual(waiting.payload, payload)) return { kind: 'repeat' };
    // Only a damaged copy is held; a sound one takes its place.
    if (waiting.reason === 'corrupt') return { kind: 'free', voids: [], healed: waiting.id };
    return {
      kind: 'rejected',
      reason: 'conflict',
      detail: `[${first}, ${last}] of lane ${lane} waits with other bytes`,
    };
  }
  // What waits in quarantine is not applied yet.
  if (verdict === 'held' && !store.quarantine.isWaitingIn({ epoch: epoch.id, lane, first, last })) {
    // What was merged or dropped is known by its range alone.
    if (voids.length === 0 && batches.every(({ merged }) => merged === 1)) return { kind: 'repeat' };
    // Of two forms of one range the first stays.
    if (isThinned(message) || batches.every(({ batch }) => isThinnedBatch(store, batch))) return { kind: 'repeat' };
  }
  return {
    kind: 'rejected',
    reason: 'overlap',
    detail: `part of [${first}, ${last}] of lane ${lane} is held, cut otherwise`,
  };
}

function isThinnedBatch({ log }: HubStore, batch: number): boolean {
  const stored = log.get(batch);
  return stored !== undefined && isThinned(decodeBatch(stored.payload));
}

function readContent(
  context: IngestContext,
  message: BatchMessage,
  series: LocalSeries,
): { readonly content: BatchContent; readonly missing: number | undefined } | { readonly corrupt: string } {
  try {
    const content = decodeContent(message, context.columnMemory());
    return { content, missing: findUnknownSeries(content, series) };
  } catch (error) {
    if (hasCode(error, 'codec_corrupt', 'codec_version')) return { corrupt: messageOf(error) };
    throw error;
  }
}

function withdrawVoids(
  context: IngestContext,
  voids: readonly VoidState[],
  message: BatchMessage,
  content: BatchContent,
): void {
  if (voids.length === 0) return;
  const hours = new Map(content.hours);
  const perSeries = hoursBySeries(content);
  for (const found of voids) {
    context.store.voids.cut(found, message.first, message.last, hours, perSeries);
    context.store.counters.voidsWithdrawn++;
  }
}

function holdQuarantined(
  context: IngestContext,
  agent: AgentState,
  epoch: EpochState,
  message: BatchMessage,
  hours: ReadonlyMap<number, number>,
): void {
  const { store } = context;
  epoch.ranges[message.lane]?.add(message.first, message.last);
  store.epochs.saveRange(epoch, message.lane);
  store.ledger.add(agent.id, message.lane, 'quarantined', new Map(hours), 1);
}

function commitBatch(
  context: IngestContext,
  agent: AgentState,
  epoch: EpochState,
  message: BatchMessage,
  content: BatchContent,
  payload: Uint8Array,
  receivedMs: number,
): void {
  const { store } = context;
  const { lane, first, last } = message;
  const end = epoch.ends[lane] ?? Number.POSITIVE_INFINITY;
  if (last > end) {
    const detail = { lane, named: end, held: last };
    store.events.addOnce(context.clock.now(), agent.id, 'rolled_back', epoch.epoch, detail);
  }
  const goneMs = store.horizons.of(0);
  const oldest = Math.min(...content.hours.keys()) * hourMs;
  if (oldest < goneMs) {
    const detail = { lane, oldestMs: oldest, keptSinceMs: goneMs };
    store.events.addOnce(context.clock.now(), agent.id, 'arrived_expired', epoch.epoch, detail);
  }
  const series = store.series.of(epoch);
  store.apply(agent, epoch, { epoch: epoch.id, lane, first, last, receivedMs, payload }, content, series);
  store.tombstones.countLate(content, series);
  const { watchers } = context;
  const isOfAlarms = lane === alarmLane && watchers.onAlarms !== undefined;
  if (!isOfAlarms && !context.isWatched) return;
  const hubOf = (local: number): number => store.merges.resolve(series.ids[local] ?? 0);
  const applied = appliedOf(agent, message, store.tombstones.without(content, series), series, hubOf);
  if (isOfAlarms) watchers.onAlarms?.(applied);
  if (context.isWatched) context.applied.push(applied);
}

function appliedOf(
  agent: AgentState,
  message: BatchMessage,
  content: BatchContent,
  { widthMs }: LocalSeries,
  hubOf: (local: number) => number,
): AppliedBatch {
  const toHub = (series: Uint32Array): Uint32Array => {
    const hub = new Uint32Array(series.length);
    for (let from = 0, to = 0; from < hub.length; from = to) {
      to = runEnd(series, from, hub.length);
      hub.fill(hubOf(series[from] as number), from, to);
    }
    return hub;
  };
  return {
    agent: agent.name,
    epoch: message.epoch,
    lane: message.lane,
    first: message.first,
    last: message.last,
    readings: content.readings.map((columns) => ({ ...columns, series: toHub(columns.series) })),
    windows: content.windows.map((columns) => ({
      ...columns,
      series: toHub(columns.series),
      widthMs: Float64Array.from(columns.series, (local) => widthMs[local] ?? 0),
    })),
  };
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
