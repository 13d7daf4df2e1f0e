/**
 * All alarms of an agent: from the items of streams to transitions and actions, one machine per alarm, device and tags. Deterministic as the
 * operators of a pipeline are (alarm-machine.ts): saved with a checkpoint, rebuilt by a replay, whose effects the caller throws away.
 *
 * Deltas, late readings and `bad` quality change nothing. A transition is a text reading of the stream `alarms` on the lane alarm, its
 * metric the name of the alarm.
 */

import { readAggregate } from '@fogline/shared/aggregate/names';
import { Partial } from '@fogline/shared/aggregate/partial';
import { alarmLane, alarmStream } from '@fogline/shared/protocol/alarm-stream';
import {
  flagQualityMask,
  flagText,
  quality,
  type ReadingColumns,
  type SeriesDefinition,
  type WindowColumns,
} from '@fogline/shared/reading';
import type { Action, Outcome } from '../actions/action.ts';
import type { OperatorState, StreamItems } from '../pipeline/branch.ts';
import { ColumnBuilder, runEnd } from '../pipeline/columns.ts';
import type { SeriesRegistry } from '../pipeline/operator.ts';
import type { AlarmConfig } from './alarm-config.ts';
import * as machine from './alarm-machine.ts';
import { keyOfAlarm, overallKey, packInstances, packOverall, unpackInstances, unpackOverall } from './alarm-state.ts';
import { parseCommand } from './commands.ts';
import { actionOf, type Decision } from './decide.ts';
import { type Answer, Expectations } from './expectations.ts';

/** Of one alarm; beyond it, devices are not watched, and counted. */
const instancesMax = 100_000;

export interface Instance {
  readonly alarm: AlarmConfig;
  readonly device: string;
  readonly tags: SeriesDefinition['tags'];
  readonly state: machine.AlarmState;
  /** Of the transitions, once there was one. */
  series: number | undefined;
}

const unwatched: readonly Instance[] = [];

export class Alarms {
  readonly #agent: string;
  readonly #registry: SeriesRegistry;
  readonly #byStream: ReadonlyMap<string, readonly AlarmConfig[]>;
  readonly #byAlarm: ReadonlyMap<string, Map<string, Instance>>;
  /** Who watches a series, found at its first reading. */
  readonly #bySeries = new Map<number, readonly Instance[]>();
  readonly #expectations = new Expectations();
  readonly #told = new ColumnBuilder();
  readonly #counted = new Map<string, number>();
  readonly #totals = new Map<string, number>();
  #actions: Action[] = [];
  #startedAt = Number.NEGATIVE_INFINITY;
  #nextAction = 1;
  /** Nothing is due before. */
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(agent: string, configs: readonly AlarmConfig[], registry: SeriesRegistry) {
    this.#agent = agent;
    this.#registry = registry;
    this.#byStream = Map.groupBy(configs, ({ watches }) => watches.stream);
    this.#byAlarm = new Map(configs.map(({ name }) => [name, new Map<string, Instance>()]));
  }

