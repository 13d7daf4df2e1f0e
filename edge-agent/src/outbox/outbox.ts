/**
 * The outbox: which items exist, which are sealed into batches, which the hub is known to hold.
 *
 * Guarantees: a batch is durable before its first byte leaves, and every retry sends the same bytes; an ack only marks, rows
 * stay while there is room; what a hub turns out not to hold is unmarked and goes again (`reconcile`); what it lacks and
 * this agent no longer has is declared. After a crash all of it is as the last commit left it.
 *
 * Fresh rows are the tail (tail.ts), sealed inside commits. Older rows are in tables and sealed by `sealBacklog`.
 */
import { FoglineError } from '@fogline/shared/errors';
import { type Lane, laneCount } from '@fogline/shared/protocol/limits';
import { type BatchPart } from '@fogline/shared/protocol/messages';
import type { SeqRanges } from '@fogline/shared/seq-ranges';
import type { AgentStore } from '../journal/agent-store.ts';
import { blockOf, type CommitRecord, type CommitSeal } from '../journal/commit-record.ts';
import { damagedKey } from '../journal/rollback.ts';
import { type EpochRow, laneStart, type StoredBatch, type StoredRange, type StoredRow } from '../journal/stored.ts';
import { Account } from './account.ts';
import {
  assembleBatch,
  type BatchBytes,
  BlockReader,
  batchBytesMax,
  batchItemsMax,
  batchPartsMax,
} from './envelope.ts';
import { type SealedBatch, Tail, type TailRow } from './tail.ts';

const rowsPerStep = 256;

/** Acks marked in memory before they are written; losing them only costs a question to the hub. */
const pendingAcksMax = 512;

export interface PlannedSeal extends BatchBytes {
  readonly seal: CommitSeal;
  /** Event hours of each of its rows. */
  readonly hours: readonly (readonly number[])[];
}

export class Outbox {
  readonly store: AgentStore;
  readonly tail = new Tail();
  readonly account = new Account();
  readonly #agent: string;
  readonly #blocks: BlockReader;
  readonly #damagedEpoch: number;
  #epochs = new Map<number, EpochRow>();
  #ackedIds: number[] = [];
  /** False only when the tables are known to hold nothing that has to be sent. Spares the uplink a search after every ack. */
  mayHaveBacklog = true;

  constructor(store: AgentStore, agent: string) {
    this.store = store;
    this.#agent = agent;
    this.#blocks = new BlockReader(store);
    this.#damagedEpoch = Number(store.loadText(damagedKey) ?? 0);
    this.reloadEpochs();
  }

  reloadEpochs(): void {
    this.#epochs = new Map(this.store.epochs().map((row) => [row.id, row]));
  }

