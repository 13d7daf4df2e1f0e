/** What the core needs to know, resolved: units in names, no optional fields, plain data that can be stored and compared. */
import type { Lane, LaneName } from '@fogline/shared/protocol/limits';
import type { AlarmConfig } from './alarms/alarm-config.ts';

/** By metric. */
export type ConvertConfig = Readonly<
  Record<string, { readonly rename?: string; readonly unit?: string; readonly scale: number; readonly offset: number }>
>;

/** By metric. */
export type CheckConfig = Readonly<
  Record<
    string,
    {
      readonly range?: { readonly min: number; readonly max: number };
      /** Fastest plausible change, in the metric's unit per millisecond. */
      readonly ratePerMs?: number;
      /** Longest time for which a value may plausibly stand still. */
      readonly stuckMs?: number;
    }
  >
>;

export interface ExpressionConfig {
  readonly text: string;
  /** How old a value may be that stands in for one that the moment lacks; 0 = none may. */
  readonly holdMs: number;
}

export interface DeriveConfig extends ExpressionConfig {
  readonly metric: string;
  readonly unit: string;
}

export interface DeadbandConfig {
  /** Metric → smallest change that is sent, in the metric's unit; of metrics that are neither here nor in `shares`, every change is sent. */
  readonly thresholds: Readonly<Record<string, number>>;
  /** Metric → smallest change that is sent, as a share of the value sent last. */
  readonly shares?: Readonly<Record<string, number>>;
  /** A value is sent again after this long even if it did not change. */
  readonly heartbeatMs: number;
}

export interface SwingingDoorConfig {
  /** Metric → how far a reading may lie from the line between those that are sent; of other metrics every reading is sent. */
  readonly bounds: Readonly<Record<string, number>>;
  readonly maxGapMs: number;
}

export interface WindowConfig {
  readonly everyMs: number;
  readonly latenessMs: number;
  /** Partials carry a quantile sketch. */
  readonly hasSketch: boolean;
}

/** Windows that overlap. */
export interface HoppingConfig extends WindowConfig {
  readonly widthMs: number;
  /** Names of aggregates; one series each. */
  readonly compute: readonly string[];
}

/** One branch: what comes from a source or another branch goes through the operators in the order of these fields into one stream. */
export interface PipelineConfig {
  /** The stream's name. */
  readonly name: string;
  /** A source, or a pipeline. */
  readonly from: string;
  readonly isFromPipeline?: true;
  /** Metrics that are taken; absent: all. */
  readonly only?: readonly string[];
  readonly convert?: ConvertConfig;
  readonly check?: CheckConfig;
  readonly derive?: readonly DeriveConfig[];
  readonly where?: ExpressionConfig;
  readonly deadband?: DeadbandConfig;
  readonly swingingDoor?: SwingingDoorConfig;
  readonly throttleMs?: number;
  readonly sampleMs?: number;
  readonly window?: WindowConfig;
  readonly hopping?: HoppingConfig;
  readonly lane: Lane;
  /** The stream stays on the agent, for other pipelines and alarms. */
  readonly isLocal?: true;
}

/** `thin_to_1m`: minutes stand for what can be aggregated; then the oldest goes. */
export type FullPolicy = 'drop_oldest' | 'thin_to_1m' | 'keep';

export interface BufferConfig {
  /** `prompt` commits within milliseconds; `flash` does so while its byte budget lasts, else once a second. */
  readonly commit: 'flash' | 'prompt';
  readonly flashBytesPerDay: number;
  /** Bytes of database pages in use. */
  readonly sizeBytesMax: number;
  readonly ageMsMax: number;
  /** Of its file system so much is left to others, as long as the database has `sizeBytesMin`. */
  readonly keepFree?: { readonly bytes: number; readonly sizeBytesMin: number };
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
  readonly alarms: readonly AlarmConfig[];
  readonly buffer: BufferConfig;
  readonly uplink: UplinkConfig;
}
