/**
 * One alarm of one device: normal, pending (the condition holds, `for` has not passed), active; with it what its outputs were driven to.
 * Pure: (state, input, now) → state and effects; nothing but readings, control inputs, outcomes of actions and the `now` of commits enters,
 * so a replay of the journal gives the same states and effects.
 *
 * `for` is met by event time when a newer reading comes, for until then the value stood, and by `now` when none comes; the alarm is active from
 * the same time either way, whatever commits there were. Outputs are driven when what they
 * should be differs from what they were driven to, and only on evidence that is not older than the action's expiry: a backlog starts
 * no fan, the first fresh reading after it does.
 */
import type { TransitionWord } from '@fogline/shared/protocol/alarm-stream';
import type { AlarmConfig, OutputPhase } from './alarm-config.ts';
import { judge, type Verdict } from './condition.ts';

export type Effect =
  | { readonly kind: 'tell'; readonly word: TransitionWord; readonly time: number }
  | { readonly kind: 'act'; readonly step: number; readonly phase: OutputPhase }
  /** An action that was not decided, and why. */
  | { readonly kind: 'spared'; readonly why: 'suppressed' | 'outdated' };

/** An actuator's answer that is waited for. */
export interface Expected {
  readonly action: number;
  readonly step: number;
  readonly via: string;
  readonly topic: string;
  readonly payload: string;
  readonly withinMs: number;
  /** Infinity until the action was carried out. */
  dueAt: number;
  isOverdue: boolean;
}

export interface AlarmState {
  phase: 'normal' | 'pending' | 'active';
  isStale: boolean;
  isAcknowledged: boolean;
  /** Event time and value of the last reading. */
  time: number;
  value: number | string;
  /** `now` of the commit that brought it. */
  seenAt: number;
  /** Since when the condition has held, by event time and by `now`. */
  since: number;
  sinceAt: number;
  /** Time of the last transition; each is later than the one before. */
  toldAt: number;
  /** By step, what it was last driven to. */
  driven: (OutputPhase | 'none')[];
  /** Every step was driven to where it should be. */
  isSettled: boolean;
  /** The present activation was found to be one too many. */
  isSuppressed: boolean;
  /** `now` of recent activations that acted. */
  activations: number[];
  expected: Expected[];
}

export function newAlarmState(): AlarmState {
  return {
    phase: 'normal',
    isStale: false,
    isAcknowledged: false,
    time: Number.NEGATIVE_INFINITY,
    value: 0,
    seenAt: Number.NEGATIVE_INFINITY,
    since: 0,
    sinceAt: 0,
    toldAt: Number.NEGATIVE_INFINITY,
    driven: [],
    isSettled: true,
    isSuppressed: false,
    activations: [],
    expected: [],
  };
}

/** After a start, silence counts for so long at least before it is told: devices need time to come back. */
const settleMs = 60_000;
const none: readonly Effect[] = [];

/** A reading that is not bad. One that is not newer than the last is late and changes nothing. */
export function onReading(
  alarm: AlarmConfig,
  state: AlarmState,
  time: number,
  value: number | string,
  now: number,
): readonly Effect[] {
  if (time <= state.time) return none;
  const verdict = judge(alarm.condition, value);
  if (verdict === 'unusable') return none;
  const stoodUntil = alarm.staleAfterMs === 0 ? time : Math.min(time, state.time + alarm.staleAfterMs);
  state.time = time;
  state.value = value;
  state.seenAt = now;
  const isQuiet = state.phase === 'normal' ? verdict !== 'holds' : state.phase === 'active' && verdict !== 'clears';
  if (isQuiet && state.isSettled && !state.isStale) return none;
  const effects: Effect[] = [];
  const wasStale = state.isStale;
  state.isStale = false;
  if (state.phase === 'pending' && (verdict === 'holds' ? time : stoodUntil) - state.since >= alarm.forMs) {
    activate(state, state.since + alarm.forMs, effects);
    if (verdict === 'clears') drive(alarm, state, state.since + alarm.forMs, now, effects);
  }
  advance(alarm, state, verdict, time, now, effects);
  if (wasStale && effects.length === 0) tell(state, state.phase === 'active' ? 'active' : 'cleared', time, effects);
  drive(alarm, state, time, now, effects);
  return effects;
}

