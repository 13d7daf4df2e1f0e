/**
 * An action is a row of the commit that decided it: rendered, so that a change of configuration does not change it. It is carried out after
 * that commit, and again after a crash as long as it has not expired: at least once, never after its expiry.
 */
import type { OutputPhase } from '../alarms/alarm-config.ts';

export type ActionCall =
  | {
      readonly kind: 'publish';
      /** The source to whose broker it goes. */
      readonly via: string;
      readonly topic: string;
      readonly payload: string;
      readonly qos: 0 | 1 | 2;
      readonly retain: boolean;
    }
  | { readonly kind: 'webhook'; readonly url: string; readonly payload: string };

export interface Action {
  /** Ascending within a database. */
  readonly id: number;
  readonly alarm: string;
  readonly device: string;
  readonly tags: readonly (readonly [key: string, value: string])[];
  /** Index in the alarm's `then`. */
  readonly step: number;
  readonly phase: OutputPhase;
  /** `now` of the commit. */
  readonly at: number;
  readonly expiresAt: number;
  readonly call: ActionCall;
}

/** `dropped`: given up before its expiry, because too many waited. */
export const outcomes = ['done', 'expired', 'dropped'] as const;
export type Outcome = (typeof outcomes)[number];

/** What became of an action, recorded by a later commit. */
export type ActionOutcome = readonly [id: number, outcome: Outcome];
