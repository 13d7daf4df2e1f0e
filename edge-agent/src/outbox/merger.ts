/**
 * Merges small unsealed rows into bigger, denser ones, while nobody is sending them. Only what never left may be merged: the
 * items of the merged range get a new order, which is free as long as no byte of it was sealed. Readings, window items and minutes
 * of one range become one row each. One transaction per merge: afterwards the old rows are gone and the new ones there.
 *
 * It goes through each lane once, and a merged row is merged again with what follows until it is dense: what lies behind it is
 * not read again, however long the backlog.
 */
import { mergeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { mergeWindows } from '@fogline/shared/aggregate/window-columns';
import { mergeReadings } from '@fogline/shared/codec/readings';
import { hasCode } from '@fogline/shared/errors';
import { type Lane, laneCount } from '@fogline/shared/protocol/limits';
import type { PartKind } from '@fogline/shared/protocol/messages';
import { partKinds } from '@fogline/shared/protocol/messages';
import type { AgentStore } from '../journal/agent-store.ts';
import { frozenKey } from '../journal/rollback.ts';
import { laneStart, type RowPosition, type StoredRow } from '../journal/stored.ts';
import { BlockReader } from './envelope.ts';

const rowsToMergeMin = 16;
const rowsPerMergeMax = 1024;
/** Even where nothing compresses, so many readings and so many bytes of texts fit into one block (envelope.ts). */
const itemsPerMergeMax = 32_768;
const bytesPerMergeMax = 192 * 1024;
/** Rows at least this big are dense enough. */
const rowBytesToMergeMax = 48 * 1024;
/** Of the limit of age: what one row spans at most, for it ages as a whole (room.ts). */
export const mergeSpanShare = 1 / 32;

interface Merged {
  readonly kind: PartKind;
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly hours: readonly number[];
}

export class Merger {
  readonly #store: AgentStore;
  readonly #blocks: BlockReader;
  /** Per lane the last row that is as it will stay. */
  readonly #doneTo: RowPosition[] = new Array<RowPosition>(laneCount).fill(laneStart);

  readonly #spanMsMax: number;
  #frozenEpoch = 0;

  constructor(store: AgentStore, ageMsMax: number) {
    this.#store = store;
    this.#spanMsMax = ageMsMax * mergeSpanShare;
    this.#blocks = new BlockReader(store);
  }

  /** Tries up to `mergesMax` merges; returns how many. */
  merge(mergesMax: number): number {
    let done = 0;
    this.#passFrozen();
    for (let lane = 0 as Lane; lane < laneCount; lane = (lane + 1) as Lane) {
      while (done < mergesMax) {
        const { rows, isWhole } = this.#nextRun(lane);
        const last = rows.at(-1);
        if (last === undefined) break;
        if (rows.length >= rowsToMergeMin) {
          if (!this.#mergeRun(rows)) this.#doneTo[lane] = last;
          done++;
        } else if (isWhole) {
          this.#doneTo[lane] = last;
        } else break;
      }
    }
    return done;
  }

  /** What the hub may hold in batches that this database forgot must keep its cuts (journal/rollback.ts). */
  #passFrozen(): void {
    const frozen = Number(this.#store.loadText(frozenKey) ?? 0);
    if (frozen === this.#frozenEpoch) return;
    this.#frozenEpoch = frozen;
    this.#doneTo.fill(frozen === 0 ? laneStart : { epochId: frozen, first: Number.MAX_SAFE_INTEGER });
  }

  /** The next contiguous run of small rows of one epoch; `isWhole` when what comes later cannot belong to it. Passes dense rows. */
  #nextRun(lane: Lane): { rows: StoredRow[]; isWhole: boolean } {
    const run: StoredRow[] = [];
    let items = 0;
    let bytes = 0;
    for (;;) {
      const rows = this.#store.unsealedRows(lane, this.#doneTo[lane] ?? laneStart, rowsPerMergeMax);
      for (const row of rows) {
        const previous = run.at(-1);
        const count = row.last - row.first + 1;
        const isNeighbour =
          previous === undefined || (row.epochId === previous.epochId && row.first === previous.last + 1);
        const fits =
          items + count <= itemsPerMergeMax &&
          bytes + row.bytes <= bytesPerMergeMax &&
          Math.abs(row.at - (run[0]?.at ?? row.at)) <= this.#spanMsMax;
        if (row.bytes <= rowBytesToMergeMax && isNeighbour && fits) {
          run.push(row);
          items += count;
          bytes += row.bytes;
        } else if (run.length > 0) return { rows: run, isWhole: true };
        else this.#doneTo[lane] = row;
      }
      if (run.length > 0 || rows.length < rowsPerMergeMax)
        return { rows: run, isWhole: run.length === rowsPerMergeMax };
    }
  }

  /** False when the rows stay as they are: small only because they compress well, together they would be no block any more. */
  #mergeRun(rows: readonly StoredRow[]): boolean {
    const head = rows[0];
    const merged = this.#merged(rows);
    if (head === undefined || merged === undefined) return false;
    this.#store.transaction(() => {
      for (const row of rows) this.#store.deleteRow(row);
      let first = head.first;
      for (const part of merged) {
        if (part === undefined) continue;
        const pack = this.#store.insertPack(part.bytes);
        const { epochId, lane, at } = head;
        const last = first + part.count - 1;
        const { kind, hours } = part;
        const bytes = part.bytes.byteLength;
        this.#store.insertRow({ epochId, lane, first, last, kind, place: { pack }, bytes, at, hours, batch: null });
        first = last + 1;
      }
    });
    return true;
  }

  /** A row of each kind; undefined where one would exceed the limits of its codec. */
  #merged(rows: readonly StoredRow[]): (Merged | undefined)[] | undefined {
    try {
      return partKinds.map((kind) =>
        this.#mergeKind(
          kind,
          rows.filter((row) => row.kind === kind),
        ),
      );
    } catch (error) {
      if (!hasCode(error, 'limit_exceeded')) throw error;
      return undefined;
    }
  }

  #mergeKind(kind: PartKind, rows: readonly StoredRow[]): Merged | undefined {
    if (rows.length === 0) return undefined;
    const blocks = rows.map((row) => this.#blocks.read(row.place));
    const bytes = mergeBlocks(kind, blocks);
    let count = 0;
    const hours = new Map<number, number>();
    for (const row of rows) {
      count += row.last - row.first + 1;
      for (let i = 0; i < row.hours.length; i += 2)
        hours.set(row.hours[i] ?? -1, (hours.get(row.hours[i] ?? -1) ?? 0) + (row.hours[i + 1] ?? 0));
    }
    return { kind, bytes, count, hours: [...hours].sort((a, b) => a[0] - b[0]).flat() };
  }
}

function mergeBlocks(kind: PartKind, blocks: readonly Uint8Array[]): Uint8Array {
  switch (kind) {
    case 'readings':
      return mergeReadings(blocks, 'dense');
    case 'windows':
      return mergeWindows(blocks);
    case 'thinned':
      return mergeThinned(blocks);
  }
}
