/**
 * Keeps the alarms of this hub: agents' transitions as their batches are applied, and what the hub's own rules decide. All of one call is in
 * one transaction, with the notifications that follow from it; a transition that is known already changes nothing.
 */
import { alarmStream } from '@fogline/shared/protocol/alarm-stream';
import { flagText } from '@fogline/shared/reading';
import type { Database } from '@fogline/shared/sqlite';
import type { AppliedBatch } from '../ingest/ports.ts';
import type { AgentInfo, SeriesInfo } from '../store/read.ts';
import { noteDeed } from './alarm-deeds.ts';
import { isShelved, isUntold, type Place, type Transition, transitionWordOf, withTransition } from './alarm-state.ts';
import { type AlarmIdentity, AlarmTable, type StoredAlarm } from './alarm-table.ts';
import type { Severity } from './severity.ts';

/** Of the store, what alarms are about. */
export interface AlarmSubjects {
  series(id: number): SeriesInfo | undefined;
  agent(name: string): AgentInfo | undefined;
}

export interface DeskPorts {
  readonly subjects: AlarmSubjects;
  /** Within the transaction: the state of this alarm is to be told. */
  tell(alarm: StoredAlarm, nowMs: number): void;
}

/** What a rule of the hub comes to. */
export interface Decision {
  readonly identity: AlarmIdentity;
  readonly severity: Severity | null;
  readonly word: 'active' | 'cleared' | 'stale' | 'ended';
  /** Event time. */
  readonly timeMs: number;
}

/** Why transitions were left out, since the start of this process. */
export interface DeskCounts {
  transitions: number;
  repeats: number;
  unreadable: number;
  beyondLimit: number;
}

const dueAtOnceMax = 100;

export class AlarmDesk {
  readonly table: AlarmTable;
  readonly counts: DeskCounts = { transitions: 0, repeats: 0, unreadable: 0, beyondLimit: 0 };
  readonly #db: Database;
  readonly #ports: DeskPorts;

  constructor(db: Database, ports: DeskPorts) {
    this.#db = db;
    this.#ports = ports;
    this.table = new AlarmTable(db);
  }

  /** Within the transaction that applies the batch. */
  applied({ agent, epoch, first, readings }: AppliedBatch, nowMs: number): void {
    const agentId = this.#ports.subjects.agent(agent)?.id;
    if (agentId === undefined) return;
    const rowsOf = new Map<number, number>();
    /** By series; null: of a series that tells of no alarm. */
    const found = new Map<number, Transition[] | null>();
    for (const { count, series, time, value, flags, strings } of readings) {
      for (let row = 0; row < count; row++) {
        const id = series[row] ?? 0;
        const ordinal = rowsOf.get(id) ?? 0;
        rowsOf.set(id, ordinal + 1);
        if (((flags[row] ?? 0) & flagText) === 0) continue;
        let transitions = found.get(id);
        if (transitions === undefined) {
          transitions = this.#isAlarm(id) ? [] : null;
          found.set(id, transitions);
        }
        if (transitions === null) continue;
        const word = transitionWordOf(strings[value[row] ?? 0] ?? '');
        if (word === undefined) this.counts.unreadable++;
        else transitions.push({ word, place: [time[row] ?? 0, epoch, first + ordinal] });
      }
    }
    for (const [series, transitions] of found) {
      if (transitions === null) continue;
      this.#take({ origin: 'agent', rule: '', agent: agentId, series }, null, transitions, nowMs);
    }
  }

  /** What the hub itself decided, in a transaction of its own. */
  decided(decisions: readonly Decision[], nowMs: number): void {
    if (decisions.length === 0) return;
    this.#db.transaction(() => {
      for (const { identity, severity, word, timeMs } of decisions) {
        const before = this.table.find(identity)?.state.place?.[0] ?? Number.NEGATIVE_INFINITY;
        // The clock may have been set back since the last decision, which this one follows all the same.
        const place: Place = [Math.max(timeMs, before + 1), '', 0];
        this.#take(identity, severity, [{ word, place }], nowMs);
      }
    });
  }

  /** Takes alarms off the shelf whose time is over, and tells what they came to meanwhile; some at a time. */
  tellDue(nowMs: number): void {
    const due = this.table.due(nowMs, dueAtOnceMax);
    if (due.length === 0) return;
    this.#db.transaction(() => {
      for (const alarm of due) {
        const deed = { who: '', nowMs, note: 'its time was over' };
        const state =
          alarm.state.shelf === null
            ? alarm.state
            : noteDeed(this.table, alarm, 'unshelved', deed, (shelved) => ({ ...shelved, shelf: null }));
        this.#save({ ...alarm, state }, nowMs);
      }
    });
  }

  #isAlarm(series: number): boolean {
    const info = this.#ports.subjects.series(series);
    return info !== undefined && info.stream === alarmStream && info.type === 'text';
  }

  #take(identity: AlarmIdentity, severity: Severity | null, transitions: readonly Transition[], nowMs: number): void {
    const alarm = this.table.ensure(identity, severity, nowMs);
    if (alarm === undefined) {
      this.counts.beyondLimit += transitions.length;
      return;
    }
    let { state } = alarm;
    for (const transition of transitions) {
      const entry = { ...transition, atMs: nowMs, who: '', note: '' };
      if (!this.table.note(alarm.id, entry)) {
        this.counts.repeats++;
        continue;
      }
      this.counts.transitions++;
      state = withTransition(state, transition, (end) => this.table.firstActiveAfter(alarm.id, end));
    }
    this.table.trim(alarm.id);
    if (state !== alarm.state) this.#save({ ...alarm, severity, state }, nowMs);
  }

  /** Told is what the state came to, unless it is shelved: then when that ends. */
  #save(alarm: StoredAlarm, nowMs: number): void {
    const isDue = isUntold(alarm.state) && !isShelved(alarm.state, nowMs);
    const state = isDue ? { ...alarm.state, told: alarm.state.place } : alarm.state;
    this.table.save({ ...alarm, state }, nowMs);
    if (isDue) this.#ports.tell({ ...alarm, state }, nowMs);
  }
}
