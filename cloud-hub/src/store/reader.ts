/**
 * `StoreRead` on a HubStore: rows plus what only the tail holds. No statement stays open between calls or pages, because an open
 * one would block the writer.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { Spread } from '@fogline/shared/aggregate/spread';
import { type VoidReason, voidReasons } from '@fogline/shared/protocol/messages';
import type { Database, Statement, Value } from '@fogline/shared/sqlite';
import type { HubStore } from './hub-store.ts';
import { hourMs, levels, type RollupLevelMs } from './levels.ts';
import { scanRaw } from './raw-scan.ts';
import {
  type AgentInfo,
  type GapRow,
  type HubCounters,
  type HubEvent,
  type LatestValue,
  type LedgerLine,
  type PageOptions,
  type QuarantinedInfo,
  type QuarantineRow,
  type RawChunk,
  type RawQuery,
  type RollupRow,
  readLimits,
  type SeriesFilter,
  type SeriesInfo,
  type SpreadRow,
  type SpreadsAsked,
  type StoreRead,
  type StoreStats,
  type TombstoneInfo,
  type VoidRow,
} from './read.ts';
import type { Expiry } from './retention.ts';
import { mergeRows, type RollupPage, type SpreadPage } from './rollup-table.ts';
import {
  type AgentSql,
  agentFrom,
  type EventSql,
  eventFrom,
  type LedgerSql,
  ledgerFrom,
  type SeriesSql,
  seriesFrom,
} from './rows.ts';
import type { TombstoneRow } from './tombstones.ts';

interface GapSql extends Omit<GapRow, 'series' | 'hourMs' | 'min' | 'max' | 'mean'> {
  readonly hour: number;
  readonly epoch: number;
  readonly local: number;
  readonly min: Uint8Array;
  readonly max: Uint8Array;
  readonly mean: Uint8Array;
}

interface ThinnedSql {
  readonly agent: string;
  readonly hour: number;
  readonly series: number;
  readonly items: number;
  readonly partial: Uint8Array;
}

const quarantineColumns =
  'q.id, a.name AS agent, q.kind, q.reason, q.detail, q.received AS receivedMs, q.times, length(q.payload) AS bytes';

interface SpreadPlace extends SpreadsAsked {
  readonly levelMs: RollupLevelMs;
  readonly seriesId: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export class StoreReader implements StoreRead {
  readonly #store: HubStore;
  readonly #db: Database;
  readonly #statements = new Map<string, Statement<never>>();

  constructor(store: HubStore) {
    this.#store = store;
    this.#db = store.db;
  }

  listAgents(): AgentInfo[] {
    return this.#all<AgentSql>('SELECT * FROM agents ORDER BY name').map((row) => this.#agent(row));
  }

  agent(name: string): AgentInfo | undefined {
    const [row] = this.#all<AgentSql>('SELECT * FROM agents WHERE name = ?', name);
    return row === undefined ? undefined : this.#agent(row);
  }

  listSeries(filter: SeriesFilter): SeriesInfo[] {
    const where = ['s.id > ? AND s.merged_into = 0'];
    const values: Value[] = [filter.after ?? 0];
    const terms = [
      ['a.name', filter.agent],
      ['s.device', filter.device],
      ['s.metric', filter.metric],
    ] as const;
    for (const [column, value] of terms) {
      if (value === undefined) continue;
      where.push(`${column} = ?`);
      values.push(value);
    }
    if (filter.sites !== undefined) {
      where.push(`a.site IN (${filter.sites.map(() => '?').join(', ')})`);
      values.push(...filter.sites);
    }
    const limit = Math.min(filter.limit ?? readLimits.seriesMax, readLimits.seriesMax);
    const sql = `SELECT s.*, a.name AS agent_name, a.site FROM series s JOIN agents a ON a.id = s.agent WHERE ${where.join(' AND ')} ORDER BY s.id LIMIT ?`;
    return this.#all<SeriesSql>(sql, ...values, limit).map(seriesFrom);
  }

  series(id: number): SeriesInfo | undefined {
    const sql = 'SELECT s.*, a.name AS agent_name, a.site FROM series s JOIN agents a ON a.id = s.agent WHERE s.id = ?';
    const [row] = this.#all<SeriesSql>(sql, this.#fresh().merges.resolve(id));
    return row === undefined ? undefined : seriesFrom(row);
  }

  namesAtAgent(id: number): ReturnType<StoreRead['namesAtAgent']> {
    const { series, merges } = this.#fresh();
    return merges.members(merges.resolve(id)).flatMap((member) => series.namesAtAgent(member) ?? []);
  }

  newestSeries(): number {
    return this.#all<{ id: number | null }>('SELECT max(id) AS id FROM series')[0]?.id ?? 0;
  }

  latest(seriesIds: readonly number[]): LatestValue[] {
    return this.#fresh().latestOf(seriesIds);
  }

  *rollups(seriesId: number, levelMs: RollupLevelMs, fromMs: number, toMs: number): Generator<RollupRow> {
    for (let from = Math.max(fromMs, this.#fresh().horizonOf(levelMs, seriesId)); from < toMs; ) {
      // Rows and tail of one page are read at one instant: a fold between pages moves buckets, never within one.
      const { rows, endMs } = this.#page(levelMs, seriesId, from, toMs);
      yield* rows;
      from = endMs;
    }
  }

  *spreads(
    seriesId: number,
    levelMs: RollupLevelMs,
    fromMs: number,
    toMs: number,
    { hasSum, stepMs }: SpreadsAsked = { hasSum: false, stepMs: levelMs },
  ): Generator<SpreadRow> {
    for (let from = Math.max(fromMs, this.#fresh().horizonOf(levelMs, seriesId)); from < toMs; ) {
      const asked = { levelMs, seriesId, fromMs: from, toMs, hasSum, stepMs };
      const { rows, endMs } = this.#packedPage(asked) ?? this.#spreadPage(asked);
      yield* rows;
      from = endMs;
    }
  }

  /** Where nothing has to be merged to what one block holds. */
  #packedPage({ levelMs, seriesId, fromMs, toMs, hasSum, stepMs }: SpreadPlace): SpreadPage | undefined {
    const { merges, rollups, tails } = this.#fresh();
    if (merges.members(seriesId).length > 1) return undefined;
    const page = rollups.packedPage(levelMs, seriesId, { fromMs, toMs, hasSum, stepMs });
    const level = levels.indexOf(levelMs);
    const isAlone = (endMs: number): boolean =>
      tails.every((tail) => tail.rollups.collect(seriesId, level, fromMs, endMs).size === 0);
    return page !== undefined && isAlone(page.endMs) ? page : undefined;
  }

  #spreadPage({ levelMs, seriesId, fromMs, toMs, hasSum }: SpreadPlace): SpreadPage {
    const { rows, endMs } = this.#page(levelMs, seriesId, fromMs, toMs);
    return {
      rows: rows.map(({ startMs, partial }) => ({ startMs, spread: Spread.of(partial, hasSum), rows: 1 })),
      endMs,
    };
  }

  /** Of the series and of what was merged into it; as far as all of them go. */
  #page(levelMs: RollupLevelMs, seriesId: number, fromMs: number, toMs: number): RollupPage {
    const store = this.#fresh();
    const level = levels.indexOf(levelMs);
    const members = store.merges.members(seriesId);
    const pages = members.map((member) => store.rollups.page(levelMs, member, fromMs, toMs));
    const endMs = Math.min(...pages.map((page) => page.endMs));
    let rows: readonly RollupRow[] = [];
    for (const [i, member] of members.entries()) {
      const own = pages[i]?.rows.filter(({ startMs }) => startMs < endMs) ?? [];
      rows = i === 0 ? own : mergeRows(rows, own, member);
      for (const tail of store.tails) {
        const fresh = tail.rollups.collect(member, level, fromMs, endMs);
        const late = [...fresh].map(([startMs, partial]) => ({ startMs, partial: partial.encode() }));
        rows = mergeRows(rows, late, member);
      }
    }
    return { rows, endMs };
  }

  raw(query: RawQuery): Generator<RawChunk> {
    const store = this.#fresh();
    return scanRaw(store, { ...query, fromMs: Math.max(query.fromMs, store.horizons.of(0)) });
  }

  stamp(agent: string, toMs: number): number {
    const store = this.#fresh();
    return store.stamps.latest(store.agents.find(agent)?.id ?? 0, toMs);
  }

  gaps(agent: string | undefined, fromMs: number, toMs: number): GapRow[] {
    const store = this.#fresh();
    const from = Math.floor(fromMs / hourMs);
    const to = Math.ceil(toMs / hourMs);
    const sql = `SELECT a.name AS agent, g.hour, v.reason, g.epoch, g.local, g.count, g.min, g.max, g.mean
      FROM gaps g JOIN voids v ON v.id = g.void JOIN agents a ON a.id = g.agent
      WHERE g.hour >= ? AND g.hour < ? AND g.agent ${agent === undefined ? '>= ?' : '= ?'} ORDER BY g.hour, g.void, g.local LIMIT ?`;
    const agentId = agent === undefined ? 0 : (store.agents.find(agent)?.id ?? -1);
    const declared = this.#all<GapSql>(sql, from, to, agentId, readLimits.gapsMax).map((row): GapRow => {
      const epoch = store.epochs.byId(row.epoch);
      const series = epoch === undefined ? 0 : (store.series.of(epoch).ids[row.local] ?? 0);
      return {
        agent: row.agent,
        series: series === 0 ? undefined : store.merges.resolve(series),
        hourMs: row.hour * hourMs,
        reason: row.reason,
        count: row.count,
        min: float(row.min),
        max: float(row.max),
        mean: float(row.mean),
      };
    });
    const thinned = this.#thinned(agent, from, to);
    const all = thinned.length === 0 ? declared : [...declared, ...thinned].sort((a, b) => a.hourMs - b.hourMs);
    return all.slice(0, readLimits.gapsMax);
  }

  #thinned(agent: string | undefined, fromHour: number, toHour: number): GapRow[] {
    const sql = `SELECT a.name AS agent, t.hour, t.series, t.items, t.partial FROM thinned t JOIN agents a ON a.id = t.agent
      WHERE t.hour >= ? AND t.hour < ? AND t.agent ${agent === undefined ? '>= ?' : '= ?'} ORDER BY t.hour, t.series LIMIT ?`;
    const { agents, merges } = this.#fresh();
    const agentId = agent === undefined ? 0 : (agents.find(agent)?.id ?? -1);
    return this.#all<ThinnedSql>(sql, fromHour, toHour, agentId, readLimits.gapsMax).map(
      ({ agent: name, hour, series: own, items, partial: bytes }) => {
        const series = merges.resolve(own);
        const partial = Partial.decode(bytes);
        const { min, max } = partial;
        const mean = partial.mean();
        return { agent: name, series, hourMs: hour * hourMs, reason: 'thinned', count: items, min, max, mean };
      },
    );
  }

  voids(agent?: string): VoidRow[] {
    const sql = `SELECT a.name AS agent, e.epoch, v.lane, v.first, v.last, v.reason, v.hours, v.stats_omitted, v.received
      FROM voids v JOIN agents a ON a.id = v.agent JOIN epochs e ON e.id = v.epoch
      WHERE ?1 IS NULL OR a.name = ?1 ORDER BY v.id DESC LIMIT ?2`;
    interface VoidSql extends Pick<VoidRow, 'agent' | 'epoch' | 'lane' | 'first' | 'last'> {
      readonly reason: VoidReason;
      readonly hours: string;
      readonly stats_omitted: number;
      readonly received: number;
    }
    return this.#all<VoidSql>(sql, agent ?? null, readLimits.voidsMax).map((row) => ({
      agent: row.agent,
      epoch: row.epoch,
      lane: row.lane,
      first: row.first,
      last: row.last,
      reason: row.reason,
      items: (JSON.parse(row.hours) as [number, number][]).reduce((sum, [, items]) => sum + items, 0),
      statsOmitted: row.stats_omitted,
      receivedMs: row.received,
    }));
  }

  ledger(agent?: string): LedgerLine[] {
    const store = this.#fresh();
    const all = 'SELECT l.*, a.name AS agent_name FROM ledger l JOIN agents a ON a.id = l.agent';
    const rows =
      agent === undefined
        ? this.#all<LedgerSql>(all)
        : this.#all<LedgerSql>(`${all} WHERE l.agent = ?`, store.agents.find(agent)?.id ?? -1);
    const lines = new Map(rows.map((row) => [`${row.agent}/${row.lane}/${row.hour}`, ledgerFrom(row)]));
    for (const { form, agent: id, lane, hour, items } of store.ledger.tail) {
      const name = store.agents.byId(id)?.name ?? '';
      if (agent !== undefined && name !== agent) continue;
      const key = `${id}/${lane}/${hour}`;
      const line = lines.get(key) ?? emptyLine(name, lane, hour);
      lines.set(key, { ...line, [form]: line[form] + items });
    }
    const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    return [...lines.values()].sort((a, b) => byName(a.agent, b.agent) || a.lane - b.lane || a.hour - b.hour);
  }

  events(options: PageOptions = {}): HubEvent[] {
    const sql = `SELECT e.*, coalesce(a.name, '') AS agent_name FROM events e LEFT JOIN agents a ON a.id = e.agent
      WHERE e.id < ?1 AND (?2 IS NULL OR a.name = ?2) AND ${ofSites} ORDER BY e.id DESC LIMIT ?4`;
    return this.#all<EventSql>(sql, ...pageOf(options, readLimits.eventsMax)).map(eventFrom);
  }

  quarantine(options: PageOptions = {}): QuarantineRow[] {
    const sql = `SELECT ${quarantineColumns} FROM quarantine q JOIN agents a ON a.id = q.agent
      WHERE q.id < ?1 AND (?2 IS NULL OR a.name = ?2) AND ${ofSites} ORDER BY q.id DESC LIMIT ?4`;
    return this.#all<QuarantineRow>(sql, ...pageOf(options, readLimits.quarantineMax));
  }

  quarantined(id: number): QuarantinedInfo | undefined {
    const sql = `SELECT ${quarantineColumns}, q.payload, q.is_held FROM quarantine q JOIN agents a ON a.id = q.agent WHERE q.id = ?`;
    const [row] = this.#all<Omit<QuarantinedInfo, 'isHeld'> & { is_held: number }>(sql, id);
    if (row === undefined) return undefined;
    const { is_held, ...message } = row;
    return { ...message, isHeld: is_held === 1 };
  }

  quarantineCounts(): ReturnType<StoreRead['quarantineCounts']> {
    return this.#all(
      'SELECT a.name AS agent, c.reason, c.count FROM quarantine_counts c JOIN agents a ON a.id = c.agent ORDER BY a.name, c.reason',
    );
  }

  storeStats(): StoreStats {
    const store = this.#fresh();
    const count = (table: 'agents' | 'series' | 'epochs'): number =>
      this.#all<{ count: number }>(`SELECT count(*) AS count FROM ${table}`)[0]?.count ?? 0;
    return {
      usedBytes: this.#db.usedBytes(),
      agents: count('agents'),
      series: count('series'),
      epochs: count('epochs'),
      batches: store.log.newestId,
      tailBatches: store.log.tailCount,
      tailItems: store.tails.reduce((sum, tail) => sum + tail.rollups.items, 0),
      quarantineBytes: store.quarantine.bytes,
    };
  }

  counters(): HubCounters {
    const { counters } = this.#store;
    return { ...counters, quarantined: { ...counters.quarantined } };
  }

  tombstones(): TombstoneInfo[] {
    const sql = `SELECT t.agent, t.identity, t.from_ms AS fromMs, t.to_ms AS toMs, t.at AS atMs, t.readings, t.late, s.id AS series
      FROM tombstones t LEFT JOIN agents a ON a.name = t.agent LEFT JOIN series s ON s.agent = a.id AND s.identity = t.identity
      ORDER BY t.id`;
    return this.#all<TombstoneRow & { series: number | null }>(sql).map((row) => ({
      ...row,
      series: row.series ?? undefined,
    }));
  }

  expiry(): Expiry {
    return this.#fresh().horizons.expiry;
  }

  #fresh(): HubStore {
    this.#store.refresh();
    return this.#store;
  }

  #agent(row: AgentSql): AgentInfo {
    const state = this.#fresh().agents.find(row.name);
    return agentFrom(row, state?.isOnline ?? false, state?.lastSeenMs);
  }

  #all<Row>(sql: string, ...values: Value[]): Row[] {
    let statement = this.#statements.get(sql) as Statement<Row> | undefined;
    if (statement === undefined) {
      statement = this.#db.prepare<Row>(sql);
      this.#statements.set(sql, statement as Statement<never>);
    }
    return statement.all(...values);
  }
}

const ofSites = '(?3 IS NULL OR a.site IN (SELECT value FROM json_each(?3)))';

/** Before, agent, sites, limit. */
function pageOf({ before, agent, sites, limit }: PageOptions, max: number): Value[] {
  const asked = sites === undefined ? null : JSON.stringify(sites);
  return [before ?? Number.MAX_SAFE_INTEGER, agent ?? null, asked, Math.min(limit ?? max, max)];
}

function emptyLine(agent: string, lane: LedgerLine['lane'], hour: number): LedgerLine {
  const voided = Object.fromEntries(voidReasons.map((reason) => [reason, 0])) as Record<VoidReason, number>;
  return { agent, lane, hour, delivered: 0, thinned: 0, quarantined: 0, voided, produced: 0, queued: 0, evicted: 0 };
}

function float(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
}
