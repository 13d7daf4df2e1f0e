/** The statements of the agent's database, prepared once, and the rows they return. */

import type { Lane } from '@fogline/shared/protocol/limits';
import type { Database } from '@fogline/shared/sqlite';
import type { LedgerEntry, RejectedSample } from './stored.ts';

export interface RawRow {
  id: number;
  epoch: number;
  lane: Lane;
  first: number;
  last: number;
  kind: number;
  commit_id: number | null;
  output: number | null;
  pack_id: number | null;
  bytes: number;
  at: number;
  hours: string;
  batch: number | null;
}

export type RawBatch = { id: number; epoch: number; lane: Lane; first: number; last: number; crc: number };
export type RawEpoch = {
  id: number;
  epoch: string;
  parent: string | null;
  parent_last: string;
  series_base: number;
  series_count: number;
  last: string;
};

const rowColumns = 'id, epoch, lane, first, last, kind, commit_id, output, pack_id, bytes, at, hours, batch';

const ledgerColumns = 'lane, hour, produced, evicted, thinned, version';

export function statementsOf(db: Database) {
  return {
    ...logStatements(db),
    ...rowStatements(db),
    ...batchStatements(db),
    ...accountStatements(db),
    ...stateStatements(db),
  };
}

function logStatements(db: Database) {
  return {
    appendCommit: db.prepare('INSERT INTO commits (id, body) VALUES (?, ?)'),
    readCommit: db.prepare<{ body: Uint8Array }>('SELECT body FROM commits WHERE id = ?'),
    lastCommit: db.prepare<{ id: number | null }>('SELECT max(id) AS id FROM commits'),
    nextCommit: db.prepare<{ id: number; body: Uint8Array }>(
      'SELECT id, body FROM commits WHERE id > ? ORDER BY id LIMIT 1',
    ),
    previousCommit: db.prepare<{ id: number; body: Uint8Array }>(
      'SELECT id, body FROM commits WHERE id < ? ORDER BY id DESC LIMIT 1',
    ),
    freeCommits: db.prepare<{ id: number }>(
      `SELECT id FROM commits c WHERE c.id > ? AND c.id < ?
       AND NOT EXISTS (SELECT 1 FROM rows r WHERE r.commit_id = c.id) ORDER BY c.id LIMIT ?`,
    ),
    deleteCommit: db.prepare('DELETE FROM commits WHERE id = ?'),
    deleteCommitIfFree: db.prepare(
      'DELETE FROM commits WHERE id = ?1 AND id < ?2 AND NOT EXISTS (SELECT 1 FROM rows WHERE commit_id = ?1)',
    ),
    readPack: db.prepare<{ body: Uint8Array }>('SELECT body FROM packs WHERE id = ?'),
    deletePack: db.prepare('DELETE FROM packs WHERE id = ?'),
    insertPack: db.prepare('INSERT INTO packs (body) VALUES (?)'),
    epochs: db.prepare<RawEpoch>('SELECT * FROM epochs ORDER BY id'),
    insertEpoch: db.prepare(
      'INSERT INTO epochs (id, epoch, parent, parent_last, series_base, series_count, last) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    updateEpoch: db.prepare('UPDATE epochs SET series_count = ?, last = ? WHERE id = ?'),
    insertSeries: db.prepare('INSERT INTO series (id, definition) VALUES (?, ?)'),
    series: db.prepare<{ definition: Uint8Array }>('SELECT definition FROM series WHERE id >= ? ORDER BY id'),
  };
}

function rowStatements(db: Database) {
  return {
    insertRow: db.prepare(`INSERT INTO rows (${rowColumns}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    deleteRow: db.prepare('DELETE FROM rows WHERE id = ?'),
    setBatchOfRow: db.prepare('UPDATE rows SET batch = ? WHERE id = ?'),
    unsealedRows: db.prepare<RawRow>(
      `SELECT ${rowColumns} FROM rows INDEXED BY rows_unsealed
       WHERE lane = ? AND batch IS NULL AND (epoch, first) > (?, ?) ORDER BY epoch, first LIMIT ?`,
    ),
    unsealedInRange: db.prepare<RawRow>(
      `SELECT ${rowColumns} FROM rows INDEXED BY rows_unsealed
       WHERE batch IS NULL AND epoch = ? AND lane = ? AND first BETWEEN ? AND ? AND last <= ? ORDER BY first LIMIT ?`,
    ),
    rowsOfBatch: db.prepare<RawRow>(`SELECT ${rowColumns} FROM rows WHERE batch = ? ORDER BY first`),
    nextRangeFrom: db.prepare<{ first: number; last: number }>(
      'SELECT first, last FROM rows WHERE epoch = ? AND lane = ? AND first >= ? ORDER BY first LIMIT 1',
    ),
    rangeBefore: db.prepare<{ first: number; last: number }>(
      'SELECT first, last FROM rows WHERE epoch = ? AND lane = ? AND first < ? ORDER BY first DESC LIMIT 1',
    ),
    queuedRows: db.prepare<{ lane: Lane; first: number; last: number; hours: string }>(
      `SELECT lane, first, last, hours FROM rows WHERE batch IS NULL
       UNION ALL SELECT r.lane, r.first, r.last, r.hours FROM batches b JOIN rows r ON r.batch = b.id WHERE b.acked = 0`,
    ),
  };
}

function batchStatements(db: Database) {
  return {
    insertBatch: db.prepare('INSERT INTO batches (epoch, lane, first, last, crc, acked) VALUES (?, ?, ?, ?, ?, ?)'),
    deleteBatch: db.prepare('DELETE FROM batches WHERE id = ?'),
    setBatchAcked: db.prepare('UPDATE batches SET acked = ? WHERE id = ?'),
    ackBatchesInRange: db.prepare(
      `UPDATE batches INDEXED BY batches_unacked SET acked = 1
       WHERE acked = 0 AND epoch = ? AND lane = ? AND first >= ? AND last <= ?`,
    ),
    rewindBatchesInRange: db.prepare(
      `UPDATE batches INDEXED BY batches_range SET acked = 0
       WHERE acked = 1 AND epoch = ? AND lane = ? AND first BETWEEN ? AND ? AND last <= ?`,
    ),
    unackedBatches: db.prepare<RawBatch>(
      'SELECT * FROM batches WHERE lane = ? AND acked = 0 AND id > ? ORDER BY id LIMIT ?',
    ),
    ackedBatches: db.prepare<RawBatch>('SELECT * FROM batches WHERE acked = 1 ORDER BY id LIMIT ?'),
  };
}

function accountStatements(db: Database) {
  return {
    addToLedger: db.prepare(
      `INSERT INTO ledger (lane, hour, produced, evicted, version) VALUES (?, ?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET produced = produced + excluded.produced, evicted = evicted + excluded.evicted, version = version + 1`,
    ),
    addThinned: db.prepare(
      `INSERT INTO ledger (lane, hour, produced, evicted, thinned, version) VALUES (?, ?, 0, 0, ?, 1)
       ON CONFLICT DO UPDATE SET thinned = thinned + excluded.thinned`,
    ),
    touchLedger: db.prepare('UPDATE ledger SET version = version + 1 WHERE lane = ? AND hour = ?'),
    markReported: db.prepare('UPDATE ledger SET version = 0 WHERE lane = ? AND hour = ? AND version = ?'),
    markWholeLedger: db.prepare('UPDATE ledger SET version = version + 1'),
    dirtyLedger: db.prepare<LedgerEntry>(`SELECT ${ledgerColumns} FROM ledger WHERE version > 0 LIMIT ?`),
    wholeLedger: db.prepare<LedgerEntry>(`SELECT ${ledgerColumns} FROM ledger ORDER BY lane, hour`),
    addToCounter: db.prepare(
      'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value',
    ),
    forgetCounter: db.prepare('DELETE FROM counters WHERE name = ? AND value = 0'),
    counters: db.prepare<{ name: string; value: number }>('SELECT name, value FROM counters ORDER BY name'),
    insertRejected: db.prepare('INSERT INTO rejected (at, source, reason, topic, payload) VALUES (?, ?, ?, ?, ?)'),
    trimRejected: db.prepare(
      `DELETE FROM rejected WHERE id IN (SELECT id FROM (
         SELECT id, row_number() OVER (PARTITION BY source, reason ORDER BY id DESC) AS age FROM rejected) WHERE age > ?)`,
    ),
    rejected: db.prepare<RejectedSample>('SELECT at, source, reason, topic, payload FROM rejected ORDER BY id'),
  };
}

function stateStatements(db: Database) {
  return {
    saveState: db.prepare(
      'INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    ),
    loadState: db.prepare<{ value: Uint8Array | string }>('SELECT value FROM state WHERE key = ?'),
    dropOperators: db.prepare(`DELETE FROM state WHERE key >= 'operator:' AND key < 'operator;'`),
    operators: db.prepare<{ key: string; value: Uint8Array }>(
      `SELECT key, value FROM state WHERE key >= 'operator:' AND key < 'operator;'`,
    ),
  };
}
