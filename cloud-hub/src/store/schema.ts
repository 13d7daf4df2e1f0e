/**
 * The hub's database (decision 0002). `batches` is the log: appended by ingest and never updated. `ranges`, `rollups`, `latest`,
 * columns `delivered` and `thinned` of `ledger`, `batch_ranges` and `batch_hours` are derived from it and brought up to date by folds;
 * `state` says how far they are (state.ts). Everything else is written by the transaction of its message.
 */
import { type Database, openDatabase, type StorageFaults } from '@fogline/shared/sqlite';

/** Epochs are 16 hex digits, times integer ms, lists JSON; float64 values are 8 bytes little endian, so that −0 survives. */
const schema = `
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES ('folded', 0), ('rolled', 0), ('rolling_series', 0), ('credentials', 0), ('sites', 0);

CREATE TABLE agents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  site TEXT NOT NULL DEFAULT '',
  token_hash BLOB,
  created INTEGER NOT NULL,
  revoked INTEGER,
  last_seen INTEGER,
  epoch TEXT,
  software TEXT NOT NULL DEFAULT '',
  queued TEXT NOT NULL DEFAULT '[0,0,0,0]',
  clock_offset INTEGER,
  clock_trusted INTEGER NOT NULL DEFAULT 0,
  counters TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE api_tokens (
  name TEXT PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  sites TEXT,
  created INTEGER NOT NULL,
  revoked INTEGER
) WITHOUT ROWID;

CREATE TABLE epochs (
  id INTEGER PRIMARY KEY,
  agent INTEGER NOT NULL,
  epoch TEXT NOT NULL,
  parent TEXT,
  parent_last TEXT,
  series_base INTEGER NOT NULL,
  session INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  UNIQUE (agent, epoch)
);
CREATE INDEX epochs_parent ON epochs (agent, parent);
CREATE TABLE ranges (
  epoch INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  watermark INTEGER NOT NULL,
  beyond TEXT NOT NULL,
  PRIMARY KEY (epoch, lane)
) WITHOUT ROWID;

CREATE TABLE dropped_ranges (
  epoch INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  ranges BLOB NOT NULL,
  PRIMARY KEY (epoch, lane)
) WITHOUT ROWID;
CREATE TABLE horizons (
  what INTEGER PRIMARY KEY,
  ms INTEGER NOT NULL,
  checksum INTEGER NOT NULL
);

CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  agent INTEGER NOT NULL,
  identity TEXT NOT NULL,
  stream TEXT NOT NULL,
  device TEXT NOT NULL,
  metric TEXT NOT NULL,
  unit TEXT NOT NULL,
  kind TEXT NOT NULL,
  type TEXT NOT NULL,
  sampling TEXT NOT NULL,
  tags TEXT NOT NULL,
  width INTEGER NOT NULL,
  hold INTEGER NOT NULL,
  widths TEXT NOT NULL,
  merged_into INTEGER NOT NULL DEFAULT 0,
  UNIQUE (agent, identity)
);
CREATE INDEX series_metric ON series (metric);
CREATE INDEX series_agent ON series (agent, metric);
CREATE INDEX series_device ON series (device, metric);
CREATE TABLE definitions (
  epoch INTEGER NOT NULL,
  local INTEGER NOT NULL,
  series INTEGER NOT NULL,
  width INTEGER NOT NULL,
  hold INTEGER NOT NULL,
  PRIMARY KEY (epoch, local)
) WITHOUT ROWID;

CREATE TABLE batches (
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  received INTEGER NOT NULL,
  last_hour INTEGER NOT NULL,
  merged INTEGER NOT NULL DEFAULT 0,
  payload BLOB NOT NULL
);
CREATE TABLE batch_ranges (
  epoch INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  last INTEGER NOT NULL,
  first INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  merged INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (epoch, lane, last)
) WITHOUT ROWID;
CREATE TABLE batch_hours (
  agent INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  PRIMARY KEY (agent, hour, batch)
) WITHOUT ROWID;

CREATE TABLE rollups (
  level INTEGER NOT NULL,
  series INTEGER NOT NULL,
  start INTEGER NOT NULL,
  partial BLOB NOT NULL,
  PRIMARY KEY (level, series, start)
) WITHOUT ROWID;
CREATE TABLE rollup_blocks (
  id INTEGER PRIMARY KEY,
  level INTEGER NOT NULL,
  series INTEGER NOT NULL,
  start INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  packed BLOB NOT NULL
);
CREATE UNIQUE INDEX rollup_blocks_place ON rollup_blocks (level, series, start);
CREATE TABLE latest (
  series INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  value BLOB NOT NULL
);
CREATE TABLE ledger (
  agent INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  delivered INTEGER NOT NULL DEFAULT 0,
  thinned INTEGER NOT NULL DEFAULT 0,
  quarantined INTEGER NOT NULL DEFAULT 0,
  evicted_size INTEGER NOT NULL DEFAULT 0,
  evicted_age INTEGER NOT NULL DEFAULT 0,
  gone INTEGER NOT NULL DEFAULT 0,
  damaged INTEGER NOT NULL DEFAULT 0,
  produced INTEGER NOT NULL DEFAULT 0,
  queued INTEGER NOT NULL DEFAULT 0,
  evicted INTEGER NOT NULL DEFAULT 0,
  reported INTEGER,
  PRIMARY KEY (agent, lane, hour)
) WITHOUT ROWID;

CREATE TABLE voids (
  id INTEGER PRIMARY KEY,
  agent INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  pieces TEXT NOT NULL,
  reason TEXT NOT NULL,
  hours TEXT NOT NULL,
  stats_omitted INTEGER NOT NULL,
  received INTEGER NOT NULL
);
CREATE INDEX voids_range ON voids (epoch, lane, last);
CREATE TABLE gaps (
  agent INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  void INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  local INTEGER NOT NULL,
  count INTEGER NOT NULL,
  min BLOB NOT NULL,
  max BLOB NOT NULL,
  mean BLOB NOT NULL,
  PRIMARY KEY (agent, hour, void, local)
) WITHOUT ROWID;
CREATE INDEX gaps_void ON gaps (void);

CREATE TABLE thinned (
  agent INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  series INTEGER NOT NULL,
  items INTEGER NOT NULL,
  partial BLOB NOT NULL,
  PRIMARY KEY (agent, hour, series)
) WITHOUT ROWID;

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  agent INTEGER NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  hash BLOB NOT NULL,
  epoch INTEGER,
  lane INTEGER,
  first INTEGER,
  last INTEGER,
  is_held INTEGER NOT NULL,
  missing INTEGER,
  detail TEXT NOT NULL,
  received INTEGER NOT NULL,
  times INTEGER NOT NULL,
  payload BLOB NOT NULL,
  UNIQUE (agent, hash, reason)
);
CREATE INDEX quarantine_held ON quarantine (epoch, lane, first) WHERE is_held = 1;
CREATE TABLE quarantine_counts (
  agent INTEGER NOT NULL,
  reason TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (agent, reason)
) WITHOUT ROWID;

CREATE TABLE tombstones (
  id INTEGER PRIMARY KEY,
  agent TEXT NOT NULL,
  identity TEXT NOT NULL,
  from_ms INTEGER NOT NULL,
  to_ms INTEGER NOT NULL,
  at INTEGER NOT NULL,
  readings INTEGER NOT NULL,
  late INTEGER NOT NULL,
  is_due INTEGER NOT NULL,
  UNIQUE (agent, identity, from_ms, to_ms)
);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  body TEXT NOT NULL,
  answer TEXT NOT NULL
);
CREATE INDEX orders_open ON orders (id) WHERE state = 'open';
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  kind TEXT NOT NULL,
  epoch TEXT,
  detail TEXT NOT NULL
);
CREATE INDEX events_agent ON events (agent, id);

CREATE TABLE alarms (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  origin TEXT NOT NULL,
  rule TEXT NOT NULL,
  agent INTEGER NOT NULL,
  series INTEGER NOT NULL,
  severity TEXT,
  state TEXT NOT NULL,
  changed INTEGER NOT NULL,
  due INTEGER,
  body TEXT NOT NULL,
  UNIQUE (origin, rule, agent, series)
);
CREATE INDEX alarms_state ON alarms (state, id);
CREATE INDEX alarms_due ON alarms (due) WHERE due IS NOT NULL;
CREATE TABLE alarm_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  alarm INTEGER NOT NULL,
  time INTEGER NOT NULL,
  epoch TEXT NOT NULL,
  seq INTEGER NOT NULL,
  word TEXT NOT NULL,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  note TEXT NOT NULL,
  UNIQUE (alarm, time, epoch, seq)
);
CREATE TABLE notifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook TEXT NOT NULL,
  message TEXT NOT NULL,
  body TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX notifications_webhook ON notifications (webhook, id);
`;

export interface HubDatabaseOptions {
  readonly cacheKib?: number;
  readonly faults?: StorageFaults;
  readonly readOnly?: boolean;
}

/** 'FLHB' */
export const hubDatabase = { applicationId: 0x464c4842, schemaVersion: 6, schema, cacheKib: 16_384 } as const;

/** Opens or creates a hub's database; `:memory:` or the bytes of a backup for tests and simulations. Throws `storage_open`. */
export function openHubDatabase(file: string | Uint8Array, options: HubDatabaseOptions = {}): Database {
  return openDatabase(file, { ...hubDatabase, ...options });
}
