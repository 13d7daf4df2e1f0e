/**
 * The agent's database (decision 0001). `commits` is the log; every other table is what a checkpoint derived from it. Ids of batches and
 * voids are never used again: an ack that is still under way for one that was given up must not find another in its place.
 */
import type { DatabaseOptions } from '@fogline/shared/sqlite';

export const agentDatabase: DatabaseOptions = {
  applicationId: 0x464c4147,
  schemaVersion: 3,
  schema: `
    CREATE TABLE commits (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE packs (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE epochs (
      id INTEGER PRIMARY KEY, epoch TEXT NOT NULL UNIQUE, parent TEXT, parent_last TEXT NOT NULL,
      series_base INTEGER NOT NULL, series_count INTEGER NOT NULL, last TEXT NOT NULL);
    CREATE TABLE series (id INTEGER PRIMARY KEY, definition BLOB NOT NULL);
    CREATE TABLE rows (
      id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
      kind INTEGER NOT NULL, commit_id INTEGER, output INTEGER, pack_id INTEGER, bytes INTEGER NOT NULL, at INTEGER NOT NULL,
      hours TEXT NOT NULL, batch INTEGER);
    CREATE INDEX rows_range ON rows (epoch, lane, first);
    CREATE INDEX rows_unsealed ON rows (lane, epoch, first) WHERE batch IS NULL;
    CREATE INDEX rows_batch ON rows (batch) WHERE batch IS NOT NULL;
    CREATE INDEX rows_commit ON rows (commit_id) WHERE commit_id IS NOT NULL;
    CREATE TABLE batches (
      id INTEGER PRIMARY KEY AUTOINCREMENT, epoch INTEGER NOT NULL, lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
      crc INTEGER NOT NULL, acked INTEGER NOT NULL);
    CREATE INDEX batches_range ON batches (epoch, lane, first);
    CREATE INDEX batches_unacked ON batches (lane, id) WHERE acked = 0;
    CREATE INDEX batches_acked ON batches (id) WHERE acked = 1;
    CREATE TABLE voids (
      id INTEGER PRIMARY KEY AUTOINCREMENT, epoch INTEGER NOT NULL, lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
      reason TEXT NOT NULL, stats TEXT NOT NULL, stats_omitted INTEGER NOT NULL, hours TEXT NOT NULL, sent INTEGER NOT NULL, acked INTEGER NOT NULL);
    CREATE INDEX voids_range ON voids (epoch, lane, first);
    CREATE INDEX voids_unacked ON voids (id) WHERE acked = 0;
    CREATE TABLE ledger (
      lane INTEGER NOT NULL, hour INTEGER NOT NULL, produced INTEGER NOT NULL, evicted INTEGER NOT NULL, thinned INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL,
      PRIMARY KEY (lane, hour)) WITHOUT ROWID;
    CREATE INDEX ledger_dirty ON ledger (lane) WHERE version > 0;
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE rejected (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL, topic TEXT NOT NULL, payload TEXT NOT NULL);
    CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  `,
};
