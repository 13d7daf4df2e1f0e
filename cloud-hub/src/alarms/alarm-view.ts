/** What of the alarms a caller may see: rows with the names that series and agent have now, filtered and paged by the database. */
import type { Database, Statement, Value } from '@fogline/shared/sqlite';
import { type AlarmWord, acknowledgementOf, isShelved } from './alarm-state.ts';
import { type AlarmOrigin, type HistoryEntry, stateFrom } from './alarm-table.ts';

export interface AlarmRow {
  readonly id: number;
  readonly origin: AlarmOrigin;
  /** Of the agent's alarm, or of the rule; `missing`. */
  readonly alarm: string;
  readonly agent: string;
  readonly site: string;
  readonly device: string;
  /** What a rule looks at; '' otherwise. */
  readonly metric: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Hub series id: of the transitions, or of what a rule looks at; null for a missing agent. */
  readonly series: number | null;
  readonly severity: string | null;
  readonly state: AlarmWord;
  /** Event time of the state; null while it is unknown. */
  readonly sinceMs: number | null;
  /** Begin of the present activation. */
  readonly activeSinceMs: number | null;
  readonly acknowledged: { readonly by: string; readonly atMs: number; readonly note: string } | null;
  readonly shelved: {
    readonly by: string;
    readonly atMs: number;
    readonly untilMs: number;
    readonly note: string;
  } | null;
  /** When the hub changed the row. */
  readonly changedMs: number;
}

export interface AlarmFilter {
  readonly state?: AlarmWord | undefined;
  readonly agent?: string | undefined;
  readonly severity?: string | undefined;
  readonly id?: number;
  /** Those of series that were merged into others, too: there is no more to come of them. */
  readonly hasMerged?: boolean;
  /** Ids above. */
  readonly after?: number;
  readonly limit: number;
}

export interface HistoryFilter {
  /** Half open, event time. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Only what stands before this entry, in the order of the answer. */
  readonly after?: { readonly timeMs: number; readonly id: number } | undefined;
  readonly limit: number;
}

export interface HistoryRow extends Omit<HistoryEntry, 'place'> {
  readonly id: number;
  readonly timeMs: number;
}

interface ViewSql {
  readonly id: number;
  readonly origin: AlarmOrigin;
  readonly rule: string;
  readonly agent: string;
  readonly site: string;
  readonly series: number;
  readonly device: string | null;
  readonly metric: string | null;
  readonly tags: string | null;
  readonly severity: string | null;
  readonly changed: number;
  readonly body: string;
}

interface HistorySql {
  readonly id: number;
  readonly time: number;
  readonly word: string;
  readonly at: number;
  readonly who: string;
  readonly note: string;
}

const selectAlarms = `SELECT m.id, m.origin, m.rule, a.name AS agent, a.site, m.series, s.device, s.metric, s.tags, m.severity, m.changed, m.body
  FROM alarms m JOIN agents a ON a.id = m.agent LEFT JOIN series s ON s.id = m.series
  WHERE (m.series = 0 OR s.id IS NOT NULL)`;

export class AlarmView {
  readonly #db: Database;
  readonly #sites: readonly string[] | undefined;

  /** `sites`: only alarms of agents that stand there; undefined = all. */
  constructor(db: Database, sites: readonly string[] | undefined) {
    this.#db = db;
    this.#sites = sites;
  }

  /** Ascending by id. */
  list({ state, agent, severity, id, hasMerged = false, after = 0, limit }: AlarmFilter, nowMs: number): AlarmRow[] {
    const where = ['m.id > ?'];
    const values: Value[] = [after];
    if (!hasMerged) where.push('coalesce(s.merged_into, 0) = 0');
    const only = (column: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      where.push(`${column} = ?`);
      values.push(value);
    };
    only('m.state', state);
    only('a.name', agent);
    only('m.severity', severity);
    only('m.id', id);
    if (this.#sites !== undefined) {
      where.push(`a.site IN (${this.#sites.map(() => '?').join(', ')})`);
      values.push(...this.#sites);
    }
    const sql = `${selectAlarms} AND ${where.join(' AND ')} ORDER BY m.id LIMIT ?`;
    return this.#db
      .prepare<ViewSql>(sql)
      .all(...values, limit)
      .map((row) => rowFrom(row, nowMs));
  }

  get(id: number, nowMs: number): AlarmRow | undefined {
    return this.list({ id, limit: 1 }, nowMs)[0];
  }

  /** Newest first by event time. */
  history(alarm: number, { fromMs, toMs, after, limit }: HistoryFilter): HistoryRow[] {
    const { timeMs = toMs, id = 0 } = after ?? {};
    const statement: Statement<HistorySql> = this.#db.prepare(
      `SELECT id, time, word, at, who, note FROM alarm_history
       WHERE alarm = ?1 AND time >= ?2 AND time < ?3 AND (time < ?4 OR (time = ?4 AND id < ?5))
       ORDER BY time DESC, id DESC LIMIT ?6`,
    );
    return statement
      .all(alarm, fromMs, toMs, timeMs, id, limit)
      .map(({ id: entry, time, word, at, who, note }) => ({ id: entry, timeMs: time, word, atMs: at, who, note }));
  }
}

/** How many alarms are in each state. */
export function countByState(db: Database): Record<string, number> {
  const rows = db
    .prepare<{ state: string; count: number }>('SELECT state, count(*) AS count FROM alarms GROUP BY state')
    .all();
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

function rowFrom(row: ViewSql, nowMs: number): AlarmRow {
  const state = stateFrom(row.id, row.body);
  const { id, origin, rule, agent, site, series, device, metric, tags, severity, changed } = row;
  const acknowledgement = acknowledgementOf(state);
  return {
    id,
    origin,
    alarm: origin === 'agent' ? (metric ?? '') : origin === 'rule' ? rule : 'missing',
    agent,
    site,
    device: device ?? '',
    metric: origin === 'rule' ? (metric ?? '') : '',
    tags: Object.fromEntries(tags === null ? [] : (JSON.parse(tags) as [string, string][])),
    series: series === 0 ? null : series,
    severity,
    state: state.word,
    sinceMs: state.place?.[0] ?? null,
    activeSinceMs: state.activated?.[0] ?? null,
    acknowledged:
      acknowledgement === null
        ? null
        : { by: acknowledgement.by, atMs: acknowledgement.atMs, note: acknowledgement.note },
    shelved: isShelved(state, nowMs) ? state.shelf : null,
    changedMs: changed,
  };
}
