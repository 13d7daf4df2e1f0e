/**
 * From a damaged hub to a sound one (decision 0006): who the agents are, what they defined and declared is copied where it is sound; then every
 * batch of the log that is what its row says is applied as if it had just come. Ledger, ranges, roll-ups and latest values are made anew.
 * What is missing afterwards is missing in `welcome`, and the agents send it again or declare it.
 */

import type { Lane } from '@fogline/shared/protocol/limits';
import { decodeBatch, type VoidMessage, voidReasons } from '@fogline/shared/protocol/messages';
import { attempt, copyRow, keyColumns, readable, tableNames } from '@fogline/shared/readable-rows';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { Database, Value } from '@fogline/shared/sqlite';
import { restoreCredentials } from '../fleet/credential-copy.ts';
import { isUnreadableAlarm } from './alarm-rows.ts';
import { decodeContent, findUnknownSeries, type Settled } from './batch-content.ts';
import type { LoggedBatch } from './batch-log.ts';
import { contentOf, epochNames } from './hub-check.ts';
import { HubStore } from './hub-store.ts';
import { copyExpired, copyHorizons, type Expired, type Read } from './salvage-expired.ts';
import { balance } from './void-table.ts';

export interface HubSalvaged {
  readonly agents: number;
  readonly batches: number;
  readonly batchesLost: number;
  /** Roll-ups whose readings are gone, and which did not match their checksums. */
  readonly rollupsLost: number;
  readonly voids: number;
}

type Row = Record<string, Value>;

/** Made anew from the log, or written by what is copied here. Any other table is copied as it reads. */
const rebuilt = new Set(
  // What was quarantined and held comes again, because its range is not held any more.
  'state agents api_tokens epochs series definitions batches voids gaps thinned ledger ranges batch_ranges batch_hours rollups rollup_blocks latest quarantine horizons dropped_ranges sqlite_sequence'.split(
    ' ',
  ),
);
const batchesPerFold = 4_096;

/** Fills `to`, which is new. `from` is undefined when nothing of it can be read. */
export function salvageHub(from: Database | undefined, to: Database, credentials: string, nowMs: number): HubSalvaged {
  const read = <R>(table: string): Iterable<R> =>
    from === undefined ? [] : readable<R>(from, table, keyColumns(to, table).join(', '));
  to.transaction(() => {
    const hasCredentials = restoreCredentials(to, credentials);
    copyAgents(to, read, hasCredentials);
    copyEpochs(to, read);
    copyDefinitions(to, read);
    if (!hasCredentials) for (const row of read<Row>('api_tokens')) attempt(() => copyRow(to, 'api_tokens', row));
    for (const table of tableNames(to)) {
      if (rebuilt.has(table)) continue;
      for (const row of read<Row>(table)) attempt(() => copyRow(to, table, row));
    }
  });
  to.transaction(() => dropStrayAlarms(to));
  to.transaction(() => copyHorizons(to, read, nowMs));
  const store = new HubStore(to);
  const expired = to.transaction(() => copyExpired(store, read));
  const counts = { ...replay(store, read, expired.settledOf, nowMs), rollupsLost: expired.rollupsLost };
  const voids = to.transaction(() => copyVoids(store, read, nowMs));
  to.transaction(() => copyReports(store, read));
  const agents = to.prepare<{ id: number }>('SELECT id FROM agents').all();
  to.transaction(() => {
    for (const { id } of agents) store.events.add(nowMs, id, 'hub_damaged', null, counts);
  });
  return { agents: agents.length, ...counts, voids };
}

function copyAgents(to: Database, read: Read, hasCredentials: boolean): void {
  const update = to.prepare(
    'UPDATE agents SET last_seen = ?, epoch = ?, software = ?, queued = ?, clock_offset = ?, clock_trusted = ?, counters = ? WHERE id = ? AND name = ?',
  );
  for (const row of read<Row>('agents')) {
    attempt(() => {
      for (const name of ['queued', 'counters']) JSON.parse(String(row[name]));
      // One that was only heard of is in no copy.
      const { token_hash: hash, ...heard } = row;
      if (!hasCredentials || hash === null) copyRow(to, 'agents', hasCredentials ? heard : row);
      const { last_seen, epoch, software, queued, clock_offset, clock_trusted, counters, id, name } = row;
      const values = [last_seen, epoch, software, queued, clock_offset, clock_trusted, counters, id, name];
      update.run(...values.map((value) => value ?? null));
    });
  }
}

/** A batch names its epoch itself; that is believed where the row says otherwise. */
function copyEpochs(to: Database, read: Read): void {
  const named = new Map<number, string>();
  for (const { epoch, payload } of read<{ epoch: number; payload: Uint8Array }>('batches'))
    if (!named.has(epoch)) attempt(() => named.set(epoch, decodeBatch(payload).epoch));
  for (const row of read<Row & { id: number; epoch: string }>('epochs')) {
    const epoch = named.get(row.id) ?? row.epoch;
    attempt(() => {
      if (/^[0-9a-f]{16}$/.test(epoch)) copyRow(to, 'epochs', { ...row, epoch });
    });
  }
}

/** A definition is worth nothing without its series; the agent tells it again, and so it does what comes after a hole. */
function copyDefinitions(to: Database, read: Read): void {
  for (const table of ['series', 'definitions'])
    for (const row of read<Row>(table)) attempt(() => copyRow(to, table, row));
  to.exec(`DELETE FROM series WHERE agent NOT IN (SELECT id FROM agents);
    DELETE FROM definitions WHERE series NOT IN (SELECT id FROM series) OR epoch NOT IN (SELECT id FROM epochs)`);
}