  /** Records the epoch of this process, inside the transaction of what first needs it. */
  openEpoch(epoch: EpochRow): void {
    if (this.#epochs.has(epoch.id)) return;
    this.store.insertEpoch(epoch);
    this.store.setOwner(this.#agent);
    this.#epochs.set(epoch.id, epoch);
  }

  get epochs(): ReadonlyMap<number, EpochRow> {
    return this.#epochs;
  }

  epochOf(id: number): string {
    const row = this.#epochs.get(id);
    if (row === undefined) throw new FoglineError('storage_corrupt', `epoch ${id} is used but not recorded`);
    return row.epoch;
  }

  /** Takes note of a durable commit, new or replayed. */
  addCommit(commit: number, record: CommitRecord): SealedBatch[] {
    this.account.add(record);
    return this.tail.add(commit, record);
  }

  /**
   * Plans the batches that a commit about to be written seals: the unsealed tail of a lane and the commit's own outputs of it, at
   * most `batchesMax` batches.
   */
  planSeals(record: Omit<CommitRecord, 'seals'>, lane: Lane, batchesMax: number): PlannedSeal[] {
    const planned: PlannedSeal[] = [];
    const epoch = this.epochOf(record.epochId);
    let parts: BatchPart[] = [];
    let hours: (readonly number[])[] = [];
    let bytes = 0;
    let first = 0;
    let last = 0;
    const cut = (): void => {
      if (parts.length === 0 || planned.length >= batchesMax) return;
      const assembled = assembleBatch(this.#agent, { epoch, lane, first, last }, parts);
      planned.push({ ...assembled, seal: { lane, first, last, crc: assembled.crc }, hours });
      parts = [];
      hours = [];
      bytes = 0;
    };
    const offer = (
      row: { kind: BatchPart['kind']; first: number; last: number; hours: readonly number[] },
      read: () => Uint8Array,
    ): void => {
      if (planned.length >= batchesMax) return;
      const block = read();
      if (
        bytes + block.byteLength > batchBytesMax ||
        parts.length >= batchPartsMax ||
        row.last - first >= batchItemsMax
      )
        cut();
      if (planned.length >= batchesMax) return;
      if (parts.length === 0) first = row.first;
      last = row.last;
      bytes += block.byteLength;
      parts.push({ kind: row.kind, bytes: block });
      hours.push(row.hours);
    };
    for (const row of this.tail.unsealed(lane))
      offer(row, () => this.#blocks.read({ commit: row.commit, output: row.output }));
    for (const output of record.outputs)
      if (output.lane === lane) offer(output, () => blockOf({ ...record, seals: [] }, output));
    cut();
    return planned;
  }

  /** The bytes of a sealed batch of the tables. Throws `storage_corrupt` when they are no longer those that were sealed. */
  payloadOf(batch: StoredBatch): { payload: Uint8Array; hours: readonly number[][] } {
    const rows = this.store.rowsOfBatch(batch.id);
    const { payload, crc } = this.#assemble(batch, rows);
    if (crc !== batch.crc) {
      throw new FoglineError('storage_corrupt', `batch ${batch.id} is not the bytes that were sealed`, {
        details: { batch: batch.id },
      });
    }
    return { payload, hours: rows.map((row) => [...row.hours]) };
  }

  /** Seals the oldest unsealed rows of a lane in the tables into at most one batch. Durable when it returns. */
  sealBacklog(lane: Lane): StoredBatch | undefined {
    const rows = contiguous(this.store.unsealedRows(lane, laneStart, batchPartsMax));
    const first = rows[0];
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const range = { epochId: first.epochId, lane, first: first.first, last: last.last };
    const { crc } = this.#assemble(range, rows);
    const id = this.store.transaction(() => {
      const batch = this.store.insertBatch(range, crc, false);
      for (const row of rows) this.store.setBatchOfRow(row.id, batch);
      return batch;
    });
    return { ...range, id, crc };
  }

  /** The hub holds this batch. Written with the next checkpoint. */
  ack(batch: SealedBatch, hours: readonly (readonly number[])[]): void {
    batch.isAcked = true;
    for (const rowHours of hours) this.account.touch(batch.lane, rowHours);
    if (batch.id === undefined) return;
    this.#ackedIds.push(batch.id);
    if (this.#ackedIds.length >= pendingAcksMax) this.store.transaction(() => this.#flushAcks());
  }

  /** Acked, though the table does not say so yet. */
  isAckPending(batchId: number): boolean {
    return this.#ackedIds.includes(batchId);
  }

  /** Something in memory waits for a checkpoint. */
  get hasUnwritten(): boolean {
    return this.tail.rows.length > 0 || this.#ackedIds.length > 0;
  }

  /** Inside a transaction: moves the tail into tables. `clearTail` follows once it is durable. */
  flush(): void {
    for (const row of this.tail.rows) this.#flushRow(row);
    this.mayHaveBacklog ||= this.tail.rows.some(({ batch }) => batch === undefined);
    this.#flushAcks();
    this.account.flush(this.store);
  }

  clearTail(): void {
    this.tail.clear();
    this.account.clear();
  }

  /**
   * Brings one lane of one epoch in line with what the hub says it holds, inside a transaction and on a flushed outbox.
   * Returns how many batches have to go again.
   */
  reconcile(epoch: EpochRow, lane: Lane, held: SeqRanges): { rewound: number; gone: number } {
    this.mayHaveBacklog = true;
    const last = epoch.last[lane] ?? 0;
    const range = (first: number, until: number) => ({ epochId: epoch.id, lane, first, last: until });
    const heldFlat = held.watermark > 0 ? [1, held.watermark, ...held.beyond] : held.beyond;
    for (let i = 0; i < heldFlat.length; i += 2) this.#markHeld(range(heldFlat[i] ?? 0, heldFlat[i + 1] ?? 0));
    let rewound = 0;
    let gone = 0;
    const gaps = last === 0 ? [] : held.missing(1, last);
    for (let i = 0; i < gaps.length; i += 2) {
      const gap = range(gaps[i] ?? 0, gaps[i + 1] ?? 0);
      rewound += this.store.rewindBatchesInRange(gap);
      gone += this.#declareGone(gap);
    }
    return { rewound, gone };
  }

  /** Items per lane whose delivery is not known. */
  queued(): number[] {
    const queued = new Array<number>(laneCount).fill(0);
    this.#eachQueued((row) => {
      queued[row.lane] = (queued[row.lane] ?? 0) + row.last - row.first + 1;
    });
    return queued;
  }

  /** The same per `lane:hour`. */
  queuedByHour(): Map<string, number> {
    const queued = new Map<string, number>();
    this.#eachQueued(({ lane, hours }) => {
      for (let i = 0; i < hours.length; i += 2) {
        const key = `${lane}:${hours[i]}`;
        queued.set(key, (queued.get(key) ?? 0) + (hours[i + 1] ?? 0));
      }
    });
    return queued;
  }

  #eachQueued(visit: (row: { lane: Lane; first: number; last: number; hours: readonly number[] }) => void): void {
    for (const row of this.store.queuedRows()) visit(row);
    for (const row of this.tail.rows) if (row.batch?.isAcked !== true) visit(row);
  }

