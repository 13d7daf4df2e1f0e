/**
 * Looks for damage in the database of a running hub, one row a step: every batch against its row and its places in the indexes, every entry of
 * an index against its batch, every roll-up, single and packed, against its checksum, every definition, every void, every alarm. Nothing is held between two steps, so a
 * commit may come between any two. What it cannot see, and the check of a start does: entries that are missing from ranges and ledger,
 * and pages that no table uses.
 */
import { messageOf } from '@fogline/shared/errors';
import type { Database, Value } from '@fogline/shared/sqlite';
import { isUnreadableAlarm } from './alarm-rows.ts';
import { type BatchRow, fromRow } from './batch-log.ts';
import { type BlockSql, blockCheck, contentOf, type EpochNames } from './hub-check.ts';
import { hourMs } from './levels.ts';
import { Horizons } from './retention.ts';
import { openSealed } from './sealed.ts';
import { StateTable } from './state.ts';

type Steps = Generator<string | undefined, void>;

/** Every step yields undefined, or what is wrong. Ends after one round. */
export function* checkRunning(db: Database): Steps {
  yield* guarded('batches', checkBatches(db));
  yield* guarded('index of ranges', checkIndex(db, 'batch_ranges', ['epoch', 'lane', 'last']));
  yield* guarded('index of hours', checkIndex(db, 'batch_hours', ['agent', 'hour', 'batch']));
  yield* guarded('roll-ups', checkRollups(db));
  yield* guarded('packed roll-ups', checkBlocks(db));
  yield* guarded('definitions', checkDefinitions(db));
  yield* guarded('voids', checkVoids(db));
  yield* guarded('alarms', checkAlarms(db));
}

/** Any error while reading is a finding. */
function* guarded(what: string, steps: Steps): Steps {
  try {
    for (const step of steps) yield step === undefined ? undefined : `${what}: ${step}`;
  } catch (error) {
    yield `${what}: ${messageOf(error)}`;
  }
}

type Row = Readonly<Record<string, Value>>;

/** Rows of a table in the order of its key, each read by a question of its own. Keys that do not ascend are a finding. */
function* rowsOf<R extends object>(db: Database, table: string, key: readonly string[]): Generator<R | string> {
  const order = key.join(', ');
  const first = db.prepare<R>(`SELECT * FROM ${table} ORDER BY ${order} LIMIT 1`);
  const next = db.prepare<R>(
    `SELECT * FROM ${table} WHERE (${order}) > (${key.map(() => '?').join(', ')}) ORDER BY ${order} LIMIT 1`,
  );
  const keyOf = (row: R): number[] => key.map((name) => Number((row as Row)[name]));
  let at: number[] | undefined;
  for (let row = first.get(); row !== undefined; row = next.get(...at)) {
    const found = keyOf(row);
    if (at !== undefined && !isAfter(found, at)) {
      yield `a row with key ${found.join('/')} comes after ${at.join('/')}`;
      return;
    }
    at = found;
    yield row;
  }
}

function isAfter(key: readonly number[], other: readonly number[]): boolean {
  for (const [index, part] of key.entries()) {
    const than = other[index] ?? 0;
    if (part !== than) return part > than;
  }
  return false;
}

