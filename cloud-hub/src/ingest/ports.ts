/** What ingest needs from the process around it, what it tells the rest of the hub, and its limits. */
import type { Clock } from '@fogline/shared/clock';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { DownKind } from '@fogline/shared/protocol/topics';
import type { ReadingColumns, WindowColumns } from '@fogline/shared/reading';
import { defaultRetention, type Retention } from '../store/retention.ts';

/** Windows with the width of each row: that of the definition it came under. */
export interface AppliedWindows extends WindowColumns {
  readonly widthMs: Float64Array;
}

/** One batch that was just committed, in hub series ids: rows of one series are together, ids need not ascend. */
export interface AppliedBatch {
  readonly agent: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly readings: readonly ReadingColumns[];
  readonly windows: readonly AppliedWindows[];
}

/** What one group transaction changed, after its COMMIT. */
export interface CommittedChange {
  readonly atMs: number;
  /** In the order applied. */
  readonly batches: readonly AppliedBatch[];
  /** Agents whose row, epochs, voids, report or online state changed. */
  readonly agents: ReadonlySet<string>;
}

/** A logger of shared/log fits. */
export interface IngestLog {
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface HubCorePorts {
  readonly clock: Clock;
  /** Publishes to that agent; may be lost. */
  send(agent: string, kind: DownKind, payload: Uint8Array): void;
  /**
   * Called for each batch of the lane alarm that is applied, inside its transaction: what this writes to the database is committed with the
   * batch or not at all. What it throws quarantines the message. Readings are valid until it returns.
   */
  onAlarms?(batch: AppliedBatch): void;
  /** False: nobody looks at the batches of `onCommitted`, and none are gathered. Asked before each group. */
  isWatched?(): boolean;
  /** Called once per group that changed anything. */
  onCommitted?(change: CommittedChange): void;
  readonly log?: IngestLog;
}

export interface HubLimits {
  /** Messages and bytes of one group transaction; one message always goes. */
  readonly groupMessagesMax: number;
  readonly groupBytesMax: number;
  /** In-flight window of an agent, in batches, and what it is asked down to under pressure. */
  readonly window: number;
  readonly windowUnderPressure: number;
  /** Queued bytes above which the heaviest agents are asked to slow down, and below which they may resume. */
  readonly pressureHighBytes: number;
  readonly pressureLowBytes: number;
  /** How many agents are asked at once. */
  readonly pressureAgentsMax: number;
  /** A fold is due when the tail exceeds any of these. With 100,000 series at 1 Hz it is the age: a fold writes every level of every series. */
  readonly tailBatchesMax: number;
  readonly tailBytesMax: number;
  readonly tailItemsMax: number;
  readonly tailAgeMs: number;
  /** Least items folded along with a group while a fold is under way. */
  readonly foldItemsMin: number;
  /** Ranges beyond the watermark that one (epoch, lane) may have. */
  readonly rangesMax: number;
  readonly epochsPerAgentMax: number;
  readonly seriesPerAgentMax: number;
  readonly retention: Retention;
}

export const hubLimits: HubLimits = {
  groupMessagesMax: 1024,
  groupBytesMax: 8 * 1024 * 1024,
  window: 32,
  windowUnderPressure: 1,
  pressureHighBytes: 32 * 1024 * 1024,
  pressureLowBytes: 8 * 1024 * 1024,
  pressureAgentsMax: 64,
  tailBatchesMax: 32_768,
  tailBytesMax: 32 * 1024 * 1024,
  tailItemsMax: 4_194_304,
  tailAgeMs: 30_000,
  foldItemsMin: 4096,
  rangesMax: 4096,
  epochsPerAgentMax: 262_144,
  seriesPerAgentMax: 1_000_000,
  retention: defaultRetention,
};
