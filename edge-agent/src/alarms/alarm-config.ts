/** What an alarm is, resolved: plain data that can be stored and compared. */

export const severities = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** What an alarm looks at. */
export interface MetricReference {
  readonly stream: string;
  readonly metric: string;
  /** Of the partials of a window: mean, min, max, count, sum, first, last or a percentile such as p95; '' = the readings themselves. */
  readonly aggregate: string;
}

/** Levels without a clear level clear as soon as they do not hold. */
export type Condition =
  | { readonly kind: 'above'; readonly level: number; readonly clearBelow?: number }
  | { readonly kind: 'below'; readonly level: number; readonly clearAbove?: number }
  | {
      readonly kind: 'outside';
      readonly low: number;
      readonly high: number;
      readonly clearAbove?: number;
      readonly clearBelow?: number;
    }
  | { readonly kind: 'equals'; readonly value: number | string }
  | { readonly kind: 'missing'; readonly afterMs: number };

/** What outputs are driven to: the alarm is active, it is not any more, nobody knows because its input is stale. */
export const outputPhases = ['active', 'cleared', 'stale'] as const;
export type OutputPhase = (typeof outputPhases)[number];

/** By phase; null = a JSON document of the transition, absent = nothing is done in this phase. */
export type Payloads = Readonly<Partial<Record<OutputPhase, string | null>>>;

export interface ConfirmConfig {
  /** With `{device}` and tags, as all topics here. */
  readonly topic: string;
  readonly payloads: Readonly<Partial<Record<OutputPhase, string>>>;
  readonly withinMs: number;
}

interface StepBase {
  readonly payloads: Payloads;
  /** After so long it is not carried out any more. */
  readonly expiresMs: number;
}

export type AlarmStep =
  | (StepBase & {
      readonly kind: 'publish';
      /** The source to whose broker it goes. */
      readonly via: string;
      readonly topic: string;
      readonly qos: 0 | 1 | 2;
      readonly retain: boolean;
      readonly confirm?: ConfirmConfig;
    })
  | (StepBase & { readonly kind: 'webhook'; readonly url: string });

export interface AlarmConfig {
  readonly name: string;
  readonly watches: MetricReference;
  readonly condition: Condition;
  /** How long the condition holds before the alarm is active. */
  readonly forMs: number;
  readonly severity: Severity;
  /** Without a reading for so long, nobody knows; 0 = never. */
  readonly staleAfterMs: number;
  /** How late the input itself tells: a window is known only when it closes. */
  readonly inputDelayMs: number;
  /** Of activations of one device that act; those beyond are suppressed. */
  readonly atMost?: { readonly count: number; readonly perMs: number };
  readonly steps: readonly AlarmStep[];
}
