/**
 * Epochs, their lineage, and per (epoch, lane) what the hub durably holds. Ranges that grew by batches reach their rows at the next
 * fold, because the log tells them; ranges that grew by anything else are saved by the transaction that did it.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { Database, Statement } from '@fogline/shared/sqlite';

export interface EpochState {
  readonly id: number;
  readonly agent: number;
  readonly epoch: string;
  readonly parent: string | undefined;
  /** Definitions below it are inherited from the parent. */
  readonly seriesBase: number;
  /** Per lane. */
  readonly ranges: readonly SeqRanges[];
  /** Per lane the least that any child named as the end of this epoch. */
  readonly ends: number[];
  /** Bit per lane whose ranges are ahead of their row. */
  dirtyLanes: number;
}

interface EpochRow {
  readonly id: number;
  readonly agent: number;
  readonly epoch: string;
  readonly parent: string | null;
  readonly parent_last: string | null;
  readonly series_base: number;
  readonly session: number;
}

interface RangeRow {
  readonly lane: number;
  readonly watermark: number;
  readonly beyond: string;
}

export interface NewEpoch {
  readonly agent: number;
  readonly epoch: string;
  readonly parent: { readonly epoch: string; readonly last: readonly number[] } | undefined;
  readonly seriesBase: number;
  readonly session: number;
}

const allLanes: readonly Lane[] = [0, 1, 2, 3];
const cachedEpochsMax = 50_000;

export class EpochTable {
  readonly #byKey = new Map<string, EpochState>();
  readonly #byId = new Map<number, EpochState>();
  readonly #dirty = new Set<EpochState>();
  readonly #find: Statement<EpochRow>;
  readonly #findId: Statement<EpochRow>;
  readonly #children: Statement<EpochRow>;
  readonly #others: Statement<{ count: number }>;
  readonly #insert: Statement<never>;
  readonly #ranges: Statement<RangeRow>;
  readonly #saveRange: Statement<never>;

  constructor(db: Database) {
    const columns = 'id, agent, epoch, parent, parent_last, series_base, session';
    this.#find = db.prepare(`SELECT ${columns} FROM epochs WHERE agent = ? AND epoch = ?`);
    this.#findId = db.prepare(`SELECT ${columns} FROM epochs WHERE id = ?`);
    this.#children = db.prepare(`SELECT ${columns} FROM epochs WHERE agent = ? AND parent = ?`);
    this.#others = db.prepare(
      'SELECT count(*) AS count FROM epochs WHERE agent = ?1 AND (?2 IS NULL OR session <> ?2)',
    );
    this.#insert = db.prepare(
      'INSERT INTO epochs (agent, epoch, parent, parent_last, series_base, session, first_seen) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#ranges = db.prepare('SELECT lane, watermark, beyond FROM ranges WHERE epoch = ?');
    this.#saveRange = db.prepare('INSERT OR REPLACE INTO ranges (epoch, lane, watermark, beyond) VALUES (?, ?, ?, ?)');
  }

  find(agent: number, epoch: string): EpochState | undefined {
    const cached = this.#byKey.get(keyOf(agent, epoch));
    if (cached !== undefined) return cached;
    const row = this.#find.get(agent, epoch);
    return row === undefined ? undefined : this.#load(row);
  }

  byId(id: number): EpochState | undefined {
    const cached = this.#byId.get(id);
    if (cached !== undefined) return cached;
    const row = this.#findId.get(id);
    return row === undefined ? undefined : this.#load(row);
  }

  insert(epoch: NewEpoch, nowMs: number): EpochState {
    const { agent, parent } = epoch;
    const parentLast = parent === undefined ? null : JSON.stringify(parent.last);
    const { lastInsertRowid } = this.#insert.run(
      agent,
      epoch.epoch,
      parent?.epoch ?? null,
      parentLast,
      epoch.seriesBase,
      epoch.session,
      nowMs,
    );
    if (parent !== undefined) {
      const known = this.#byKey.get(keyOf(agent, parent.epoch));
      for (const lane of allLanes) {
        if (known !== undefined) known.ends[lane] = Math.min(known.ends[lane] ?? 0, parent.last[lane] ?? 0);
      }
    }
    return this.#load({
      id: lastInsertRowid,
      agent,
      epoch: epoch.epoch,
      parent: parent?.epoch ?? null,
      parent_last: parentLast,
      series_base: epoch.seriesBase,
      session: epoch.session,
    });
  }

  childrenOf(agent: number, parent: string): string[] {
    return this.#children.all(agent, parent).map((row) => row.epoch);
  }

  count(agent: number): number {
    return this.#others.get(agent, null)?.count ?? 0;
  }

  /** Epochs that were registered in another session than this one. */
  countFromOtherSessions(agent: number, session: number): number {
    return this.#others.get(agent, session)?.count ?? 0;
  }

  /** The log holds the batch that extended the range. */
  markDirty(epoch: EpochState, lane: Lane): void {
    epoch.dirtyLanes |= 1 << lane;
    this.#dirty.add(epoch);
  }

  /** Something that is not in the log extended the range. */
  saveRange(epoch: EpochState, lane: Lane): void {
    const ranges = epoch.ranges[lane];
    if (ranges !== undefined) this.#saveRange.run(epoch.id, lane, ranges.watermark, JSON.stringify(ranges.beyond));
  }

  fold(): void {
    const sorted = [...this.#dirty].sort((a, b) => a.id - b.id);
    for (const epoch of sorted) {
      for (const lane of allLanes) if ((epoch.dirtyLanes & (1 << lane)) !== 0) this.saveRange(epoch, lane);
      epoch.dirtyLanes = 0;
    }
    this.#dirty.clear();
    if (this.#byId.size > cachedEpochsMax) this.reset();
  }

  reset(): void {
    this.#byKey.clear();
    this.#byId.clear();
    this.#dirty.clear();
  }

  #load(row: EpochRow): EpochState {
    const ranges = allLanes.map(() => SeqRanges.empty());
    for (const { lane, watermark, beyond } of this.#ranges.all(row.id)) {
      ranges[lane] = SeqRanges.from(watermark, JSON.parse(beyond) as number[]);
    }
    const ends = allLanes.map(() => Number.POSITIVE_INFINITY);
    for (const child of this.#children.all(row.agent, row.epoch)) {
      const named = JSON.parse(child.parent_last ?? '[]') as number[];
      for (const lane of allLanes) ends[lane] = Math.min(ends[lane] ?? 0, named[lane] ?? 0);
    }
    const state: EpochState = {
      id: row.id,
      agent: row.agent,
      epoch: row.epoch,
      parent: row.parent ?? undefined,
      seriesBase: row.series_base,
      ranges,
      ends,
      dirtyLanes: 0,
    };
    this.#byKey.set(keyOf(row.agent, row.epoch), state);
    this.#byId.set(row.id, state);
    return state;
  }
}

function keyOf(agent: number, epoch: string): string {
  return `${agent}/${epoch}`;
}
