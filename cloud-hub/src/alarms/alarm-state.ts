/**
 * The state of one alarm as the hub knows it (decision 0014). Pure, and the same for any order in which its transitions arrive: the word with the
 * latest place is the state, and an activation begins with the first `active` after the latest end.
 */
import { type TransitionWord, transitionWords } from '@fogline/shared/protocol/alarm-stream';

/** Event time, epoch of the agent ('' for what the hub decides), and the place among those of one time and epoch. */
export type Place = readonly [timeMs: number, epoch: string, seq: number];

/** Words of transitions that are states; those are told to webhooks, too. */
export const toldStates = ['active', 'cleared', 'stale', 'ended'] as const;
/** `unknown`: something was heard of the alarm, but not yet what it is. */
export const alarmStates = ['active', 'stale', 'cleared', 'ended', 'unknown'] as const;
export type AlarmWord = (typeof alarmStates)[number];

export interface Transition {
  readonly word: TransitionWord;
  readonly place: Place;
}

export interface Acknowledgement {
  /** Name of a token, `shell:USER`, or '' for somebody at the agent. */
  readonly by: string;
  readonly atMs: number;
  readonly note: string;
  /** The latest place that whoever gave it knew of. */
  readonly covers: Place;
}

export const shelveMsMax = 7 * 86_400_000;

export interface Shelf {
  readonly by: string;
  readonly atMs: number;
  readonly untilMs: number;
  readonly note: string;
}

export interface AlarmState {
  readonly word: AlarmWord;
  /** Of the word; null while it is unknown. */
  readonly place: Place | null;
  /** Of the latest `cleared` or `ended`. */
  readonly ended: Place | null;
  /** Where the present activation began; null when there is none. */
  readonly activated: Place | null;
  /** The one that covers most; it counts while `isAcknowledged`. */
  readonly acknowledgement: Acknowledgement | null;
  readonly shelf: Shelf | null;
  /** Of the state that was told last. */
  readonly told: Place | null;
  /** How often people did something to it. */
  readonly deeds: number;
}

export const newAlarm: AlarmState = {
  word: 'unknown',
  place: null,
  ended: null,
  activated: null,
  acknowledgement: null,
  shelf: null,
  told: null,
  deeds: 0,
};

export function transitionWordOf(text: string): TransitionWord | undefined {
  return transitionWords.find((word) => word === text);
}

function isAfter(a: Place, b: Place | null): boolean {
  if (b === null || a[0] !== b[0]) return b === null || a[0] > b[0];
  return a[1] === b[1] ? a[2] > b[2] : a[1] > b[1];
}

/** `firstActiveAfter`: among all transitions known, this one included. The state is the same object where nothing changed. */
export function withTransition(
  state: AlarmState,
  { word, place }: Transition,
  firstActiveAfter: (end: Place) => Place | null,
): AlarmState {
  if (word === 'acknowledged') {
    return acknowledged(state, { by: '', atMs: place[0], note: '', covers: place });
  }
  const known = toldStates.find((candidate) => candidate === word);
  if (known === undefined) return state;
  const moved = isAfter(place, state.place) ? { ...state, word: known, place } : state;
  if (known === 'stale') return moved;
  if (known === 'active') {
    if (!isAfter(place, state.ended)) return moved;
    const isFirst = state.activated === null || isAfter(state.activated, place);
    return isFirst ? { ...moved, activated: place } : moved;
  }
  if (!isAfter(place, state.ended)) return moved;
  const goesOn = state.activated !== null && isAfter(state.activated, place);
  return { ...moved, ended: place, activated: goesOn ? state.activated : firstActiveAfter(place) };
}

export function acknowledged(state: AlarmState, given: Acknowledgement): AlarmState {
  const { acknowledgement } = state;
  if (acknowledgement !== null && isAfter(acknowledgement.covers, given.covers)) return state;
  return { ...state, acknowledgement: given };
}

/** The acknowledgement of the present activation. */
export function acknowledgementOf({ activated, acknowledgement }: AlarmState): Acknowledgement | null {
  if (activated === null || acknowledgement === null) return null;
  return isAfter(activated, acknowledgement.covers) ? null : acknowledgement;
}

/** Whether its state is beyond what was told. */
export function isUntold({ place, told }: AlarmState): boolean {
  return place !== null && isAfter(place, told);
}

/** A shelf of a clock that was far ahead is none. */
export function isShelved({ shelf }: AlarmState, nowMs: number): boolean {
  return shelf !== null && nowMs < shelf.untilMs && shelf.untilMs - nowMs <= shelveMsMax;
}