  #assemble(
    range: { epochId: number; lane: Lane; first: number; last: number },
    rows: readonly StoredRow[],
  ): BatchBytes {
    const parts = rows.map((row): BatchPart => ({ kind: row.kind, bytes: this.#blocks.read(row.place) }));
    const { lane, first, last } = range;
    return assembleBatch(this.#agent, { epoch: this.epochOf(range.epochId), lane, first, last }, parts);
  }

  #flushRow(row: TailRow): void {
    const { batch } = row;
    if (batch !== undefined && batch.id === undefined)
      batch.id = this.store.insertBatch(batch, batch.crc, batch.isAcked);
    this.store.insertRow({
      epochId: row.epochId,
      lane: row.lane,
      first: row.first,
      last: row.last,
      kind: row.kind,
      place: { commit: row.commit, output: row.output },
      bytes: row.bytes,
      at: row.at,
      hours: row.hours,
      batch: batch?.id ?? null,
    });
  }

  #flushAcks(): void {
    for (const id of this.#ackedIds) this.store.setBatchAcked(id, true);
    this.#ackedIds = [];
  }

  #markHeld(range: StoredRange): void {
    this.store.ackBatchesInRange(range);
    // A database that went back in time has rows unsealed that its former self delivered.
    for (;;) {
      const delivered = this.store.unsealedRowsWithin(range, rowsPerStep);
      for (const row of delivered)
        this.store.setBatchOfRow(row.id, this.store.insertBatch(row, this.#assemble(row, [row]).crc, true));
      if (delivered.length < rowsPerStep) break;
    }
    this.store.voids.ackWithin(range);
  }

  /** Voids cover what no row of the range holds; earlier voids go again. Returns the items newly declared. */
  #declareGone(gap: StoredRange): number {
    this.store.voids.rewind(gap);
    let next = gap.first;
    let gone = 0;
    const declare = (last: number): void => {
      if (last < next) return;
      this.store.voids.insert({
        ...gap,
        first: next,
        last,
        reason: gap.epochId <= this.#damagedEpoch ? 'damaged' : 'gone',
        stats: [],
        statsOmitted: last - next + 1,
        hours: [],
      });
      gone += last - next + 1;
    };
    for (const { first, last } of inOrder(this.store.rowRangesIn(gap), this.store.voids.rangesIn(gap))) {
      declare(Math.min(first - 1, gap.last));
      next = Math.max(next, last + 1);
    }
    declare(gap.last);
    return gone;
  }
}

type Range = Pick<StoredRange, 'first' | 'last'>;

/** Two ordered sequences of ranges as one. */
function* inOrder(left: Iterable<Range>, right: readonly Range[]): Generator<Range> {
  let at = 0;
  for (const range of left) {
    for (let next = right[at]; next !== undefined && next.first < range.first; next = right[++at]) yield next;
    yield range;
  }
  yield* right.slice(at);
}

/** The longest head of rows that belong to one epoch without a gap, within the bounds of a batch: minutes are in batches of their own. */
function contiguous(rows: readonly StoredRow[]): StoredRow[] {
  const head: StoredRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    const previous = head.at(-1);
    if (
      previous !== undefined &&
      (row.epochId !== previous.epochId ||
        (row.kind === 'thinned') !== (previous.kind === 'thinned') ||
        row.first !== previous.last + 1 ||
        bytes + row.bytes > batchBytesMax ||
        row.last - (head[0]?.first ?? 0) >= batchItemsMax)
    )
      break;
    head.push(row);
    bytes += row.bytes;
  }
  return head;
}
