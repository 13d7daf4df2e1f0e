/**
 * Removes what is older than its retention, some rows a transaction. The horizon is set first, so what is half removed is not shown; a
 * crash leaves the rest for the next round. Batches go whole, when all of their items lie before the horizon.
 */
import type { HubStore } from './hub-store.ts';
import { blockSpanMs, hourMs, levels, type RollupLevelMs } from './levels.ts';
import { horizonAt, type Retention } from './retention.ts';
import type { UpkeepPorts } from './upkeep.ts';

const rowsPerStep = 512;
const seriesPerStep = 64;
const blocksPerStep = 16;
const pairsPerStep = 64;
const itemsFoldedPerStep = 2_048;

/** One round: everything that may go. Yields between steps. */
export function* retainRound(store: HubStore, retention: Retention, ports: UpkeepPorts): Generator<void, void> {
  for (const what of [0, ...levels] as const) {
    const horizonMs = horizonAt(what, retention, ports.nowMs());
    if (horizonMs > store.horizons.of(what)) {
      ports.transaction(() => store.horizons.advance(what, horizonMs));
      store.stamps.touchStore();
    }
    yield;
  }
  for (const levelMs of levels) {
    if (store.horizons.of(levelMs) === Number.NEGATIVE_INFINITY) continue;
    yield* dropRows(store, levelMs, ports);
    yield* dropBlocks(store, levelMs, ports);
  }
  const rawMs = store.horizons.of(0);
  if (rawMs !== Number.NEGATIVE_INFINITY) yield* dropBatches(store, rawMs / hourMs, ports);
}

/** Walks the series of a level; a transaction only where a series has something to go. */
function* dropRows(store: HubStore, levelMs: RollupLevelMs, ports: UpkeepPorts): Generator<void, void> {
  const { rollups } = store;
  let series = 0;
  for (let looked = 1; ; looked++) {
    if (looked % seriesPerStep === 0) yield;
    const found = rollups.rowFrom(levelMs, series, Number.MIN_SAFE_INTEGER);
    if (found === undefined) return;
    const horizonMs = store.horizonOf(levelMs, found.series);
    if (found.start >= horizonMs) {
      series = found.series + 1;
      continue;
    }
    series = found.series;
    const isAll = ports.transaction(() => rollups.dropRows(levelMs, found.series, horizonMs, rowsPerStep));
    if (isAll) series++;
    yield;
  }
}

/** A block goes when its whole span is over; until then its expired part is not shown. */
function* dropBlocks(store: HubStore, levelMs: RollupLevelMs, ports: UpkeepPorts): Generator<void, void> {
  const { blocks } = store.rollups;
  let series = 0;
  for (let looked = 1; ; looked++) {
    if (looked % seriesPerStep === 0) yield;
    const found = blocks.blockFrom(levelMs, series);
    if (found === undefined) return;
    series = found.series;
    const lastMs = store.horizonOf(levelMs, found.series) - blockSpanMs(levelMs);
    if (found.start > lastMs) {
      series++;
      continue;
    }
    const isAll = ports.transaction(() => blocks.drop(levelMs, found.series, lastMs, blocksPerStep));
    if (isAll) series++;
    yield;
  }
}

function* dropBatches(store: HubStore, horizonHour: number, ports: UpkeepPorts): Generator<void, void> {
  for (const id of store.agents.ids()) {
    let isMore = true;
    while (isMore) {
      isMore = ports.transaction(() => {
        // A fold reads its batches again after a restart, and ends by itself only while more arrives.
        store.continueFold(itemsFoldedPerStep, ports.nowMs());
        return store.dropBatches(id, horizonHour, pairsPerStep);
      });
      yield;
    }
    // Where neither readings nor 10 s are left, which lack them, nobody asks in what form they came.
    const askedHour = Math.min(horizonHour, store.horizons.of(levels[0]) / hourMs);
    while (ports.transaction(() => store.thinned.dropHour(id, askedHour))) yield;
  }
}
