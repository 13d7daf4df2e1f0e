/**
 * What a salvage cannot make anew, because the readings are gone: roll-ups, latest values and the account before the horizon of raw data, and which
 * items those were. Copied where its checksum fits; the horizon is a whole day, so no bucket is half copied and half made anew.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import { attempt, copyRow } from '@fogline/shared/readable-rows';
import type { Database, Value } from '@fogline/shared/sqlite';
import type { Settled } from './batch-content.ts';
import { type DroppedRow, droppedPairs } from './dropped-ranges.ts';
import type { HubStore } from './hub-store.ts';
import { blockSpanMs, hourMs } from './levels.ts';
import { isSound } from './retention.ts';
import { rowsOfBlock } from './rollup-blocks.ts';
import { openSealed } from './sealed.ts';

export type Read = <R>(table: string) => Iterable<R>;

interface HorizonSql extends Record<string, Value> {
  readonly what: number;
  readonly ms: number;
  readonly checksum: number;
}

interface RollupSql {
  readonly level: number;
  readonly series: number;
  readonly start: number;
}

/** Sound ones; of others the next upkeep makes new ones. */
export function copyHorizons(to: Database, read: Read, nowMs: number): void {
  for (const row of read<HorizonSql>('horizons'))
    attempt(() => {
      if (isSound(row) && row.ms <= nowMs) copyRow(to, 'horizons', row);
    });
}

export interface Expired {
  /** What of a batch is in what was copied. */
  settledOf(batch: number): Settled | undefined;
  readonly rollupsLost: number;
}

export function copyExpired(store: HubStore, read: Read): Expired {
  const rawMs = store.horizons.of(0);
  if (rawMs === Number.NEGATIVE_INFINITY) return { settledOf: () => undefined, rollupsLost: 0 };
  const rollupsLost = copyRollups(store, read, rawMs);
  for (const row of read<Record<string, Value>>('latest'))
    attempt(() => {
      if (Number(row['time']) < rawMs) copyRow(store.db, 'latest', row);
    });
  copyDropped(store, read);
  copyArrived(store, read, rawMs / hourMs);
  for (const row of read<Record<string, Value>>('thinned'))
    attempt(() => {
      if (Number(row['hour']) < rawMs / hourMs) copyRow(store.db, 'thinned', row);
    });
  return { settledOf: settling(read, rawMs), rollupsLost };
}

function copyRollups(store: HubStore, read: Read, rawMs: number): number {
  const { rollups } = store;
  let lost = 0;
  // Rows before blocks: what a block has beside them is merged when it is read, whichever came first.
  for (const row of read<RollupSql & { partial: Uint8Array }>('rollups')) {
    const { level, series, start, partial } = row;
    if (start >= rawMs) continue;
    const isCopied = attempt(() => {
      openSealed(partial, level, series, start);
      copyRow(store.db, 'rollups', { level, series, start, partial });
      return true;
    });
    if (isCopied !== true) lost++;
  }
  for (const block of read<RollupSql & { rows: number; packed: Uint8Array }>('rollup_blocks')) {
    const { level, series, start, packed, rows } = block;
    if (start >= rawMs) continue;
    const isCopied = attempt(() => {
      if (start + blockSpanMs(level) <= rawMs) {
        rowsOfBlock(level, series, block, start, start + 1);
        copyRow(store.db, 'rollup_blocks', { level, series, start, rows, packed });
      } else {
        for (const row of rowsOfBlock(level, series, block, start, rawMs)) rollups.mergeRow(level, series, row);
      }
      return true;
    });
    if (isCopied !== true) lost += Number.isSafeInteger(rows) ? rows : 0;
  }
  return lost;
}

function copyDropped(store: HubStore, read: Read): void {
  for (const row of read<DroppedRow>('dropped_ranges'))
    attempt(() => {
      const pairs = droppedPairs(row);
      const epoch = store.epochs.byId(row.epoch);
      const ranges = epoch?.ranges[row.lane];
      if (epoch === undefined || ranges === undefined) return;
      for (const [first, last] of pairs) ranges.add(first, last);
      store.epochs.saveRange(epoch, row.lane as Lane);
      store.dropped.add(row.epoch, row.lane as Lane, pairs);
    });
}

function copyArrived(store: HubStore, read: Read, horizonHour: number): void {
  for (const row of read<Record<string, Value>>('ledger'))
    attempt(() => {
      for (const form of ['delivered', 'thinned'] as const) {
        const [agent, lane, hour, items] = ['agent', 'lane', 'hour', form].map((name) => Number(row[name]));
        if (![agent, lane, hour, items].every(Number.isSafeInteger)) return;
        if ((items ?? 0) > 0 && (hour ?? 0) < horizonHour)
          store.ledger.restoreArrived(form, agent ?? 0, lane ?? 0, hour ?? 0, items ?? 0);
      }
    });
}

/** By how far the folds had come; where that is not readable everything counts as settled, so that nothing counts twice. */
function settling(read: Read, beforeMs: number): Expired['settledOf'] {
  const all = Number.MAX_SAFE_INTEGER;
  const state = new Map<string, number>();
  for (const { name, value } of read<{ name: string; value: number }>('state')) state.set(name, value);
  const folded = state.get('folded') ?? all;
  const rolled = state.get('rolled') ?? folded;
  const seriesTo = state.get('rolling_series') ?? all;
  return (batch) => {
    if (batch <= rolled) return { beforeMs, isCounted: true, seriesTo: all };
    return batch <= folded ? { beforeMs, isCounted: true, seriesTo } : undefined;
  };
}
