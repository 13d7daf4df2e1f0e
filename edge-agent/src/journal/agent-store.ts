/**
 * Every operation of the agent on its database, as operations of the domain; those on declared losses are in `voids`. Nothing here
 * decides; callers wrap what belongs together in `transaction`, and what returned from it is on disk.
 */
import { checkedBytes, withChecksum } from '@fogline/shared/checked-bytes';
import { FoglineError } from '@fogline/shared/errors';
import type { Lane } from '@fogline/shared/protocol/limits';
import { partKinds } from '@fogline/shared/protocol/messages';
import type { Database } from '@fogline/shared/sqlite';
import type { OperatorState } from '../pipeline/branch.ts';
import { type RawBatch, type RawRow, statementsOf } from './agent-sql.ts';
import { type CommitRecord, decodeCommit } from './commit-record.ts';
import type {
  BlockPlace,
  EpochRow,
  LedgerEntry,
  RejectedSample,
  RowPosition,
  StoredBatch,
  StoredRange,
  StoredRow,
} from './stored.ts';
import { VoidTable } from './void-table.ts';

export class AgentStore {
  readonly db: Database;
  readonly voids: VoidTable;
  readonly #sql: ReturnType<typeof statementsOf>;

  constructor(db: Database) {
    this.db = db;
    this.voids = new VoidTable(db);
    this.#sql = statementsOf(db);
  }

  transaction<T>(work: () => T): T {
    return this.db.transaction(work);
  }

  // The log.

  appendCommit(id: number, body: Uint8Array): void {
    this.#sql.appendCommit.run(id, body);
  }

  readCommit(id: number): CommitRecord {
    const row = this.#sql.readCommit.get(id);
    if (row === undefined) throw new FoglineError('storage_corrupt', `commit ${id} is missing`);
    return decodeCommit(row.body, id);
  }

  lastCommitId(): number {
    return this.#sql.lastCommit.get()?.id ?? 0;
  }

  /** The newest that there ever was, held or not. */
  newestCommitId(): number {
    return Math.max(this.lastCommitId(), Number(this.loadText('checkpoint') ?? 0));
  }

  /** The first commit after `id`, as stored. */
  nextCommit(id: number): { readonly id: number; readonly body: Uint8Array } | undefined {
    return this.#sql.nextCommit.get(id);
  }

  /** Commits after `id` in order, one in memory at a time. */
  *commitsAfter(id: number): Generator<{ id: number; record: CommitRecord; bytes: number }> {
    for (let next = this.nextCommit(id); next !== undefined; next = this.nextCommit(next.id)) {
      yield { id: next.id, record: decodeCommit(next.body, next.id), bytes: next.body.byteLength };
    }
  }

  /** Commits from the newest back, one in memory at a time. */
  *commitsBackwards(): Generator<{ id: number; record: CommitRecord }> {
    for (
      let next = this.#sql.previousCommit.get(Number.MAX_SAFE_INTEGER);
      next !== undefined;
      next = this.#sql.previousCommit.get(next.id)
    ) {
      yield { id: next.id, record: decodeCommit(next.body, next.id) };
    }
  }

  readPack(id: number): Uint8Array {
    const row = this.#sql.readPack.get(id);
    if (row === undefined) throw new FoglineError('storage_corrupt', `pack ${id} is missing`);
    return row.body;
  }

  insertPack(body: Uint8Array): number {
    return this.#sql.insertPack.run(body).lastInsertRowid;
  }

  // Epochs and series.

