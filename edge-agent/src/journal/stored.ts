/** What the agent's database holds, as the domain sees it. */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { PartKind, VoidReason, VoidStat } from '@fogline/shared/protocol/messages';

export interface EpochRow {
  readonly id: number;
  readonly epoch: string;
  readonly parent: string | null;
  readonly parentLast: readonly number[];
  readonly seriesBase: number;
  readonly seriesCount: number;
  readonly last: readonly number[];
}

/** Where the block of an outbox row lies. */
export type BlockPlace = { readonly commit: number; readonly output: number } | { readonly pack: number };

/** A contiguous range of one lane of one epoch. */
export interface StoredRange {
  readonly epochId: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
}

/** Where the rows of a lane go on: after the one that begins here. */
export interface RowPosition {
  readonly epochId: number;
  readonly first: number;
}

/** Before all rows of a lane. */
export const laneStart: RowPosition = { epochId: 0, first: 0 };

export interface StoredRow extends StoredRange {
  readonly id: number;
  readonly kind: PartKind;
  readonly place: BlockPlace;
  readonly bytes: number;
  readonly at: number;
  readonly hours: readonly number[];
  readonly batch: number | null;
}

export interface StoredBatch extends StoredRange {
  readonly id: number;
  readonly crc: number;
}

export interface StoredVoid extends StoredRange {
  readonly id: number;
  readonly reason: VoidReason;
  readonly stats: readonly VoidStat[];
  readonly statsOmitted: number;
  readonly hours: readonly (readonly [number, number])[];
}

export interface LedgerEntry {
  readonly lane: Lane;
  readonly hour: number;
  readonly produced: number;
  readonly evicted: number;
  /** Of what is queued or was delivered: as minutes that stand for it. */
  readonly thinned: number;
  /** Changes since the hub confirmed this line. */
  readonly version: number;
}

export interface RejectedSample {
  readonly at: number;
  readonly source: string;
  readonly reason: string;
  readonly topic: string;
  readonly payload: string;
}
