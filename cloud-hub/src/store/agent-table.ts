/**
 * Agents as ingest sees them. Rows are made on first sight, without a credential. Whether an agent is online is a fact of this
 * process and lives in memory only: after a restart everyone is offline until it speaks.
 */
import type { Database, Statement } from '@fogline/shared/sqlite';

export interface AgentState {
  readonly id: number;
  readonly name: string;
  isOnline: boolean;
  lastSeenMs: number | undefined;
  /** Epoch of the process that said hello last. */
  epoch: string | undefined;
  isLastSeenDirty: boolean;
}

interface AgentRow {
  readonly id: number;
  readonly name: string;
  readonly last_seen: number | null;
  readonly epoch: string | null;
}

export interface HelloFacts {
  readonly epoch: string;
  readonly software: string;
  readonly queued: readonly number[];
  readonly clockOffsetMs: number;
  readonly isClockTrusted: boolean;
}

export class AgentTable {
  readonly #byName = new Map<string, AgentState>();
  readonly #byId = new Map<number, AgentState>();
  readonly #online = new Set<string>();
  readonly #find: Statement<AgentRow>;
  readonly #findId: Statement<AgentRow>;
  readonly #ids: Statement<{ id: number }>;
  readonly #insert: Statement<never>;
  readonly #hello: Statement<never>;
  readonly #counters: Statement<never>;
  readonly #seen: Statement<never>;

  constructor(db: Database) {
    this.#find = db.prepare('SELECT id, name, last_seen, epoch FROM agents WHERE name = ?');
    this.#findId = db.prepare('SELECT id, name, last_seen, epoch FROM agents WHERE id = ?');
    this.#ids = db.prepare('SELECT id FROM agents ORDER BY id');
    this.#insert = db.prepare('INSERT INTO agents (name, created) VALUES (?, ?)');
    this.#hello = db.prepare(
      'UPDATE agents SET epoch = ?, software = ?, queued = ?, clock_offset = ?, clock_trusted = ?, last_seen = ? WHERE id = ?',
    );
    this.#counters = db.prepare('UPDATE agents SET counters = ? WHERE id = ?');
    this.#seen = db.prepare('UPDATE agents SET last_seen = max(coalesce(last_seen, ?1), ?1) WHERE id = ?2');
  }

  /** Row ids, ascending. */
  ids(): number[] {
    return this.#ids.all().map(({ id }) => id);
  }

  /** The row of an authenticated agent, made when missing. */
  ensure(name: string, nowMs: number): AgentState {
    const known = this.find(name);
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#insert.run(name, nowMs);
    return this.#keep({ id: lastInsertRowid, name, last_seen: null, epoch: null });
  }

  find(name: string): AgentState | undefined {
    const cached = this.#byName.get(name);
    if (cached !== undefined) return cached;
    const row = this.#find.get(name);
    return row === undefined ? undefined : this.#keep(row);
  }

  byId(id: number): AgentState | undefined {
    const cached = this.#byId.get(id);
    if (cached !== undefined) return cached;
    const row = this.#findId.get(id);
    return row === undefined ? undefined : this.#keep(row);
  }

  saw(agent: AgentState, nowMs: number): void {
    agent.lastSeenMs = nowMs;
    agent.isLastSeenDirty = true;
  }

  setOnline(agent: AgentState, isOnline: boolean): void {
    agent.isOnline = isOnline;
    if (isOnline) this.#online.add(agent.name);
    else this.#online.delete(agent.name);
  }

  sayHello(agent: AgentState, facts: HelloFacts, nowMs: number): void {
    agent.epoch = facts.epoch;
    const queued = JSON.stringify(facts.queued);
    const isTrusted = facts.isClockTrusted ? 1 : 0;
    this.#hello.run(facts.epoch, facts.software, queued, facts.clockOffsetMs, isTrusted, nowMs, agent.id);
  }

  saveCounters(agent: AgentState, counters: Readonly<Record<string, number>>): void {
    this.#counters.run(JSON.stringify(counters), agent.id);
  }

  fold(): void {
    for (const agent of this.#byName.values()) {
      if (!agent.isLastSeenDirty || agent.lastSeenMs === undefined) continue;
      this.#seen.run(agent.lastSeenMs, agent.id);
      agent.isLastSeenDirty = false;
    }
  }

  /** Forgets what may never have been committed; who is online stays known. */
  reset(): void {
    this.#byName.clear();
    this.#byId.clear();
  }

  #keep(row: AgentRow): AgentState {
    const state: AgentState = {
      id: row.id,
      name: row.name,
      isOnline: this.#online.has(row.name),
      lastSeenMs: row.last_seen ?? undefined,
      epoch: row.epoch ?? undefined,
      isLastSeenDirty: false,
    };
    this.#byName.set(row.name, state);
    this.#byId.set(row.id, state);
    return state;
  }
}
