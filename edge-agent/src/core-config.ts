/** What the core needs to know, resolved: units in names, no optional fields, plain data that can be stored and compared. */
import type { Lane, LaneName } from '@fogline/shared/protocol/limits';

/** How the values of a metric become those of another: `value · scale + offset`. */
export interface ConvertConfig {
  /** New name of the metric. */
  readonly name?: string;
  readonly scale: number;
  readonly offset: number;
  /** New unit. */
  readonly unit?: string;
}

/** What makes a reading of a metric doubtful. */
export interface CheckConfig {
  /** Values outside are bad. */
  readonly range?: { readonly min: number; readonly max: number };
  /** A value that moved faster than `change` per `perMs` is uncertain. */
  readonly maxRate?: { readonly change: number; readonly perMs: number };
  /** A value that did not move at all for this long is uncertain. */
  readonly stuckForMs?: number;
}

export interface ExpressionConfig {
  readonly expr: string;
  /** A metric that a message lacks counts with its last value for this long; 0 = not at all. */
  readonly holdMs: number;
}

export interface DerivedConfig extends ExpressionConfig {
  readonly unit: string;
}

export interface DeadbandConfig {
  /** Metric → smallest change that is sent, in the metric's unit; of other metrics every change is sent. */
  readonly thresholds: Readonly<Record<string, number>>;
  /** Metric → smallest change that is sent, in parts per million of the last value that was sent. */
  readonly sharesPpm?: Readonly<Record<string, number>>;
  /** A value is sent again after this long even if it did not change. */
  readonly heartbeatMs: number;
}

export interface SwingingDoorConfig {
  /** Metric → how far a reading may lie from the line between the readings that are sent, in the metric's unit; others all pass. */
  readonly bounds: Readonly<Record<string, number>>;
  /** Longest time without a reading that is sent, while there are readings. */
  readonly maxGapMs: number;
}

export interface WindowConfig {
  /** Width of a tumbling window; of hopping ones, from one to the next. */
  readonly everyMs: number;
  readonly latenessMs: number;
  /** Partials carry a quantile sketch. */
  readonly hasSketch: boolean;
  /** Windows that overlap: `widthMs` is a multiple of `everyMs`, and each aggregate of a window is a reading. */
  readonly hopping?: { readonly widthMs: number; readonly compute: readonly string[] };
}

/** One branch: what comes from a source or another branch goes through the operators in the order of these fields into one stream. */
export interface PipelineConfig {
  /** The stream's name. */
  readonly name: string;
  /** A source, or a pipeline. */
  readonly from: string;
  readonly isFromPipeline?: true;
  /** By metric as it comes in. */
  readonly convert?: Readonly<Record<string, ConvertConfig>>;
  /** By metric. */
  readonly check?: Readonly<Record<string, CheckConfig>>;
  /** By the metric that is made. */
  readonly derive?: Readonly<Record<string, DerivedConfig>>;
  readonly where?: ExpressionConfig;
  /** Metrics that go on. */
  readonly only?: readonly string[];
  readonly deadband?: DeadbandConfig;
  readonly swingingDoor?: SwingingDoorConfig;
  /** The first reading of each period goes on. */
  readonly throttle?: { readonly everyMs: number };
  /** The last reading of each period goes on. */
  readonly sample?: { readonly everyMs: number };
  readonly window?: WindowConfig;
  readonly lane: Lane;
  /** The stream stays on the agent, for other pipelines and alarms. */
  readonly isLocal?: true;
}

export type FullPolicy = 'drop_oldest' | 'keep';

export interface BufferConfig {
  /** `prompt` commits within milliseconds; `flash` does so while its byte budget lasts, else once a second. */
  readonly commit: 'flash' | 'prompt';
  readonly flashBytesPerDay: number;
  /** Bytes of database pages in use. */
  readonly sizeBytesMax: number;
  readonly ageMsMax: number;
  readonly whenFull: Readonly<Record<LaneName, FullPolicy>>;
}

export interface UplinkConfig {
  readonly token: string;
  /** Most batches in flight; the hub may ask for fewer. */
  readonly window: number;
  /** Longest wait for a batch to fill. */
  readonly lingerMs: number;
}

export interface CoreConfig {
  readonly agent: string;
  readonly software: string;
  /** Source names in configuration order. */
  readonly sources: readonly string[];
  readonly pipelines: readonly PipelineConfig[];
  readonly buffer: BufferConfig;
  readonly uplink: UplinkConfig;
}
