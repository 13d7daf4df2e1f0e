/**
 * The port between sources and the next stage (journal and commit): only types, plain data and typed arrays, so that a batch
 * can be transferred to a worker.
 *
 * Contract: a source hands over what it decoded in arrival order; a token stands for somebody who waits (a PUBACK, an HTTP
 * reply). The core calls `release` with a token only after the commit holding its batch is durable, tokens of one source in
 * the order in which they were submitted, each exactly once.
 */
import type { ValueType } from '@fogline/shared/reading';

/** Chosen by the source; unique within the source and this process start. */
export type Token = number;

/** What a source series is. The core maps (source, id) to a durable series; ids live as long as the process. */
export interface SourceSeriesDefinition {
  /** Dense within the source: the first definition is 0, each next one 1 more. */
  readonly id: number;
  readonly device: string;
  readonly metric: string;
  /** '' when unknown. */
  readonly unit: string;
  readonly type: ValueType;
  /** Further captures of the topic, sorted by key. */
  readonly tags: readonly (readonly [key: string, value: string])[];
}

/** Rows in ARRIVAL order, not sorted by series. Every array is exactly `count` long. */
export interface SourceColumns {
  readonly count: number;
  /** `SourceSeriesDefinition.id`. */
  readonly series: Uint32Array;
  /** Integer milliseconds since the epoch, UTC. */
  readonly time: Float64Array;
  /** float64, never NaN or infinite; booleans 0/1; with `flagText` an index into `strings`. */
  readonly value: Float64Array;
  /** As `ReadingColumns.flags`. */
  readonly flags: Uint8Array;
  /** Each text once, in order of first use. */
  readonly strings: readonly string[];
}

/** How far a source has come in what it reads once, such as a file. Durable with the readings it stands for, or not at all. */
export interface Progress {
  /** Of the counter that adds it up; unique within the agent. */
  readonly name: string;
  /** Read since the previous batch; negative where something read before need not be remembered. A counter that comes to 0 is forgotten. */
  readonly bytes: number;
}

export interface SourceBatch {
  readonly source: string;
  /** Definitions first used by this batch, ascending and contiguous ids, going on from the previous batch of the source. */
  readonly newSeries: readonly SourceSeriesDefinition[];
  readonly columns: SourceColumns;
  /** Per row: 1 = `time` came from the payload, 0 = `time` is the agent's arrival time. */
  readonly hasSourceTime: Uint8Array;
  /** Who waits for this batch, in arrival order. A batch may hold tokens and no rows. */
  readonly tokens: readonly Token[];
  /** Each counter once. */
  readonly progress?: readonly Progress[];
}

export interface IngestPort {
  submit(batch: SourceBatch): void;
  /** Everybody at a door waits for a commit: gathering longer for their sake gains nothing. */
  hurry?(): void;
}

/**
 * Hears of every message, or value of one, that became no reading. `payload` is a view, valid until this returns; undefined when there
 * is nothing to investigate and counting is enough.
 */
export type RejectionListener = (
  source: string,
  reason: string,
  topic: string,
  payload: Uint8Array | undefined,
) => void;

/** What the core may do with a source. */
export interface SourceControl {
  /** The batches holding these tokens are durable. */
  release(source: string, tokens: readonly Token[]): void;
  /** Overload: take nothing more from senders that can wait, and drop and count what cannot. */
  pause(): void;
  resume(): void;
}
