/**
 * A database that is sound and knows less than its high water: an older copy, or a log that lost its end. What it forgot gets a place in its
 * account, so that nothing is numbered twice and everything that the hub lacks of it is declared.
 */
import { type Lane, laneCount } from '@fogline/shared/protocol/limits';
import type { Database } from '@fogline/shared/sqlite';
import { AgentStore } from './agent-store.ts';
import type { HighWater } from './high-water.ts';
import type { EpochRow } from './stored.ts';

/** State: what is missing of epochs up to this id was damaged. */
export const damagedKey = 'damaged_epoch';
/** State: rows of epochs up to this id may lie at the hub in batches that the database forgot; nothing is merged until a `welcome` told. */
export const frozenKey = 'frozen_epoch';
/** State: operators may hold what was emitted already; they start empty. */
export const forgetKey = 'forget_operators';

/** True where the high water names a commit that the database does not have. */
export function isBehind(db: Database, water: HighWater): boolean {
  const { mark } = water;
  if (mark === undefined) return false;
  return mark.commit > new AgentStore(db).newestCommitId();
}

/** Returns how many items it forgot. */
export function acceptRollback(db: Database, water: HighWater): number {
  const { mark } = water;
  if (mark === undefined) return 0;
  const store = new AgentStore(db);
  const items = store.transaction(() => {
    const known = lastsOf(store);
    const wanted = wantedLasts(water);
    const lost = new Array<number>(laneCount).fill(0);
    const seriesCount = [...store.series()].length;
    for (const [id, { row, last }] of wanted) {
      const held = known.get(id);
      const next = last.map((value, lane) => Math.max(value, held?.[lane] ?? 0));
      next.forEach((value, lane) => {
        lost[lane] = (lost[lane] ?? 0) + value - (held?.[lane] ?? 0);
      });
      const defined = Math.min(wanted.get(id + 1)?.row.seriesBase ?? seriesCount, seriesCount);
      if (held === undefined) store.insertEpoch({ ...row, seriesCount: defined, last: next });
      else store.updateEpoch(id, defined, next);
    }
    lost.forEach((count, lane) => {
      if (count > 0) store.addToLedger(lane as Lane, -1, count, 0);
    });
    const total = lost.reduce((sum, count) => sum + count, 0);
    if (total > 0) store.saveState(forgetKey, 'yes');
    for (const key of [damagedKey, frozenKey]) store.saveState(key, String(mark.epoch.id));
    store.addToCounter('damage.rollbacks', 1);
    return total;
  });
  water.note(store.newestCommitId(), mark.epoch);
  return items;
}

/** What each epoch of the database produced, the commits after the checkpoint included. */
function lastsOf(store: AgentStore): Map<number, number[]> {
  const lasts = new Map(store.epochs().map((row) => [row.id, [...row.last]]));
  for (const { record } of store.commitsAfter(Number(store.loadText('checkpoint') ?? 0))) {
    const last = lasts.get(record.epochId);
    if (last === undefined) continue;
    for (const output of record.outputs) last[output.lane] = Math.max(last[output.lane] ?? 0, output.last);
  }
  return lasts;
}

/** By epoch: as its child names its end, and the last as the high water does. */
function wantedLasts({ mark, epochs }: HighWater): Map<number, { row: EpochRow; last: readonly number[] }> {
  const wanted = new Map<number, { row: EpochRow; last: readonly number[] }>();
  for (const row of epochs) {
    const child = epochs.find(({ id }) => id === row.id + 1);
    const last = child?.parentLast.length === laneCount ? child.parentLast : new Array<number>(laneCount).fill(0);
    wanted.set(row.id, { row, last });
  }
  if (mark !== undefined) wanted.set(mark.epoch.id, { row: mark.epoch, last: mark.epoch.last });
  return wanted;
}

/** A `welcome` told what the hub holds, and the outbox is in line with it; inside that transaction. */
export function thaw(store: AgentStore): void {
  if (Number(store.loadText(frozenKey) ?? 0) > 0) store.saveState(frozenKey, '0');
}
