/**
 * `void`: a declared loss. Data beats it both ways: what is held stays held and only the rest becomes void; what arrives later is cut out
 * (apply-batch). A wider void replaces the narrower ones inside it, because its account covers theirs.
 */
import { decodeBatch, type VoidMessage, type VoidStat } from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { AgentState } from '../store/agent-table.ts';
import { decodeContent, type Hours, hoursBySeries } from '../store/batch-content.ts';
import type { EpochState } from '../store/epoch-table.ts';
import type { QuarantineReason } from '../store/quarantine.ts';
import { balance, pairsOf, sizeWithin, subtract } from '../store/void-table.ts';
import type { IngestContext } from './context.ts';
import { hasRoom } from './range-room.ts';

/** Batches inside a void that are decoded to take their hours out of its account; beyond it the account is exact in sum only. */
const decodedBatchesMax = 1000;

export function applyVoid(context: IngestContext, agent: AgentState, message: VoidMessage, payload: Uint8Array): void {
  const { store } = context;
  const { lane, first, last } = message;
  const reject = (reason: QuarantineReason, detail: string): void =>
    context.quarantine(agent, { kind: 'void', reason, detail, payload });
  const hours: Hours = new Map();
  let sum = 0;
  for (const [hour, items] of message.hours) {
    hours.set(hour, (hours.get(hour) ?? 0) + items);
    sum += items;
  }
  const count = last - first + 1;
  if (sum > count) return reject('corrupt', `hours hold ${sum} items, the range ${count}`);
  const epoch = store.epochs.find(agent.id, message.epoch);
  if (epoch === undefined) return reject('unknown_epoch', `epoch ${message.epoch}`);
  const ranges = epoch.ranges[lane] ?? SeqRanges.empty();
  const verdict = ranges.classify(first, last);
  if (verdict === 'held') {
    store.counters.voidsRepeated++;
    return;
  }
  if (verdict === 'new' && !hasRoom(epoch, lane, first, last, context.limits.rangesMax)) {
    return reject('limit', `rangesMax: lane ${lane} has too many gaps`);
  }
  const pieces = SeqRanges.empty();
  for (let gaps = ranges.missing(first, last), i = 0; i < gaps.length; i += 2)
    pieces.add(gaps[i] ?? 0, gaps[i + 1] ?? 0);
  if (verdict === 'overlap') absorbNarrower(context, epoch, message, pieces);
  balance(hours, count);
  let { stats } = message;
  if (pieces.size < count) {
    stats = subtractHeld(context, epoch, message, hours);
    balance(hours, pieces.size);
  }
  store.voids.insert(agent.id, epoch.id, { ...message, stats }, pieces, hours, context.clock.now());
  ranges.add(first, last);
  store.epochs.saveRange(epoch, lane);
  store.counters.voidsApplied++;
  store.stamps.touchAgent(agent.id);
  context.changedAgents.add(agent.name);
}

function absorbNarrower(context: IngestContext, epoch: EpochState, message: VoidMessage, pieces: SeqRanges): void {
  const { first, last } = message;
  for (const found of context.store.voids.overlapping(epoch.id, message.lane, first, last)) {
    if (sizeWithin(found.pieces, first, last) !== found.pieces.size) continue;
    for (const [from, to] of pairsOf(found.pieces)) pieces.add(from, to);
    context.store.voids.withdraw(found);
  }
}

/** Takes what is held of the range out of the hours; returns the statistics with what is really void. */
function subtractHeld(context: IngestContext, epoch: EpochState, message: VoidMessage, hours: Hours): VoidStat[] {
  const { store } = context;
  const left = new Map(message.stats.map((stat) => [`${stat.series}/${stat.hour}`, stat]));
  const inside = store.log
    .overlapping(epoch.id, message.lane, message.first, message.last)
    .filter((batch) => batch.first >= message.first && batch.last <= message.last);
  for (const { batch } of inside.slice(0, decodedBatchesMax)) {
    const stored = store.log.get(batch);
    if (stored === undefined) continue;
    const content = decodeContent(decodeBatch(stored.payload));
    subtract(hours, content.hours);
    for (const [series, perHour] of hoursBySeries(content)) {
      for (const [hour, items] of perHour) {
        const stat = left.get(`${series}/${hour}`);
        if (stat === undefined) continue;
        if (stat.count > items) left.set(`${series}/${hour}`, { ...stat, count: stat.count - items });
        else left.delete(`${series}/${hour}`);
      }
    }
  }
  return [...left.values()];
}
