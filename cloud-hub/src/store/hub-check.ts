/**
 * Looks for damage in a hub's database: SQLite's own structures, then every batch against its row, every roll-up against its checksum, the ranges
 * against what they are made of. What it cannot see: flipped bits in latest values and in what agents said of themselves.
 */
import { messageOf } from '@fogline/shared/errors';
import { decodeBatch } from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { Database } from '@fogline/shared/sqlite';
import { isUnreadableAlarm } from './alarm-rows.ts';
import { type BatchContent, decodeContent } from './batch-content.ts';
import { BatchLog, type LoggedBatch } from './batch-log.ts';
import { type DroppedRow, droppedPairs } from './dropped-ranges.ts';
import type { Form } from './ledger-table.ts';
import { blockSpanMs, hourMs } from './levels.ts';
import { Horizons, isSound } from './retention.ts';
import { rowsOfBlock } from './rollup-blocks.ts';
import { openHubDatabase } from './schema.ts';
import { openSealed } from './sealed.ts';
import { StateTable } from './state.ts';

export interface EpochNames {
  /** Agent and epoch by row id of the epoch. */
  readonly byId: ReadonlyMap<number, { readonly agent: string; readonly agentId: number; readonly epoch: string }>;
}

/** The content of a batch that is what its row says, or what is wrong with it. */
export function contentOf(batch: LoggedBatch, names: EpochNames): BatchContent | string {
  try {
    const message = decodeBatch(batch.payload);
    const content = decodeContent(message);
    const owner = names.byId.get(batch.epoch);
    const isSame =
      message.agent === owner?.agent &&
      message.epoch === owner.epoch &&
      message.lane === batch.lane &&
      message.first === batch.first &&
      message.last === batch.last;
    return isSame ? content : `batch ${batch.id} is not what its row says`;
  } catch (error) {
    return `batch ${batch.id}: ${messageOf(error)}`;
  }
}

export function epochNames(db: Database): EpochNames {
  const rows = db
    .prepare<{ id: number; agent: string; agentId: number; epoch: string }>(
      'SELECT e.id, a.name AS agent, a.id AS agentId, e.epoch FROM epochs e JOIN agents a ON a.id = e.agent',
    )
    .all();
  return { byId: new Map(rows.map(({ id, ...names }) => [id, names])) };
}

/** What is wrong; undefined = nothing was found. Reads everything. */
export function hubProblem(db: Database): string | undefined {
  try {
    return db.quickCheck()[0] ?? problemInSchema(db) ?? problemInRows(db);
  } catch (error) {
    return messageOf(error);
  }
}

/** A flipped bit in the name of a column leaves every structure sound. */
function problemInSchema(db: Database): string | undefined {
  const fresh = openHubDatabase(':memory:');
  const textOf = (of: Database): string =>
    JSON.stringify(of.prepare('SELECT name, tbl_name, sql FROM sqlite_schema ORDER BY name').all());
  const isSame = textOf(db) === textOf(fresh);
  fresh.close();
  return isSame ? undefined : 'the tables are not described as this version describes them';
}

