/**
 * Alarms and their history in the hub's database. Nothing is kept in memory, so other processes may write too; every call that writes is
 * within a transaction of the caller. Bounded by `alarmLimits`: the oldest history leaves, and a new alarm beyond the limit is not kept.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { type AlarmState, type AlarmWord, isUntold, newAlarm, type Place } from './alarm-state.ts';
import type { Severity } from './severity.ts';

export const alarmLimits = {
  alarmsMax: 100_000,
  historyMax: 200_000,
  historyPerAlarmMax: 1_000,
} as const;

/** `agent`: kept by an agent; `rule`: by a rule of this hub over data; `missing`: an agent that is not heard. */
export const alarmOrigins = ['agent', 'rule', 'missing'] as const;
export type AlarmOrigin = (typeof alarmOrigins)[number];

export interface AlarmIdentity {
  readonly origin: AlarmOrigin;
  /** Name of the rule; '' for any other origin. */
  readonly rule: string;
  /** Number of the agent. */
  readonly agent: number;
  /** Hub series id; 0 for `missing`. */
  readonly series: number;
}

export interface StoredAlarm extends AlarmIdentity {
  readonly id: number;
  readonly severity: Severity | null;
  readonly state: AlarmState;
}

export interface HistoryEntry {
  readonly place: Place;
  readonly word: string;
  /** When the hub heard of it. */
  readonly atMs: number;
  /** Who did it, where a person did; '' otherwise. */
  readonly who: string;
  readonly note: string;
}

interface AlarmSql extends AlarmIdentity {
  readonly id: number;
  readonly severity: Severity | null;
  readonly body: string;
}

/** What a rule has to know of an alarm of its own. */
export interface OnOfRule {
  readonly agent: number;
  readonly series: number;
  readonly word: AlarmWord;
}

interface PlaceSql {
  readonly time: number;
  readonly epoch: string;
  readonly seq: number;
}

const alarmColumns = 'id, origin, rule, agent, series, severity, body';

export class AlarmTable {
  readonly #find: Statement<AlarmSql>;
  readonly #get: Statement<AlarmSql>;
  readonly #on: Statement<AlarmSql>;
  readonly #onMerged: Statement<AlarmSql>;
  readonly #onOfRule: Statement<OnOfRule>;
  readonly #due: Statement<AlarmSql>;
  readonly #count: Statement<{ count: number }>;
  readonly #insert: Statement<never>;
  readonly #update: Statement<never>;
  readonly #note: Statement<never>;
  readonly #trim: Statement<never>;
  readonly #trimOwn: Statement<never>;
  readonly #firstActive: Statement<PlaceSql>;
  readonly #oldest: Statement<{ id: number; at: number }>;
  readonly #forget: Statement<never>;
  readonly #forgetAlarms: Statement<never>;

