/** What the core needs to know, resolved: units in names, no optional fields, plain data that can be stored and compared. */
import type { Lane, LaneName } from '@fogline/shared/protocol/limits';
import type { AlarmConfig } from './alarms/alarm-config.ts';

export interface DeadbandConfig {
  /** Metric → smallest change that is sent, in the metric's unit; of other metrics every change is sent. */
  readonly thresholds: Readonly<Record<string, number>>;
  /** A value is sent again after this long even if it did not change. */
  readonly heartbeatMs: number;
}

export interface WindowConfig {
  readonly everyMs: number;
  readonly latenessMs: number;
  /** Partials carry a quantile sketch. */
  readonly hasSketch: boolean;
}

/** One branch: what comes from a source or another branch goes through the operators in the order of these fields into one stream. */
export interface PipelineConfig {
  /** The stream's name. */
  readonly name: string;
  /** A source, or a pipeline. */
  readonly from: string;
  readonly isFromPipeline?: true;
  readonly deadband?: DeadbandConfig;
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
  readonly alarms: readonly AlarmConfig[];
  readonly buffer: BufferConfig;
  readonly uplink: UplinkConfig;
}
