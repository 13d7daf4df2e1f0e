/**
 * Readings as columns. A reading is (series, time, value, quality); hot paths move many at once as typed
 * arrays and never allocate per reading.
 *
 * Canonical form, required by the codec, the pipeline and every consumer: rows sorted by ascending `series`,
 * rows of one series in arrival order (a stable sort). It makes replay deterministic: what a decoder returns is
 * what the encoder was given, row for row.
 */

/** Bits 0-1 of a row's flags. `bad` readings are kept and queryable, but enter no aggregate. */
export const quality = { good: 0, uncertain: 1, bad: 2 } as const;

export const flagQualityMask = 0b011;
/** The value is an index into `strings`. */
export const flagText = 0b100;

export interface ReadingColumns {
  readonly count: number;
  /** Series id, local to (agent, epoch); ascending. Unsigned 32 bit. */
  readonly series: Uint32Array;
  /** Event time: integer milliseconds since the epoch, UTC, |t| ≤ 2^53. */
  readonly time: Float64Array;
  /** float64, never NaN or infinite; booleans are 0/1; with `flagText` an index into `strings`. */
  readonly value: Float64Array;
  /** Quality in bits 0-1, `flagText` in bit 2; other bits are 0. */
  readonly flags: Uint8Array;
  /** States of text series, each once, in order of first use. */
  readonly strings: readonly string[];
}

export const valueTypes = ['number', 'boolean', 'text'] as const;
export type ValueType = (typeof valueTypes)[number];

/** The lossiest class of operator upstream of a series (DESIGN §3). */
export const samplings = ['all', 'held', 'subset'] as const;
export type Sampling = (typeof samplings)[number];

/**
 * What a series is. Identity is (agent, stream, device, metric, unit, kind, type, sampling, tags); `widthMs` and `holdMs` are
 * attributes of one definition of that series, so a new window width is a new definition, not a new series.
 */
export interface SeriesDefinition {
  /** The pipeline branch that emitted it. */
  readonly stream: string;
  readonly device: string;
  readonly metric: string;
  /** UCUM-like unit text, '' when unknown. */
  readonly unit: string;
  readonly kind: 'reading' | 'window';
  readonly type: ValueType;
  readonly sampling: Sampling;
  /** Further identity tags from topic captures, sorted by key. */
  readonly tags: readonly (readonly [key: string, value: string])[];
  /** Window width in ms of kind `window`; 0 for readings. */
  readonly widthMs: number;
  /** For sampling `held`: a value stands until the next, at most this long; 0 = not held. */
  readonly holdMs: number;
}

/**
 * Window items as columns, in canonical order: ascending `series`, then emission order. One row is one partial of one
 * tumbling window `[start, start + widthMs)`; width is in the series definition.
 */
export interface WindowColumns {
  readonly count: number;
  readonly series: Uint32Array;
  /** Window start, integer ms. */
  readonly start: Float64Array;
  /** 1 = a delta of late readings, to be merged; 0 = the window's own partial. */
  readonly delta: Uint8Array;
  /** Canonical bytes of each partial (aggregate/partial.ts). */
  readonly partial: readonly Uint8Array[];
}