function problemInRows(db: Database): string | undefined {
  const names = epochNames(db);
  const dangling = db
    .prepare<{ n: number }>(
      `SELECT count(*) AS n FROM definitions
       WHERE series NOT IN (SELECT id FROM series) OR epoch NOT IN (SELECT id FROM epochs)`,
    )
    .get();
  if (dangling !== undefined && dangling.n > 0) return `${dangling.n} definitions of series that are not there`;
  const alarm = db.prepare<{ id: number }>(`SELECT id FROM alarms WHERE ${isUnreadableAlarm} LIMIT 1`).get();
  if (alarm !== undefined) return `the state of alarm ${alarm.id} cannot be read`;
  const stored = db.prepare<{ what: number; ms: number; checksum: number }>('SELECT * FROM horizons').all();
  if (!stored.every(isSound)) return 'a horizon of what was removed does not match its checksum';
  const horizons = new Horizons(db);
  const state = new StateTable(db);
  const folded = state.get('folded');
  const derived = new Derived();
  const held = new Map<string, SeqRanges>();
  const hold = (epoch: number, lane: number, first: number, last: number): void => {
    const key = `${epoch}:${lane}`;
    const ranges = held.get(key) ?? SeqRanges.empty();
    ranges.add(first, last);
    held.set(key, ranges);
  };
  for (const batch of new BatchLog(db, state).after(0)) {
    const content = contentOf(batch, names);
    if (typeof content === 'string') return content;
    if (batch.id > folded) continue;
    derived.add(batch, names.byId.get(batch.epoch)?.agentId ?? 0, content);
    hold(batch.epoch, batch.lane, batch.first, batch.last);
  }
  for (const { epoch, lane, pieces } of db
    .prepare<{ epoch: number; lane: number; pieces: string }>('SELECT * FROM voids')
    .all()) {
    const flat = JSON.parse(pieces) as number[];
    for (let i = 0; i < flat.length; i += 2) hold(epoch, lane, flat[i] ?? 0, flat[i + 1] ?? 0);
  }
  for (const row of db.prepare<DroppedRow>('SELECT * FROM dropped_ranges').all())
    for (const [first, last] of droppedPairs(row)) hold(row.epoch, row.lane, first, last);
  const waiting = db.prepare<{ epoch: number; lane: number; first: number; last: number }>(
    'SELECT epoch, lane, first, last FROM quarantine WHERE is_held = 1',
  );
  for (const { epoch, lane, first, last } of waiting.all()) hold(epoch, lane, first, last);
  // Ranges that grew by what is no batch are saved at once, together with what batches of the tail added.
  const saved = db.prepare<{ epoch: number; lane: number; watermark: number; beyond: string }>('SELECT * FROM ranges');
  const tail = db.prepare<{ epoch: number; lane: number; first: number; last: number }>(
    'SELECT epoch, lane, first, last FROM batches WHERE id > ?',
  );
  const whole = new Map([...held].map(([key, ranges]) => [key, ranges.clone()]));
  for (const { epoch, lane, first, last } of tail.all(folded)) {
    const key = `${epoch}:${lane}`;
    const ranges = whole.get(key) ?? SeqRanges.empty();
    ranges.add(first, last);
    whole.set(key, ranges);
  }
  const seen = new Set<string>();
  for (const { epoch, lane, watermark, beyond } of saved.all()) {
    const key = `${epoch}:${lane}`;
    seen.add(key);
    const ranges = SeqRanges.from(watermark, JSON.parse(beyond) as number[]);
    if (!isWithin(ranges, whole.get(key)) || !isWithin(held.get(key), ranges))
      return `the ranges of lane ${lane} of epoch ${epoch} are not those of its batches`;
  }
  for (const key of held.keys()) if (!seen.has(key)) return `the ranges of ${key} are missing`;
  return derived.problem(db, horizons.of(0) / hourMs) ?? problemInRollups(db);
}

function isWithin(inner: SeqRanges | undefined, outer: SeqRanges | undefined): boolean {
  if (inner === undefined) return true;
  const flat = inner.watermark > 0 ? [1, inner.watermark, ...inner.beyond] : inner.beyond;
  for (let i = 0; i < flat.length; i += 2) if (outer?.has(flat[i] ?? 0, flat[i + 1] ?? 0) !== true) return false;
  return true;
}

export interface BlockSql {
  readonly id: number;
  readonly level: number;
  readonly series: number;
  readonly start: number;
  readonly rows: number;
  readonly packed: Uint8Array;
}