  epochs(): EpochRow[] {
    return this.#sql.epochs.all().map((row) => ({
      id: row.id,
      epoch: row.epoch,
      parent: row.parent,
      parentLast: JSON.parse(row.parent_last) as number[],
      seriesBase: row.series_base,
      seriesCount: row.series_count,
      last: JSON.parse(row.last) as number[],
    }));
  }

  insertEpoch({ id, epoch, parent, parentLast, seriesBase, seriesCount, last }: EpochRow): void {
    this.#sql.insertEpoch.run(
      id,
      epoch,
      parent,
      JSON.stringify(parentLast),
      seriesBase,
      seriesCount,
      JSON.stringify(last),
    );
  }

  /** The agent whose epochs these are; undefined when there are none. */
  owner(): string | undefined {
    return this.loadText('agent');
  }

  setOwner(agent: string): void {
    this.saveState('agent', agent);
  }

  updateEpoch(id: number, seriesCount: number, last: readonly number[]): void {
    this.#sql.updateEpoch.run(seriesCount, JSON.stringify(last), id);
  }

  insertSeries(id: number, packed: Uint8Array): void {
    this.#sql.insertSeries.run(id, withChecksum(packed));
  }

  /** Definitions in order of their ids, from one on. */
  *series(from = 0): Generator<Uint8Array> {
    for (const row of this.#sql.series.iterate(from)) yield checkedBytes(row.definition, 'a series definition');
  }

  // Outbox rows and batches.

  insertRow(row: Omit<StoredRow, 'id'>): number {
    const [commit, output, pack] =
      'pack' in row.place ? [null, null, row.place.pack] : [row.place.commit, row.place.output, null];
    const kind = partKinds.indexOf(row.kind);
    const hours = JSON.stringify(row.hours);
    return this.#sql.insertRow.run(
      row.epochId,
      row.lane,
      row.first,
      row.last,
      kind,
      commit,
      output,
      pack,
      row.bytes,
      row.at,
      hours,
      row.batch,
    ).lastInsertRowid;
  }

  /** Deletes a row, and its pack, which is of no other row. Its commit stays in the log. */
  deleteRow({ id, place }: StoredRow): void {
    this.#sql.deleteRow.run(id);
    if ('pack' in place) this.#sql.deletePack.run(place.pack);
  }

  setBatchOfRow(rowId: number, batchId: number): void {
    this.#sql.setBatchOfRow.run(batchId, rowId);
  }

  /** Unsealed rows of a lane in order, after the row that begins at `after`. */
  unsealedRows(lane: Lane, after: RowPosition, limit: number): StoredRow[] {
    return this.#sql.unsealedRows.all(lane, after.epochId, after.first, limit).map(rowOf);
  }

  /** Unsealed rows that lie within the range, in order. */
  unsealedRowsWithin({ epochId, lane, first, last }: StoredRange, limit: number): StoredRow[] {
    return this.#sql.unsealedInRange.all(epochId, lane, first, last, last, limit).map(rowOf);
  }

  rowsOfBatch(batchId: number): StoredRow[] {
    return this.#sql.rowsOfBatch.all(batchId).map(rowOf);
  }

  /** The ranges of the rows that reach into the range, in order, one in memory at a time. */
  *rowRangesIn({ epochId, lane, first, last }: StoredRange): Generator<{ first: number; last: number }> {
    const before = this.#sql.rangeBefore.get(epochId, lane, first);
    if (before !== undefined && before.last >= first) yield before;
    let next = this.#sql.nextRangeFrom.get(epochId, lane, first);
    for (; next !== undefined && next.first <= last; next = this.#sql.nextRangeFrom.get(epochId, lane, next.last + 1))
      yield next;
  }

  /** Hours of every row whose delivery is not known. */
  *queuedRows(): Generator<{ lane: Lane; first: number; last: number; hours: readonly number[] }> {
    for (const row of this.#sql.queuedRows.iterate()) yield { ...row, hours: JSON.parse(row.hours) as number[] };
  }

  insertBatch(range: StoredRange, crc: number, isAcked: boolean): number {
    return this.#sql.insertBatch.run(range.epochId, range.lane, range.first, range.last, crc, isAcked ? 1 : 0)
      .lastInsertRowid;
  }

  deleteBatch(id: number): void {
    this.#sql.deleteBatch.run(id);
  }

  setBatchAcked(id: number, isAcked: boolean): void {
    this.#sql.setBatchAcked.run(isAcked ? 1 : 0, id);
  }

  /** The hub holds every batch that lies within the range. */
  ackBatchesInRange({ epochId, lane, first, last }: StoredRange): void {
    this.#sql.ackBatchesInRange.run(epochId, lane, first, last);
  }

  /** The hub holds no batch that lies within the range. Returns how many it was believed to hold. */
  rewindBatchesInRange({ epochId, lane, first, last }: StoredRange): number {
    return this.#sql.rewindBatchesInRange.run(epochId, lane, first, last, last).changes;
  }

  unackedBatches(lane: Lane, afterId: number, limit: number): StoredBatch[] {
    return this.#sql.unackedBatches.all(lane, afterId, limit).map(batchOf);
  }

  /** The oldest acked batches. */
  ackedBatches(limit: number): StoredBatch[] {
    return this.#sql.ackedBatches.all(limit).map(batchOf);
  }

  // Room.

  /** Commits after `afterId` and before `commitEnd` that no row refers to: history only. */
  freeCommits(afterId: number, commitEnd: number, limit: number): number[] {
    return this.#sql.freeCommits.all(afterId, commitEnd, limit).map(({ id }) => id);
  }

  deleteCommit(id: number): void {
    this.#sql.deleteCommit.run(id);
  }

  /** Deletes the commit in which a deleted row lay, unless another row refers to it or it is not before `commitEnd`. */
  deleteCommitOf({ place }: StoredRow, commitEnd: number): void {
    if ('commit' in place) this.#sql.deleteCommitIfFree.run(place.commit, commitEnd);
  }

  // Ledger, counters, state.

  addToLedger(lane: Lane, hour: number, produced: number, evicted: number): void {
    this.#sql.addToLedger.run(lane, hour, produced, evicted);
  }

  /** Minutes stand for so many items of this hour; fewer when they go, too. The hub needs no report of it. */
  addThinnedToLedger(lane: Lane, hour: number, items: number): void {
    this.#sql.addThinned.run(lane, hour, items);
  }

  /** The account of this hour has to be reported again. */
  touchLedger(lane: Lane, hour: number): void {
    this.#sql.touchLedger.run(lane, hour);
  }

  /** The hub has the account of this hour as it stood at change `version`. */
  markReported(lane: Lane, hour: number, version: number): void {
    this.#sql.markReported.run(lane, hour, version);
  }

  markWholeLedgerDirty(): void {
    this.#sql.markWholeLedger.run();
  }

  /** Hours that changed since the hub last confirmed them. */
  dirtyLedger(limit: number): LedgerEntry[] {
    return this.#sql.dirtyLedger.all(limit);
  }

  wholeLedger(): LedgerEntry[] {
    return this.#sql.wholeLedger.all();
  }

  addToCounter(name: string, count: number): void {
    this.#sql.addToCounter.run(name, count);
    if (count <= 0) this.#sql.forgetCounter.run(name);
  }

  counters(): { name: string; value: number }[] {
    return this.#sql.counters.all();
  }

  insertRejected({ at, source, reason, topic, payload }: RejectedSample): void {
    this.#sql.insertRejected.run(at, source, reason, topic, payload);
  }

  /** Keeps the newest of each source and reason, so that one noisy device does not displace the others. */
  trimRejected(keepPerReason: number): void {
    this.#sql.trimRejected.run(keepPerReason);
  }

  /** Oldest first. */
  rejectedSamples(): RejectedSample[] {
    return this.#sql.rejected.all();
  }

  saveState(key: string, value: Uint8Array | string): void {
    this.#sql.saveState.run(key, value);
  }

  loadText(key: string): string | undefined {
    const value = this.#sql.loadState.get(key)?.value;
    return typeof value === 'string' ? value : undefined;
  }

  saveOperators(states: readonly OperatorState[]): void {
    this.#sql.dropOperators.run();
    for (const { key, state } of states) this.saveState(`operator:${key}`, withChecksum(state));
  }

  loadOperators(): OperatorState[] {
    return this.#sql.operators.all().map(({ key, value }) => ({
      key: key.slice('operator:'.length),
      state: checkedBytes(value, key),
    }));
  }
}

function rowOf(raw: RawRow): StoredRow {
  const place: BlockPlace =
    raw.pack_id === null ? { commit: raw.commit_id ?? 0, output: raw.output ?? 0 } : { pack: raw.pack_id };
  return {
    id: raw.id,
    epochId: raw.epoch,
    lane: raw.lane,
    first: raw.first,
    last: raw.last,
    kind: partKinds[raw.kind] ?? 'readings',
    place,
    bytes: raw.bytes,
    at: raw.at,
    hours: JSON.parse(raw.hours) as number[],
    batch: raw.batch,
  };
}

function batchOf(raw: RawBatch): StoredBatch {
  return { id: raw.id, epochId: raw.epoch, lane: raw.lane, first: raw.first, last: raw.last, crc: raw.crc };
}
