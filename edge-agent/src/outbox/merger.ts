/**
 * Merges small unsealed rows into bigger, denser ones, while nobody is sending them. Only what never left may be merged: the
 * items of the merged range get a new order, which is free as long as no byte of it was sealed. Readings and window items
 * of one range become one row each. One transaction per merge: afterwards the old rows are gone and the new ones there.
 */
import { mergeWindows } from '@fogline/shared/aggregate/window-columns';
import { mergeReadings } from '@fogline/shared/codec/readings';
import type { Lane } from '@fogline/shared/protocol/limits';
import { laneCount } from '@fogline/shared/protocol/limits';
import type { PartKind } from '@fogline/shared/protocol/messages';
import { partKinds } from '@fogline/shared/protocol/messages';
import type { AgentStore } from '../journal/agent-store.ts';
import type { StoredRow } from '../journal/stored.ts';
import { BlockReader } from './envelope.ts';

const rowsToMergeMin = 16;
const rowsPerMergeMax = 1024;
const itemsPerMergeMax = 65_536;
const bytesPerMergeMax = 512 * 1024;
/** Rows at least this big are dense enough. */
const rowBytesToMergeMax = 48 * 1024;

export class Merger {
  readonly #store: AgentStore;
  readonly #blocks: BlockReader;

  constructor(store: AgentStore) {
    this.#store = store;
    this.#blocks = new BlockReader(store);
  }

  /** Does up to `mergesMax` merges on a flushed outbox; returns how many. */
  merge(mergesMax: number): number {
    let done = 0;
    for (let lane = 0; lane < laneCount; lane++) {
      let afterId = 0;
      while (done < mergesMax) {
        const run = this.#nextRun(lane as Lane, afterId);
        if (run.rows.length === 0) break;
        afterId = run.rows.at(-1)?.id ?? run.skippedTo;
        if (run.rows.length < rowsToMergeMin) continue;
        this.#mergeRun(run.rows);
        done++;
      }
    }
    return done;
  }

  /** The next contiguous run of small rows of one epoch. */
  #nextRun(lane: Lane, afterId: number): { rows: StoredRow[]; skippedTo: number } {
    let skippedTo = afterId;
    const rows: StoredRow[] = [];
    let items = 0;
    let bytes = 0;
    for (const row of this.#store.unsealedRows(lane, afterId, rowsPerMergeMax)) {
      const previous = rows.at(-1);
      const count = row.last - row.first + 1;
      const isNeighbour =
        previous === undefined || (row.epochId === previous.epochId && row.first === previous.last + 1);
      const fits = items + count <= itemsPerMergeMax && bytes + row.bytes <= bytesPerMergeMax;
      if (row.bytes <= rowBytesToMergeMax && isNeighbour && fits) {
        rows.push(row);
        items += count;
        bytes += row.bytes;
      } else if (rows.length > 0) break;
      skippedTo = row.id;
    }
    return { rows, skippedTo };
  }

  #mergeRun(rows: readonly StoredRow[]): void {
    const head = rows[0];
    if (head === undefined) return;
    const merged = partKinds.map((kind) =>
      this.#mergeKind(
        kind,
        rows.filter((row) => row.kind === kind),
      ),
    );
    this.#store.transaction(() => {
      for (const row of rows) this.#store.deleteRow(row.id);
      let first = head.first;
      // The ids of the first rows are free again, and keep the order of the lane.
      const ids = rows.map((row) => row.id);
      for (const part of merged) {
        if (part === undefined) continue;
        const pack = this.#store.insertPack(part.bytes);
        const { epochId, lane, at } = head;
        const last = first + part.count - 1;
        const { kind, hours } = part;
        this.#store.insertRow(
          { epochId, lane, first, last, kind, place: { pack }, bytes: part.bytes.byteLength, at, hours, batch: null },
          ids.shift() ?? null,
        );
        first = last + 1;
      }
    });
    this.#store.deleteUnreferencedPacks();
  }

  #mergeKind(
    kind: PartKind,
    rows: readonly StoredRow[],
  ): { kind: PartKind; bytes: Uint8Array; count: number; hours: number[] } | undefined {
    if (rows.length === 0) return undefined;
    const blocks = rows.map((row) => this.#blocks.read(row.place));
    const bytes = kind === 'readings' ? mergeReadings(blocks, 'dense') : mergeWindows(blocks);
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