/** Tells what is wrong with a packed block; undefined = it is found by its place and has its rows. Throws when it cannot be read. */
export function blockCheck(db: Database): (block: BlockSql) => string | undefined {
  const byPlace = db.prepare<{ id: number }>(
    'SELECT id FROM rollup_blocks INDEXED BY rollup_blocks_place WHERE level = ? AND series = ? AND start = ?',
  );
  return ({ id, level, series, start, rows, packed }) => {
    if (byPlace.get(level, series, start)?.id !== id) return `the block of series ${series} at ${start} is not found`;
    const found = rowsOfBlock(level, series, { start, packed }, start, start + blockSpanMs(level));
    return found.length === rows
      ? undefined
      : `the block of series ${series} at ${start} has not the rows it should have`;
  };
}

/** By no index: a row whose key flipped is out of order, and a search would pass it by. */
function problemInRollups(db: Database): string | undefined {
  const rows = db.prepare<{ level: number; series: number; start: number; partial: Uint8Array }>(
    'SELECT * FROM rollups',
  );
  for (const { level, partial, series, start } of rows.iterate()) openSealed(partial, level, series, start);
  const blocks = db.prepare<BlockSql>('SELECT * FROM rollup_blocks NOT INDEXED');
  const check = blockCheck(db);
  for (const block of blocks.iterate()) {
    const problem = check(block);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What a fold made of the batches that it has seen, held against what they say. */
class Derived {
  readonly #ranges = new Set<string>();
  readonly #hours = new Set<string>();
  readonly #arrived = new Map<string, Record<Form, number>>();

  add(batch: LoggedBatch, agent: number, { hours, thinned }: BatchContent): void {
    const { id, epoch, lane, first, last, isMerged } = batch;
    this.#ranges.add(`${epoch},${lane},${last},${first},${id},${isMerged === true ? 1 : 0}`);
    for (const [hour, items] of hours) {
      this.#hours.add(`${agent},${hour},${id}`);
      const key = `${agent},${lane},${hour}`;
      const known = this.#arrived.get(key) ?? { delivered: 0, thinned: 0 };
      known[thinned.length > 0 ? 'thinned' : 'delivered'] += items;
      this.#arrived.set(key, known);
    }
  }

  /** Before `horizonHour` batches may be gone; what is there must be right nevertheless. */
  problem(db: Database, horizonHour: number): string | undefined {
    const keysOf = (sql: string): string[] =>
      db
        .prepare<Record<string, number>>(sql)
        .all()
        .map((row) => Object.values(row).join(','));
    const ranges = keysOf('SELECT epoch, lane, last, first, batch, merged FROM batch_ranges');
    if (!isSame(ranges, this.#ranges)) return 'the index of ranges is not that of the batches';
    const hours = keysOf('SELECT agent, hour, batch FROM batch_hours');
    const isOld = (hour: number): boolean => hour < horizonHour;
    const hourOf = (key: string, at: number): number => Number(key.split(',')[at]);
    const isOldPair = (key: string): boolean => isOld(hourOf(key, 1));
    const recent = hours.filter((key) => !isOldPair(key));
    const expectedHours = new Set([...this.#hours].filter((key) => !isOldPair(key)));
    const isIndexed = isSame(recent, expectedHours) && hours.every((key) => this.#hours.has(key));
    if (!isIndexed) return 'the index of hours is not that of the batches';
    const lines = db
      .prepare<{ agent: number; lane: number; hour: number } & Record<Form, number>>(
        'SELECT agent, lane, hour, delivered, thinned FROM ledger WHERE delivered + thinned > 0',
      )
      .all();
    const told = new Map(lines.map((row) => [`${row.agent},${row.lane},${row.hour}`, row]));
    for (const key of new Set([...told.keys(), ...this.#arrived.keys()])) {
      for (const form of ['delivered', 'thinned'] as const) {
        const items = told.get(key)?.[form] ?? 0;
        const least = this.#arrived.get(key)?.[form] ?? 0;
        if (items === least || (items > least && isOld(hourOf(key, 2)))) continue;
        return `the account of what was ${form} is not that of the batches`;
      }
    }
    return undefined;
  }
}

function isSame(found: readonly string[], expected: ReadonlySet<string>): boolean {
  return found.length === expected.size && found.every((key) => expected.has(key));
}
