/**
 * The outbox rows since the last checkpoint, in memory. The log already holds them: a crash loses nothing, a replay builds the
 * same tail again. A checkpoint moves it into tables.
 */
import { invariant } from '@fogline/shared/errors';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { PartKind } from '@fogline/shared/protocol/messages';
import { blockOf, type CommitRecord } from '../journal/commit-record.ts';

export interface TailRow {
  readonly epochId: number;
  readonly lane: Lane;
  readonly kind: PartKind;
  readonly first: number;
  readonly last: number;
  readonly commit: number;
  /** Index in the commit's outputs. */
  readonly output: number;
  readonly bytes: number;
  readonly at: number;
  readonly hours: readonly number[];
  batch: SealedBatch | undefined;
}

/** A sealed batch, as the uplink holds it while it is in flight. */
export interface SealedBatch {
  readonly epochId: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly crc: number;
  /** Its id in the table; undefined while it is in the tail. */
  id: number | undefined;
  isAcked: boolean;
}

export class Tail {
  readonly #rows: TailRow[] = [];
  readonly #unsealed: TailRow[][] = [[], [], [], []];

  get rows(): readonly TailRow[] {
    return this.#rows;
  }

  unsealed(lane: Lane): readonly TailRow[] {
    return this.#unsealed[lane] ?? [];
  }

  /** Adds what a durable commit holds; returns the batches it sealed. */
  add(commit: number, record: CommitRecord): SealedBatch[] {
    record.outputs.forEach((output, index) => {
      const { lane, kind, first, last, hours } = output;
      const row: TailRow = {
        epochId: record.epochId,
        lane,
        kind,
        first,
        last,
        commit,
        output: index,
        bytes: blockOf(record, output).byteLength,
        at: record.now,
        hours,
        batch: undefined,
      };
      this.#rows.push(row);
      this.#unsealed[lane]?.push(row);
    });
    return record.seals.map((seal) => this.#seal({ ...seal, epochId: record.epochId, id: undefined, isAcked: false }));
  }

  clear(): void {
    this.#rows.length = 0;
    for (const rows of this.#unsealed) rows.length = 0;
  }

  /** The unsealed rows of a lane are contiguous, and batches are sealed from their front. */
  #seal(batch: SealedBatch): SealedBatch {
    const rows = this.#unsealed[batch.lane] ?? [];
    invariant(rows[0]?.first === batch.first, `a seal of lane ${batch.lane} begins at its first unsealed row`);
    let count = 0;
    for (; count < rows.length && (rows[count]?.last ?? 0) <= batch.last; count++) {
      const row = rows[count];
      if (row !== undefined) row.batch = batch;
    }
    invariant(rows[count - 1]?.last === batch.last, `a seal of lane ${batch.lane} ends with a row`);
    rows.splice(0, count);
    return batch;
  }
}