  /** Items of a stream, as a commit has them. */
  take(items: StreamItems, now: number): void {
    const alarms = this.#byStream.get(items.stream);
    if (alarms === undefined) return;
    const { series, count } = items.columns;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      for (const instance of this.#watching(series[from] ?? 0, alarms)) {
        if (items.kind === 'readings') this.#takeReadings(instance, items.columns, from, end, now);
        else this.#takeWindows(instance, items.columns, from, end, now);
      }
      from = end;
    }
  }

  /** Readings of the source `control` (commands.ts). */
  takeControl(columns: ReadingColumns, now: number): void {
    const { series, time, value, strings, count } = columns;
    for (let row = 0; row < count; row++) {
      const command = parseCommand(strings[value[row] ?? 0] ?? '');
      const { device, metric, tags } = this.#registry.definitionOf(series[row] ?? 0);
      if (command === undefined) continue;
      if (command.kind === 'started') this.#start(now);
      else if (command.kind === 'clock_step') this.#stepClock(command.stepMs);
      else {
        const instance = this.#byAlarm.get(metric)?.get(keyOfDevice(device, tags));
        if (instance === undefined) continue;
        const at = time[row] ?? 0;
        if (command.kind === 'acknowledge') this.#effect(instance, machine.onAcknowledge(instance.state, at), now);
        else this.#effect(instance, machine.onConfirm(instance.state, command.action, at), now);
      }
    }
  }

  /** What became of an action, in the commit that records it. */
  takeOutcome({ id, alarm, device, tags }: Action, outcome: Outcome, now: number): void {
    this.#count(`action.${outcome}`);
    const instance = this.#byAlarm.get(alarm)?.get(keyOfDevice(device, tags));
    if (instance !== undefined) this.#effect(instance, machine.onOutcome(instance.state, id, outcome, now), now);
  }

  /** Fires what is due; once per commit, after everything else. */
  tick(now: number): void {
    if (now < this.#dueAt) return;
    this.#dueAt = Number.POSITIVE_INFINITY;
    for (const instance of this.#instances())
      this.#effect(instance, machine.onTick(instance.alarm, instance.state, now, this.#startedAt), now);
  }

  /** No later than when `tick` has something to do. */
  dueAt(): number {
    return this.#dueAt;
  }

  /** The transitions since the last call. */
  takeTransitions(): StreamItems | undefined {
    if (this.#told.count === 0) return undefined;
    const columns = this.#told.take();
    return { kind: 'readings', columns, stream: alarmStream, lane: alarmLane, isInput: false, isSent: true };
  }

  /** What was decided since the last call, in order. */
  takeActions(): Action[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** What happened since the last call, by name. */
  takeCounted(): [string, number][] {
    const counted = [...this.#counted];
    this.#counted.clear();
    for (const [name, count] of counted) this.#totals.set(name, (this.#totals.get(name) ?? 0) + count);
    return counted;
  }

  /** What happened since the start, by name. */
  get totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  get isExpecting(): boolean {
    return !this.#expectations.isEmpty;
  }

  /** What a message on a broker answers, if it is waited for. */
  answered(via: string, topic: string, payload: Uint8Array): Answer | undefined {
    return this.#expectations.match(via, topic, payload);
  }

  stateOf(alarm: string, device: string, tags: SeriesDefinition['tags']): machine.AlarmState | undefined {
    return this.#byAlarm.get(alarm)?.get(keyOfDevice(device, tags))?.state;
  }

  /** Active, pending or stale; in the order in which devices were first seen. */
  *current(alarm?: string): Generator<Instance> {
    for (const instance of this.#instances()) {
      const { phase, isStale } = instance.state;
      if ((phase !== 'normal' || isStale) && (alarm ?? instance.alarm.name) === instance.alarm.name) yield instance;
    }
  }

  keys(): string[] {
    return [overallKey, ...[...this.#configs()].map(keyOfAlarm)];
  }

  /** Ends the alarms whose keys are not kept. */
  drain(kept: ReadonlySet<string>, now: number): void {
    for (const instance of this.#instances()) {
      if (!kept.has(keyOfAlarm(instance.alarm)))
        this.#effect(instance, machine.onEnd(instance.alarm, instance.state, now), now);
    }
  }

  save(): OperatorState[] {
    const overall = packOverall({ startedAt: this.#startedAt, nextAction: this.#nextAction });
    const alarms = [...this.#configs()].map((config) =>
      packInstances(config, [...(this.#byAlarm.get(config.name)?.values() ?? [])]),
    );
    return [overall, ...alarms];
  }

  /** Restores the alarms whose keys are found; the others are new. */
  restore(states: readonly OperatorState[]): void {
    const byKey = new Map(states.map(({ key, state }) => [key, state]));
    const overall = unpackOverall(byKey);
    if (overall !== undefined) {
      this.#startedAt = overall.startedAt;
      this.#nextAction = overall.nextAction;
    }
    for (const config of this.#configs()) {
      for (const { device, tags, state } of unpackInstances(config, byKey)) {
        const instance: Instance = { alarm: config, device, tags, state, series: undefined };
        this.#byAlarm.get(config.name)?.set(keyOfDevice(device, tags), instance);
        for (const expected of state.expected) this.#expectations.add(instance, expected);
      }
    }
    this.#dueAt = Number.NEGATIVE_INFINITY;
  }

  *#configs(): Generator<AlarmConfig> {
    for (const configs of this.#byStream.values()) yield* configs;
  }

  *#instances(): Generator<Instance> {
    for (const instances of this.#byAlarm.values()) yield* instances.values();
  }

  #takeReadings(instance: Instance, columns: ReadingColumns, from: number, end: number, now: number): void {
    const { time, value, flags, strings } = columns;
    const { alarm, state } = instance;
    for (let row = from; row < end; row++) {
      const rowFlags = flags[row] ?? 0;
      if ((rowFlags & flagQualityMask) === quality.bad) continue;
      const read = value[row] ?? 0;
      const given = (rowFlags & flagText) === 0 ? read : (strings[read] ?? '');
      const effects = machine.onReading(alarm, state, time[row] ?? 0, given, now);
      if (effects.length > 0) this.#effect(instance, effects, now);
    }
    this.#watchTime(instance);
  }

  #takeWindows(instance: Instance, columns: WindowColumns, from: number, end: number, now: number): void {
    const { alarm, state } = instance;
    const { widthMs } = this.#registry.definitionOf(columns.series[from] ?? 0);
    for (let row = from; row < end; row++) {
      if (columns.delta[row] === 1) continue;
      const partial = Partial.decode(columns.partial[row] ?? new Uint8Array(0));
      const value = readAggregate(alarm.watches.aggregate, partial);
      if (!Number.isFinite(value)) continue;
      // A window tells of its end, where its value is known.
      const effects = machine.onReading(alarm, state, (columns.start[row] ?? 0) + widthMs, value, now);
      if (effects.length > 0) this.#effect(instance, effects, now);
    }
    this.#watchTime(instance);
  }

  #watching(series: number, alarms: readonly AlarmConfig[]): readonly Instance[] {
    const known = this.#bySeries.get(series);
    if (known !== undefined) return known;
    const { metric, kind, device, tags } = this.#registry.definitionOf(series);
    const found = alarms
      .filter(({ watches }) => watches.metric === metric && (watches.aggregate === '') === (kind === 'reading'))
      .map((alarm) => this.#instanceOf(alarm, device, tags));
    const instances = found.every((instance) => instance === undefined)
      ? unwatched
      : found.filter((instance) => instance !== undefined);
    this.#bySeries.set(series, instances);
    return instances;
  }

  #instanceOf(alarm: AlarmConfig, device: string, tags: SeriesDefinition['tags']): Instance | undefined {
    const instances = this.#byAlarm.get(alarm.name);
    const key = keyOfDevice(device, tags);
    const known = instances?.get(key);
    if (known !== undefined || instances === undefined) return known;
    if (instances.size >= instancesMax) {
      this.#count('alarm.devices_max');
      return undefined;
    }
    const instance: Instance = { alarm, device, tags, state: machine.newAlarmState(), series: undefined };
    instances.set(key, instance);
    return instance;
  }

  /** Carries out what the machine asked for. */
  #effect(instance: Instance, effects: readonly machine.Effect[], now: number): void {
    for (const effect of effects) {
      if (effect.kind === 'tell') this.#tell(instance, effect.word, effect.time);
      else if (effect.kind === 'spared') this.#count(`action.${effect.why}`);
      else this.#decide(instance, effect, now);
    }
    this.#watchTime(instance);
  }

  #tell(instance: Instance, word: string, time: number): void {
    instance.series ??= this.#registry.idOf({
      stream: alarmStream,
      device: instance.device,
      metric: instance.alarm.name,
      unit: '',
      kind: 'reading',
      type: 'text',
      sampling: 'all',
      tags: instance.tags,
      widthMs: 0,
      holdMs: 0,
    });
    this.#told.pushText(instance.series, time, word, quality.good);
    this.#count(`alarm.${word}`);
  }

  #decide(instance: Instance, decision: Decision, now: number): void {
    const { alarm, device, tags, state } = instance;
    const id = this.#nextAction++;
    const made = actionOf({ agent: this.#agent, alarm, device, tags, state }, decision, id, now);
    this.#expectations.forget(instance, decision.step);
    machine.expect(state, decision.step, made?.expected);
    if (made === undefined) {
      // A name that would leave its level of the topic; it cannot be carried out, ever.
      this.#count('action.refused');
      this.#effect(instance, machine.onOutcome(state, id, 'dropped', now), now);
      return;
    }
    if (made.expected !== undefined) this.#expectations.add(instance, made.expected);
    this.#count('action.decided');
    this.#actions.push(made.action);
  }

  #start(now: number): void {
    this.#startedAt = now;
    for (const { state } of this.#instances()) machine.onStart(state, now);
    // Silence counts anew, so what was due may be due later; too early a look costs nothing.
    this.#dueAt = Number.NEGATIVE_INFINITY;
  }

  #stepClock(stepMs: number): void {
    for (const instance of this.#instances()) machine.onClockStep(instance.state, stepMs);
    this.#startedAt += stepMs;
    this.#dueAt = Number.NEGATIVE_INFINITY;
  }

  #watchTime({ alarm, state }: Instance): void {
    const due = machine.dueAt(alarm, state, this.#startedAt);
    if (due < this.#dueAt) this.#dueAt = due;
  }

  #count(name: string): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + 1);
  }
}

function keyOfDevice(device: string, tags: SeriesDefinition['tags']): string {
  return tags.length === 0 ? device : JSON.stringify([device, tags]);
}
