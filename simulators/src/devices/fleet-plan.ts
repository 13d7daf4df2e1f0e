/** A fleet as the program uses it: units resolved, names checked, keys drawn from the seed. Types only. */
import type { Qos } from '../fleet/wire.ts';
import type { Signal } from '../signals/signal.ts';
import type { Fault } from './faults.ts';

export interface FleetPlan {
  readonly seed: number;
  readonly target: Target;
  /** One a lane. */
  readonly connections: number;
  /** Undefined = another one in each run. */
  readonly clientPrefix: string | undefined;
  /** Unacked messages a connection. */
  readonly inflight: number;
  /** Source time at which live begins; undefined = now. */
  readonly startMs: number | undefined;
  /** Of live; Infinity = until stopped. */
  readonly durationMs: number;
  readonly backfillMs: number;
  /** Source time a second; 0 = as fast as acks allow. */
  readonly speed: number;
  /** Absolute; undefined = none. */
  readonly truth: string | undefined;
  readonly types: readonly TypePlan[];
  /** Empty = all devices are there all the time. */
  readonly stages: readonly Stage[];
  readonly expect: Expectations;
}

export type Target =
  | {
      readonly kind: 'mqtt';
      readonly url: string;
      readonly username?: string;
      readonly password?: string;
      readonly ca?: string;
    }
  | { readonly kind: 'http'; readonly url: string; readonly token?: string };

/** The share of devices changes evenly from `from` to `to`. */
export interface Stage {
  readonly startMs: number;
  readonly endMs: number;
  readonly from: number;
  readonly to: number;
}

/** Undefined = nothing is expected. */
export interface Expectations {
  readonly acked: number | undefined;
  readonly rate: number | undefined;
  readonly latencyP50Ms: number | undefined;
  readonly latencyP99Ms: number | undefined;
  readonly reconnects: number | undefined;
}

export interface TypePlan {
  readonly name: string;
  readonly count: number;
  /** What a device's own key is made of. */
  readonly key: number;
  readonly id: IdPattern;
  readonly topic: TopicPattern;
  readonly tags: readonly Tag[];
  readonly format: 'json' | 'line';
  readonly measurement: string;
  readonly timeField: string;
  readonly qos: Qos;
  readonly intervalMs: number;
  readonly jitterMs: number;
  readonly backfillIntervalMs: number;
  readonly metrics: readonly MetricPlan[];
  readonly actuators: readonly ActuatorPlan[];
  readonly faults: readonly Fault[];
}

/** `room-{n:4}` */
export interface IdPattern {
  readonly before: string;
  readonly width: number;
  readonly after: string;
}

export interface Tag {
  readonly name: string;
  readonly values: readonly string[];
}

/** Texts with what stands between them: −1 = the device, else the index of a tag. One text more than captures. */
export interface TopicPattern {
  readonly texts: readonly string[];
  readonly captures: readonly number[];
}

export interface MetricPlan {
  readonly name: string;
  readonly field: string;
  readonly signal: Signal;
}

export interface ActuatorPlan {
  readonly name: string;
  readonly command: TopicPattern;
  readonly state: TopicPattern | undefined;
  readonly on: string;
  readonly off: string;
  readonly takesMs: number;
  readonly effect: { readonly metric: number; readonly change: number; readonly withinMs: number } | undefined;
}