/** Whether such a reading would bring about a transition, as far as it can be told without its commit. */
export function wouldTell(alarm: AlarmConfig, state: AlarmState, time: number, value: number | string): boolean {
  if (time <= state.time) return false;
  const verdict = judge(alarm.condition, value);
  if (verdict === 'unusable') return false;
  if (state.isStale) return true;
  if (state.phase === 'active') return verdict === 'clears';
  return state.phase === 'pending' ? time - state.since >= alarm.forMs : verdict === 'holds' && alarm.forMs === 0;
}

/** Fires what is due by `now`, in order of when it was due. `startedAt`: when this agent last started. */
export function onTick(alarm: AlarmConfig, state: AlarmState, now: number, startedAt: number): readonly Effect[] {
  let effects: Effect[] | undefined;
  for (;;) {
    const forAt = forDueAt(alarm, state);
    const silentAt = silenceDueAt(alarm, state, startedAt);
    const confirmAt = confirmDueAt(state);
    const at = Math.min(forAt, silentAt, confirmAt);
    if (at > now || at === Number.POSITIVE_INFINITY) return effects ?? none;
    effects ??= [];
    if (at === confirmAt) {
      for (const expected of state.expected) if (expected.dueAt === at) expected.isOverdue = true;
      tell(state, 'unconfirmed', at, effects);
    } else if (at === silentAt) {
      becomeSilent(alarm, state, at, effects);
      drive(alarm, state, now, now, effects);
    } else {
      activate(state, state.since + alarm.forMs, effects);
      drive(alarm, state, state.since + alarm.forMs, now, effects);
    }
  }
}

/** When `onTick` has something to do; Infinity when never. */
export function dueAt(alarm: AlarmConfig, state: AlarmState, startedAt: number): number {
  return Math.min(forDueAt(alarm, state), silenceDueAt(alarm, state, startedAt), confirmDueAt(state));
}

export function onAcknowledge(state: AlarmState, time: number): readonly Effect[] {
  if (state.phase !== 'active' || state.isAcknowledged) return none;
  state.isAcknowledged = true;
  return told(state, 'acknowledged', time);
}

/** The actuator said that it did what the action asked for. */
export function onConfirm(state: AlarmState, action: number, time: number): readonly Effect[] {
  const expected = state.expected.find((candidate) => candidate.action === action);
  if (expected === undefined) return none;
  state.expected = state.expected.filter((other) => other !== expected);
  return told(state, 'confirmed', time);
}

/** What became of an action, from the commit that records it. The time for its confirmation runs from here. */
export function onOutcome(
  state: AlarmState,
  action: number,
  outcome: 'done' | 'expired' | 'dropped',
  now: number,
): readonly Effect[] {
  const expected = state.expected.find((candidate) => candidate.action === action);
  if (outcome === 'done') {
    if (expected !== undefined) expected.dueAt = now + expected.withinMs;
    return none;
  }
  state.expected = state.expected.filter((other) => other !== expected);
  return told(state, outcome, now);
}

/** An action of this step was decided: what an earlier one was to bring about is not waited for any more. */
export function expect(state: AlarmState, step: number, next: Expected | undefined): void {
  if (state.expected.length > 0) state.expected = state.expected.filter((other) => other.step !== step);
  if (next !== undefined) state.expected = [...state.expected, next];
}

/** The alarm is gone from the configuration: what it drives is let go, and whoever saw it active hears that it ended. */
export function onEnd(alarm: AlarmConfig, state: AlarmState, now: number): readonly Effect[] {
  const effects: Effect[] = [];
  if (state.phase === 'active' || state.isStale) tell(state, 'ended', now, effects);
  state.phase = 'normal';
  state.isStale = false;
  drive(alarm, state, now, now, effects);
  return effects;
}

/** The agent starts. Where the wall clock was set back while it did not run, nothing was later than now: silence is noticed in its time. */
export function onStart(state: AlarmState, now: number): void {
  state.seenAt = Math.min(state.seenAt, now);
  state.sinceAt = Math.min(state.sinceAt, now);
  state.activations = state.activations.map((at) => Math.min(at, now));
  for (const expected of state.expected)
    if (Number.isFinite(expected.dueAt)) expected.dueAt = Math.min(expected.dueAt, now + expected.withinMs);
}

/** The wall clock was set: what is reckoned by it moves along. */
export function onClockStep(state: AlarmState, stepMs: number): void {
  state.seenAt += stepMs;
  state.sinceAt += stepMs;
  state.activations = state.activations.map((at) => at + stepMs);
  for (const expected of state.expected) expected.dueAt += stepMs;
}