function* checkBatches(db: Database): Steps {
  const owner = db.prepare<{ agent: string; agentId: number; epoch: string }>(
    'SELECT a.name AS agent, a.id AS agentId, e.epoch FROM epochs e JOIN agents a ON a.id = e.agent WHERE e.id = ?',
  );
  const range = db.prepare<{ batch: number; first: number; merged: number }>(
    'SELECT batch, first, merged FROM batch_ranges WHERE epoch = ? AND lane = ? AND last = ?',
  );
  const inHour = db.prepare('SELECT 1 FROM batch_hours WHERE agent = ? AND hour = ? AND batch = ?');
  const state = new StateTable(db);
  const horizons = new Horizons(db);
  for (const row of rowsOf<BatchRow>(db, 'batches', ['id'])) {
    if (typeof row === 'string') {
      yield row;
      continue;
    }
    const names = owner.get(row.epoch);
    const known: EpochNames = { byId: new Map(names === undefined ? [] : [[row.epoch, names]]) };
    const content = contentOf(fromRow(row), known);
    if (typeof content === 'string') yield content;
    else if (row.id <= state.get('folded')) {
      const place = range.get(row.epoch, row.lane, row.last);
      if (place?.batch !== row.id || place.first !== row.first || place.merged !== row.merged)
        yield `batch ${row.id} is not found by its range`;
      // Hours before the horizon go first, their batch when all of it is before.
      horizons.reset();
      for (const hour of content.hours.keys())
        if (hour >= horizons.of(0) / hourMs && inHour.get(names?.agentId ?? 0, hour, row.id) === undefined)
          yield `batch ${row.id} is not found by its hours`;
    }
    yield undefined;
  }
}

interface IndexRow extends Row {
  readonly batch: number;
}

/** Every entry names a batch that is what the entry says. */
function* checkIndex(db: Database, table: 'batch_ranges' | 'batch_hours', key: readonly string[]): Steps {
  const batches = db.prepare<BatchRow>('SELECT id, epoch, lane, first, last FROM batches WHERE id = ?');
  for (const entry of rowsOf<IndexRow>(db, table, key)) {
    if (typeof entry === 'string') {
      yield entry;
      continue;
    }
    const batch = batches.get(entry.batch);
    const isSame = (['epoch', 'lane', 'first', 'last'] as const).every(
      (name) => entry[name] === undefined || entry[name] === batch?.[name],
    );
    yield batch !== undefined && isSame ? undefined : `an entry names batch ${entry.batch}, which is not that`;
  }
}

interface RollupRow extends Row {
  readonly level: number;
  readonly series: number;
  readonly start: number;
  readonly partial: Uint8Array;
}

function* checkRollups(db: Database): Steps {
  for (const row of rowsOf<RollupRow>(db, 'rollups', ['level', 'series', 'start'])) {
    if (typeof row === 'string') yield row;
    else {
      openSealed(row.partial, row.level, row.series, row.start);
      yield undefined;
    }
  }
}

function* checkBlocks(db: Database): Steps {
  const check = blockCheck(db);
  for (const row of rowsOf<BlockSql>(db, 'rollup_blocks', ['id'])) yield typeof row === 'string' ? row : check(row);
}

function* checkDefinitions(db: Database): Steps {
  const both = db.prepare('SELECT 1 FROM series s JOIN epochs e ON e.agent = s.agent WHERE s.id = ? AND e.id = ?');
  for (const row of rowsOf<Row>(db, 'definitions', ['epoch', 'local'])) {
    if (typeof row === 'string') {
      yield row;
      continue;
    }
    const { epoch = null, local, series = null } = row;
    yield both.get(series, epoch) === undefined
      ? `series ${String(local)} of epoch ${String(epoch)} is not there`
      : undefined;
  }
}

function* checkVoids(db: Database): Steps {
  for (const row of rowsOf<Row>(db, 'voids', ['id'])) {
    if (typeof row === 'string') {
      yield row;
      continue;
    }
    for (const name of ['pieces', 'hours']) JSON.parse(String(row[name]));
    yield undefined;
  }
}

function* checkAlarms(db: Database): Steps {
  const unreadable = db.prepare(`SELECT 1 FROM alarms WHERE id = ? AND ${isUnreadableAlarm}`);
  for (const row of rowsOf<Row>(db, 'alarms', ['id'])) {
    if (typeof row === 'string') yield row;
    else
      yield unreadable.get(row['id'] ?? null) === undefined
        ? undefined
        : `the state of ${String(row['id'])} cannot be read`;
  }
}