  constructor(db: Database) {
    this.#find = db.prepare(
      `SELECT ${alarmColumns} FROM alarms WHERE origin = ? AND rule = ? AND agent = ? AND series = ?`,
    );
    this.#get = db.prepare(`SELECT ${alarmColumns} FROM alarms WHERE id = ?`);
    this.#on = db.prepare(
      `SELECT ${alarmColumns} FROM alarms WHERE state IN ('active', 'stale') AND origin = ? ORDER BY id`,
    );
    this.#onMerged = db.prepare(
      `SELECT ${alarmColumns} FROM alarms WHERE state IN ('active', 'stale')
       AND EXISTS (SELECT 1 FROM series s WHERE s.id = alarms.series AND s.merged_into > 0) LIMIT ?`,
    );
    // By the index of identities: others may have many that are on.
    this.#onOfRule = db.prepare(
      "SELECT agent, series, state AS word FROM alarms WHERE origin = 'rule' AND rule = ? AND +state IN ('active', 'stale')",
    );
    this.#due = db.prepare(`SELECT ${alarmColumns} FROM alarms WHERE due <= ? ORDER BY due LIMIT ?`);
    this.#count = db.prepare('SELECT count(*) AS count FROM alarms');
    this.#insert = db.prepare(
      'INSERT INTO alarms (origin, rule, agent, series, severity, state, changed, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#update = db.prepare('UPDATE alarms SET severity = ?, state = ?, changed = ?, due = ?, body = ? WHERE id = ?');
    this.#note = db.prepare(
      'INSERT OR IGNORE INTO alarm_history (alarm, time, epoch, seq, word, at, who, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#trim = db.prepare(
      `DELETE FROM alarm_history WHERE id <= (SELECT max(id) FROM alarm_history) - ${alarmLimits.historyMax}`,
    );
    this.#trimOwn = db.prepare(
      `DELETE FROM alarm_history WHERE id IN (SELECT id FROM alarm_history WHERE alarm = ?
       ORDER BY time DESC, epoch DESC, seq DESC LIMIT -1 OFFSET ${alarmLimits.historyPerAlarmMax})`,
    );
    this.#firstActive = db.prepare(
      `SELECT time, epoch, seq FROM alarm_history WHERE alarm = ? AND word = 'active' AND (time, epoch, seq) > (?, ?, ?)
       ORDER BY time, epoch, seq LIMIT 1`,
    );
    this.#oldest = db.prepare('SELECT id, at FROM alarm_history ORDER BY id LIMIT ?');
    this.#forget = db.prepare('DELETE FROM alarm_history WHERE id <= ? AND at < ?');
    this.#forgetAlarms = db.prepare(
      `DELETE FROM alarms WHERE state IN ('cleared', 'ended', 'unknown') AND changed < ?
       AND NOT EXISTS (SELECT 1 FROM alarm_history h WHERE h.alarm = alarms.id)`,
    );
  }

  /** The alarm of this identity, made when missing; undefined when there are too many. */
  ensure(identity: AlarmIdentity, severity: Severity | null, nowMs: number): StoredAlarm | undefined {
    const known = this.find(identity);
    if (known !== undefined) return known;
    if ((this.#count.get()?.count ?? 0) >= alarmLimits.alarmsMax) return undefined;
    const { origin, rule, agent, series } = identity;
    const body = JSON.stringify(newAlarm);
    const { lastInsertRowid: id } = this.#insert.run(origin, rule, agent, series, severity, newAlarm.word, nowMs, body);
    return { ...identity, id, severity, state: newAlarm };
  }

  find({ origin, rule, agent, series }: AlarmIdentity): StoredAlarm | undefined {
    const row = this.#find.get(origin, rule, agent, series);
    return row === undefined ? undefined : alarmFrom(row);
  }

  get(id: number): StoredAlarm | undefined {
    const row = this.#get.get(id);
    return row === undefined ? undefined : alarmFrom(row);
  }

  /** Those that are active or stale. */
  on(origin: AlarmOrigin): StoredAlarm[] {
    return this.#on.all(origin).map(alarmFrom);
  }

  /** Those that are active or stale, of series that were merged into others. */
  onMerged(limit: number): StoredAlarm[] {
    return this.#onMerged.all(limit).map(alarmFrom);
  }

  /** Those of one rule that are active or stale. */
  onOfRule(rule: string): OnOfRule[] {
    return this.#onOfRule.all(rule);
  }

  /** Those whose shelf is over, or whose state is to be told since. */
  due(nowMs: number, limit: number): StoredAlarm[] {
    return this.#due.all(nowMs, limit).map(alarmFrom);
  }

  save({ id, severity, state }: StoredAlarm, nowMs: number): void {
    this.#update.run(severity, state.word, nowMs, dueMsOf(state), JSON.stringify(state), id);
  }

  /** False when this place of the alarm is known already; nothing is written then. What is beyond the limits leaves with `trim`. */
  note(alarm: number, { place, word, atMs, who, note }: HistoryEntry): boolean {
    return this.#note.run(alarm, ...place, word, atMs, who, note).changes > 0;
  }

  /** After entries of this alarm; it costs as much as the alarm has of them. */
  trim(alarm: number): void {
    this.#trim.run();
    this.#trimOwn.run(alarm);
  }

  firstActiveAfter(alarm: number, end: Place): Place | null {
    const found = this.#firstActive.get(alarm, ...end);
    return found === undefined ? null : [found.time, found.epoch, found.seq];
  }

  /** Forgets some of the history that the hub heard before, and alarms that are over and have none left. */
  expire(beforeMs: number, entriesMax: number): void {
    const old = this.#oldest.all(entriesMax).filter(({ at }) => at < beforeMs);
    const last = old.at(-1);
    // The clock may have been wrong when it was heard: what is young stays.
    if (last !== undefined) this.#forget.run(last.id, beforeMs);
    this.#forgetAlarms.run(beforeMs);
  }
}

/** When a state has to be looked at again without anything coming for it; null = never. */
function dueMsOf(state: AlarmState): number | null {
  if (state.shelf !== null) return state.shelf.untilMs;
  return isUntold(state) ? 0 : null;
}

function alarmFrom({ body, ...row }: AlarmSql): StoredAlarm {
  return { ...row, state: stateFrom(row.id, body) };
}

/** Throws `storage_corrupt`. */
export function stateFrom(alarm: number, body: string): AlarmState {
  try {
    return JSON.parse(body) as AlarmState;
  } catch (error) {
    throw new FoglineError('storage_corrupt', `the state of alarm ${alarm} cannot be read`, { cause: error });
  }
}
