/**
 * Packs roll-up rows of spans that are over into blocks, one span after the other. Everything is read, packed and compared outside of any
 * transaction, in steps of a few milliseconds; one short transaction then puts the block in place of the rows, unless a fold
 * wrote to them meanwhile. A crash leaves rows or block, never both or neither.
 */
import { invariant } from '@fogline/shared/errors';
import { blockBuckets, blockSpanMs, bucketOf, levels } from './levels.ts';
import { packedRowsMax, packing } from './packed/packed-rows.ts';
import type { RollupRow } from './read.ts';
import { mergeRows, type RollupTable } from './rollup-table.ts';
import type { UpkeepPorts } from './upkeep.ts';

/** A span is packed when it ended this long ago: until then most of what is late has come. */
const packAfterMs = 3_600_000;
/** Fewer rows of one span stay rows: a block for them would save nothing, and one more late row need not rewrite a block. */
const packedRowsMin = 16;
const rowsPerStep = 512;

/** One round over everything that can be packed. Yields between steps. */
export function* packRound(rollups: RollupTable, ports: UpkeepPorts): Generator<void, void> {
  for (const levelMs of levels) {
    const spanMs = blockSpanMs(levelMs);
    let at = { series: 0, start: Number.MIN_SAFE_INTEGER };
    for (;;) {
      const found = rollups.rowFrom(levelMs, at.series, at.start);
      if (found === undefined) break;
      const blockMs = bucketOf(found.start, spanMs);
      const isOver = blockMs + spanMs + packAfterMs <= ports.nowMs();
      if (isOver) yield* packSpan(rollups, ports, levelMs, found.series, blockMs);
      at = isOver
        ? { series: found.series, start: blockMs + spanMs }
        : { series: found.series + 1, start: Number.MIN_SAFE_INTEGER };
      yield;
    }
  }
}

function* packSpan(
  rollups: RollupTable,
  ports: UpkeepPorts,
  levelMs: number,
  series: number,
  blockMs: number,
): Generator<void, void> {
  const endMs = blockMs + blockSpanMs(levelMs);
  if (rollups.rows(levelMs, series, blockMs, endMs, packedRowsMin).length < packedRowsMin) return;
  const watch = rollups.watch(levelMs, series, blockMs, endMs);
  const rows: RollupRow[] = [];
  for (let from = blockMs; from < endMs; from += rowsPerStep * levelMs) {
    yield;
    const to = Math.min(endMs, from + rowsPerStep * levelMs);
    const packed = rollups.blocks.rows(levelMs, series, blockMs, from, to);
    rows.push(...mergeRows(packed, rollups.rows(levelMs, series, from, to, rowsPerStep), series));
  }
  invariant(rows.length <= blockBuckets && blockBuckets <= packedRowsMax, 'a row for every bucket at most');
  const packed = yield* packing(rows, levelMs);
  yield;
  if (watch.isTouched) return;
  ports.transaction(() => rollups.replace(levelMs, series, blockMs, rows.length, packed));
  ports.counters.blocksPacked++;
}