/** An alarm without its series is about nothing, or soon about another: the number is given to the next one. */
function dropStrayAlarms(to: Database): void {
  to.exec(`DELETE FROM alarms WHERE ${isUnreadableAlarm} OR agent NOT IN (SELECT id FROM agents)
      OR (series <> 0 AND series NOT IN (SELECT id FROM series));
    DELETE FROM alarm_history WHERE alarm NOT IN (SELECT id FROM alarms)`);
}

function replay(
  store: HubStore,
  read: Read,
  settledOf: Expired['settledOf'],
  nowMs: number,
): { batches: number; batchesLost: number } {
  const names = epochNames(store.db);
  const sound: LoggedBatch[] = [];
  let batches = 0;
  let batchesLost = 0;
  const flush = (): void => {
    store.db.transaction(() => {
      for (const batch of sound.splice(0)) {
        if (applyAgain(store, batch, settledOf(batch.id))) batches++;
        else batchesLost++;
      }
      store.startFold(nowMs);
      store.continueFold(Number.POSITIVE_INFINITY, nowMs);
    });
  };
  for (const row of read<Row>('batches')) {
    const batch = attempt(() => batchOf(row));
    if (batch === undefined || typeof contentOf(batch, names) === 'string') batchesLost++;
    else sound.push(batch);
    if (sound.length >= batchesPerFold) flush();
  }
  flush();
  return { batches, batchesLost };
}

function batchOf(row: Row): LoggedBatch {
  const { id, epoch, lane, first, last, received, merged, payload } = row;
  return {
    id: Number(id),
    epoch: Number(epoch),
    lane: Number(lane) as Lane,
    first: Number(first),
    last: Number(last),
    receivedMs: Number(received),
    payload: payload as Uint8Array,
    isMerged: merged === 1,
  };
}

function applyAgain(store: HubStore, batch: LoggedBatch, settled: Settled | undefined): boolean {
  const epoch = store.epochs.byId(batch.epoch);
  const agent = epoch === undefined ? undefined : store.agents.byId(epoch.agent);
  if (epoch === undefined || agent === undefined) return false;
  if (epoch.ranges[batch.lane]?.classify(batch.first, batch.last) !== 'new') return false;
  const content = decodeContent(decodeBatch(batch.payload));
  const series = store.series.of(epoch);
  if (findUnknownSeries(content, series) !== undefined) return false;
  store.apply(agent, epoch, batch, content, series, settled);
  return true;
}

function copyVoids(store: HubStore, read: Read, nowMs: number): number {
  const gaps = new Map<number, Row[]>();
  for (const gap of read<Row>('gaps')) {
    const of = Number(gap['void']);
    gaps.set(of, [...(gaps.get(of) ?? []), gap]);
  }
  let voids = 0;
  for (const row of read<Row>('voids')) {
    const isCopied = attempt(() => {
      const { id, agent, epoch, lane, first, last, reason } = row;
      const state = store.epochs.byId(Number(epoch));
      const ranges = state?.ranges[Number(lane)];
      if (
        state === undefined ||
        ranges === undefined ||
        state.agent !== agent ||
        !voidReasons.some((known) => known === reason)
      )
        return false;
      const pieces = SeqRanges.empty();
      const flat = JSON.parse(String(row['pieces'])) as number[];
      for (let i = 0; i < flat.length; i += 2) {
        if (ranges.classify(flat[i] ?? 0, flat[i + 1] ?? 0) !== 'new') return false;
        pieces.add(flat[i] ?? 0, flat[i + 1] ?? 0);
      }
      const hours = new Map(JSON.parse(String(row['hours'])) as [number, number][]);
      balance(hours, pieces.size);
      const message = {
        agent: '',
        epoch: state.epoch,
        lane: Number(lane) as Lane,
        first: Number(first),
        last: Number(last),
        reason: reason as VoidMessage['reason'],
        stats: (gaps.get(Number(id)) ?? []).map(statOf),
        statsOmitted: Number(row['stats_omitted']),
        hours: [...hours],
      };
      store.voids.insert(state.agent, state.id, message, pieces, hours, Number(row['received'] ?? nowMs));
      for (let i = 0; i < flat.length; i += 2) ranges.add(flat[i] ?? 0, flat[i + 1] ?? 0);
      store.epochs.saveRange(state, message.lane);
      return true;
    });
    if (isCopied === true) voids++;
  }
  return voids;
}

function statOf(gap: Row): VoidMessage['stats'][number] {
  const float = (name: string): number => Buffer.from(gap[name] as Uint8Array).readDoubleLE(0);
  const [series, hour, count] = [Number(gap['local']), Number(gap['hour']), Number(gap['count'])];
  return { series, hour, count, min: float('min'), max: float('max'), mean: float('mean') };
}

/** What the agents said of their own account; they do not say it again before it changes. */
function copyReports(store: HubStore, read: Read): void {
  for (const row of read<Row>('ledger')) {
    attempt(() => {
      if (row['reported'] === null) return;
      const [lane, hour, produced, queued, evicted] = ['lane', 'hour', 'produced', 'queued', 'evicted'].map((name) =>
        Number(row[name]),
      );
      if (![lane, hour, produced, queued, evicted].every(Number.isSafeInteger)) return;
      const line = {
        lane: lane as Lane,
        hour: hour ?? 0,
        produced: produced ?? 0,
        queued: queued ?? 0,
        evicted: evicted ?? 0,
      };
      store.ledger.report(Number(row['agent']), line, Number(row['reported']));
    });
  }
}
