/**
 * Replaces the oldest unsealed rows of a lane by minutes (thinning.ts), inside the transaction that makes room. The new rows take the numbers
 * of the old ones: minutes first, what stays as it is behind them; the order of items is free as long as no byte of it was sealed.
 *
 * Every row is looked at once: how far is in the database. What is not worth it stays as it is, and minutes stay minutes.
 */
import { hasCode, invariant } from '@fogline/shared/errors';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { SeriesDefinition } from '@fogline/shared/reading';
import type { AgentStore } from '../journal/agent-store.ts';
import { frozenKey } from '../journal/rollback.ts';
import { laneStart, type RowPosition, type StoredRow } from '../journal/stored.ts';
import { BlockReader } from './envelope.ts';
import { mergeSpanShare } from './merger.ts';
import { type ThinPart, thin } from './thinning.ts';

const rowsPerRunMax = 1024;
/** As many items as go into one batch. */
const itemsPerRunMax = 65_536;
const bytesPerRunMax = 512 * 1024;
/** Runs that one call looks at: an agent that finds no room must not stand still. */
const runsPerCallMax = 8;
/** A run is thinned where at most this share of its bytes is left. */
const shareLeftMax = 0.75;

export class Thinner {
  readonly #store: AgentStore;
  readonly #blocks: BlockReader;
  readonly #definitionOf: (series: number) => SeriesDefinition;
  readonly #spanMsMax: number;
  /** Per lane the numbers of the run that was looked at last. */
  readonly #lookedAt: (string | undefined)[] = [];

  constructor(store: AgentStore, definitionOf: (series: number) => SeriesDefinition, ageMsMax: number) {
    this.#store = store;
    this.#blocks = new BlockReader(store);
    this.#definitionOf = definitionOf;
    this.#spanMsMax = ageMsMax * mergeSpanShare;
  }

  /** Thins the next run of the lane that is worth it. False when none was found. */
  thin(lane: Lane, commitEnd: number): boolean {
    // What the hub may hold in batches that this database forgot must keep its cuts.
    if (Number(this.#store.loadText(frozenKey) ?? 0) > 0) return false;
    let at = this.#doneTo(lane);
    let isThinned = false;
    for (let runs = 0; runs < runsPerCallMax && !isThinned; runs++) {
      const { rows, passed, isWhole } = this.#nextRun(lane, at);
      at = passed;
      const last = rows.at(-1);
      const numbers = last === undefined ? undefined : [last.epochId, rows[0]?.first, last.last].join();
      const parts = numbers === this.#lookedAt[lane] ? undefined : this.#thinned(rows);
      if (parts !== undefined) this.#replace(rows, parts, commitEnd);
      isThinned = parts !== undefined;
      // A run that may still grow is looked at again when there is more of it.
      this.#lookedAt[lane] = numbers;
      if (last === undefined || (!isThinned && !isWhole)) break;
      // What it became lies between its numbers.
      at = { epochId: last.epochId, first: last.last };
    }
    this.#store.saveState(stateKey(lane), JSON.stringify([at.epochId, at.first]));
    return isThinned;
  }

  #doneTo(lane: Lane): RowPosition {
    const saved = this.#store.loadText(stateKey(lane));
    if (saved === undefined) return laneStart;
    const [epochId = 0, first = 0] = JSON.parse(saved) as number[];
    return { epochId, first };
  }

  /** The next contiguous run of rows of one epoch that are no minutes; `isWhole` when what comes later cannot belong to it. */
  #nextRun(lane: Lane, after: RowPosition): { rows: StoredRow[]; passed: RowPosition; isWhole: boolean } {
    const run: StoredRow[] = [];
    let passed = after;
    let items = 0;
    let bytes = 0;
    for (;;) {
      const rows = this.#store.unsealedRows(lane, passed, rowsPerRunMax);
      for (const row of rows) {
        const previous = run.at(-1);
        const count = row.last - row.first + 1;
        const belongs =
          previous === undefined ||
          (row.kind !== 'thinned' &&
            row.epochId === previous.epochId &&
            row.first === previous.last + 1 &&
            items + count <= itemsPerRunMax &&
            bytes + row.bytes <= bytesPerRunMax &&
            Math.abs(row.at - (run[0]?.at ?? row.at)) <= this.#spanMsMax);
        if (!belongs) return { rows: run, passed, isWhole: true };
        if (row.kind === 'thinned') {
          passed = row;
          continue;
        }
        run.push(row);
        items += count;
        bytes += row.bytes;
      }
      if (run.length > 0 || rows.length < rowsPerRunMax)
        return { rows: run, passed, isWhole: run.length === rowsPerRunMax };
    }
  }

  /** What the rows become; undefined where that is not worth it. */
  #thinned(rows: readonly StoredRow[]): ThinPart[] | undefined {
    if (rows.length === 0) return undefined;
    let before = 0;
    for (const row of rows) before += row.bytes;
    let parts: ThinPart[] | undefined;
    try {
      parts = thin(
        rows.map(({ kind, place }) => ({ kind, bytes: this.#blocks.read(place) })),
        this.#definitionOf,
      );
    } catch (error) {
      if (!hasCode(error, 'limit_exceeded')) throw error;
    }
    const after = parts?.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) ?? before;
    return after <= before * shareLeftMax ? parts : undefined;
  }

  #replace(rows: readonly StoredRow[], parts: readonly ThinPart[], commitEnd: number): void {
    const head = rows[0];
    invariant(head !== undefined, 'a run of rows');
    for (const row of rows) {
      this.#store.deleteRow(row);
      this.#store.deleteCommitOf(row, commitEnd);
    }
    const { epochId, lane, at } = head;
    let { first } = head;
    for (const { kind, bytes, count, hours } of parts) {
      const place = { pack: this.#store.insertPack(bytes) };
      const last = first + count - 1;
      this.#store.insertRow({
        epochId,
        lane,
        first,
        last,
        kind,
        place,
        bytes: bytes.byteLength,
        at,
        hours,
        batch: null,
      });
      if (kind === 'thinned')
        for (let i = 0; i < hours.length; i += 2)
          this.#store.addThinnedToLedger(lane, hours[i] ?? -1, hours[i + 1] ?? 0);
      first = last + 1;
    }
    invariant(first === (rows.at(-1)?.last ?? 0) + 1, 'thinning keeps every number');
  }
}

function stateKey(lane: Lane): string {
  return `thinned_to:${lane}`;
}