function advance(
  alarm: AlarmConfig,
  state: AlarmState,
  verdict: Verdict,
  time: number,
  now: number,
  effects: Effect[],
): void {
  if (state.phase === 'active') {
    if (verdict !== 'clears') return;
    state.phase = 'normal';
    state.isAcknowledged = false;
    tell(state, 'cleared', time, effects);
    return;
  }
  if (verdict !== 'holds') {
    state.phase = 'normal';
    return;
  }
  if (state.phase === 'normal') {
    state.phase = 'pending';
    state.since = time;
    state.sinceAt = now;
  }
  if (alarm.forMs === 0) activate(state, time, effects);
}

function activate(state: AlarmState, time: number, effects: Effect[]): void {
  state.phase = 'active';
  tell(state, 'active', time, effects);
}

function becomeSilent({ condition }: AlarmConfig, state: AlarmState, at: number, effects: Effect[]): void {
  if (condition.kind === 'missing') {
    state.since = at;
    activate(state, at, effects);
    return;
  }
  state.isStale = true;
  // A value that is stale does not stand any more.
  if (state.phase === 'pending') state.phase = 'normal';
  tell(state, 'stale', at, effects);
}

/** Decides actions. `evidence`: the time of what they are based on. */
function drive(alarm: AlarmConfig, state: AlarmState, evidence: number, now: number, effects: Effect[]): void {
  const { steps, atMost } = alarm;
  const isTransition = effects.length > 0;
  const wanted = state.isStale ? 'stale' : state.phase === 'active' ? 'active' : 'cleared';
  if (wanted !== 'active') state.isSuppressed = false;
  let isSettled = true;
  let isLimited: boolean | undefined;
  let hasActed = false;
  let isOutdated = false;
  for (let step = 0; step < steps.length; step++) {
    const config = steps[step];
    const driven = state.driven[step] ?? 'none';
    // An output that was never driven needs no clearing.
    if (config === undefined || driven === wanted || (wanted === 'cleared' && driven === 'none')) continue;
    if (config.payloads[wanted] !== undefined) {
      const isFresh = now - evidence <= config.expiresMs + alarm.inputDelayMs;
      if (wanted === 'active' && isFresh) isLimited ??= isOneTooMany(state, atMost, now);
      if (!isFresh || isLimited === true) {
        isSettled = false;
        isOutdated ||= !isFresh;
        continue;
      }
      effects.push({ kind: 'act', step, phase: wanted });
      hasActed = true;
    }
    state.driven[step] = wanted;
  }
  state.isSettled = isSettled;
  if (hasActed && wanted === 'active' && atMost !== undefined) state.activations.push(now);
  if (isLimited === true && !state.isSuppressed) {
    state.isSuppressed = true;
    effects.push({ kind: 'spared', why: 'suppressed' });
  }
  if (isOutdated && isTransition) effects.push({ kind: 'spared', why: 'outdated' });
}

function isOneTooMany(state: AlarmState, atMost: AlarmConfig['atMost'], now: number): boolean {
  if (atMost === undefined) return false;
  state.activations = state.activations.filter((at) => at > now - atMost.perMs);
  return state.activations.length >= atMost.count;
}

function forDueAt({ forMs }: AlarmConfig, state: AlarmState): number {
  return state.phase === 'pending' ? state.sinceAt + forMs : Number.POSITIVE_INFINITY;
}

function silenceDueAt({ condition, staleAfterMs }: AlarmConfig, state: AlarmState, startedAt: number): number {
  const isMissing = condition.kind === 'missing';
  const afterMs = isMissing ? condition.afterMs : staleAfterMs;
  const isTold = isMissing ? state.phase === 'active' : state.isStale;
  if (afterMs === 0 || isTold || state.time === Number.NEGATIVE_INFINITY) return Number.POSITIVE_INFINITY;
  return Math.max(state.seenAt + afterMs, startedAt + Math.min(afterMs, settleMs));
}

function confirmDueAt({ expected }: AlarmState): number {
  let due = Number.POSITIVE_INFINITY;
  for (const { dueAt: at, isOverdue } of expected) if (!isOverdue && at < due) due = at;
  return due;
}

function told(state: AlarmState, word: TransitionWord, time: number): readonly Effect[] {
  const effects: Effect[] = [];
  tell(state, word, time, effects);
  return effects;
}

/** Whatever clocks they come from, the transitions of one alarm follow each other. */
function tell(state: AlarmState, word: TransitionWord, time: number, effects: Effect[]): void {
  state.toldAt = Math.max(Math.round(time), state.toldAt + 1);
  effects.push({ kind: 'tell', word, time: state.toldAt });
}
