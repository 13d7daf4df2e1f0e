/**
 * States of alarms as they are stored with a checkpoint. An alarm keeps its state as long as its name and what it looks at stay the same: a
 * level that is tuned, or a window of another width, must not switch a fan off and on again.
 */
import type { SeriesDefinition } from '@fogline/shared/reading';
import { Packr } from 'msgpackr';
import type { OperatorState } from '../pipeline/branch.ts';
import type { AlarmConfig } from './alarm-config.ts';
import { type AlarmState, newAlarmState } from './alarm-machine.ts';

const stateVersion = 1;
const packr = new Packr({ useRecords: false });
/** Of what all alarms share. */
export const overallKey = 'alarms';

export interface StoredInstance {
  readonly device: string;
  readonly tags: SeriesDefinition['tags'];
  readonly state: AlarmState;
}

export interface Overall {
  readonly startedAt: number;
  readonly nextAction: number;
}

export function keyOfAlarm({ name, watches }: AlarmConfig): string {
  return JSON.stringify(['alarm', name, watches.stream, watches.metric, watches.aggregate]);
}

export function packOverall(overall: Overall): OperatorState {
  return { key: overallKey, state: packr.pack([stateVersion, overall]) };
}

export function unpackOverall(states: ReadonlyMap<string, Uint8Array>): Overall | undefined {
  const state = states.get(overallKey);
  return state === undefined ? undefined : (unpack(state) as Overall);
}

export function packInstances(alarm: AlarmConfig, instances: readonly StoredInstance[]): OperatorState {
  return { key: keyOfAlarm(alarm), state: packr.pack([stateVersion, instances.map(rowOf)]) };
}

export function unpackInstances(alarm: AlarmConfig, states: ReadonlyMap<string, Uint8Array>): StoredInstance[] {
  const stored = states.get(keyOfAlarm(alarm));
  return stored === undefined ? [] : (unpack(stored) as Row[]).map(instanceOf);
}

/** Most devices never had an alarm: of them only the last reading is stored. */
type Row = [
  device: string,
  tags: SeriesDefinition['tags'],
  time: number,
  value: number | string,
  seenAt: number,
  rest?: Omit<AlarmState, 'time' | 'value' | 'seenAt' | 'isSettled'>,
];

function rowOf({ device, tags, state }: StoredInstance): Row {
  const { time, value, seenAt, isSettled, ...rest } = state;
  const isPlain = rest.phase === 'normal' && !rest.isStale && rest.toldAt === Number.NEGATIVE_INFINITY;
  return isPlain && isSettled ? [device, tags, time, value, seenAt] : [device, tags, time, value, seenAt, rest];
}

function instanceOf([device, tags, time, value, seenAt, rest]: Row): StoredInstance {
  // The steps may be others now: where they were driven to is looked at again with the next reading.
  const isSettled = rest === undefined;
  return { device, tags, state: { ...newAlarmState(), ...rest, time, value, seenAt, isSettled } };
}

function unpack(state: Uint8Array): unknown {
  const [version, content] = packr.unpack(state) as [number, unknown];
  if (version !== stateVersion) throw new RangeError(`alarm state version ${version}, expected ${stateVersion}`);
  return content;
}
