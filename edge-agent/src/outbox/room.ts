/**
 * Keeps the database within its budget of bytes (allowance.ts) and age (P6). What goes first is what costs nothing: history that no row
 * needs, then rows the hub has acked, oldest first. Then, lane by lane from the lowest, unacked rows: each is declared by a
 * void in the same transaction (P4). A lane with policy `thin_to_1m` becomes minutes first (thinner.ts). A lane with policy `keep` is never touched; when only such lanes remain there is no
 * room, and the caller withholds acks. The voids themselves have a budget too (void-budget.ts).
 */

import { type Lane, laneCount, lanes } from '@fogline/shared/protocol/limits';
import { type VoidReason } from '@fogline/shared/protocol/messages';
import type { SeriesDefinition } from '@fogline/shared/reading';
import type { BufferConfig } from '../core-config.ts';
import type { AgentStore } from '../journal/agent-store.ts';
import { laneStart, type StoredRow } from '../journal/stored.ts';
import { Allowance, type AllowancePorts } from './allowance.ts';
import { BlockReader } from './envelope.ts';
import { LossSummary } from './losses.ts';
import { mergeSpanShare } from './merger.ts';
import type { Outbox } from './outbox.ts';
import { Thinner } from './thinner.ts';
import { VoidBudget } from './void-budget.ts';

/** So much room is made at once, by share of the limit and in bytes: not row by row, and not so much that a commit waits for long. */
const slackShare = 0.05;
const slackBytesMax = 4 * 1024 * 1024;
const commitsPerStep = 256;
const batchesPerStep = 64;
const rowsPerStep = 256;
/** Share of the limit that one step gives up at most, but always one row. */
const stepShare = 0.01;
/** A void that describes this many (series, hour) is not grown further. */
const voidStatsToGrowMax = 200;
/** Share of the limit that the accounts of voids may take. */
const voidShare = 1 / 16;

export class Room {
  readonly #store: AgentStore;
  readonly #config: BufferConfig;
  readonly #blocks: BlockReader;
  readonly #outbox: Outbox;
  readonly #voids: VoidBudget;
  readonly #thinner: Thinner;
  readonly #allowance: Allowance;

  constructor(
    outbox: Outbox,
    config: BufferConfig,
    ports: AllowancePorts,
    series: { definitionOf(id: number): SeriesDefinition },
  ) {
    this.#outbox = outbox;
    this.#store = outbox.store;
    this.#config = config;
    this.#allowance = new Allowance(config, ports);
    this.#blocks = new BlockReader(outbox.store);
    this.#thinner = new Thinner(outbox.store, (id) => series.definitionOf(id), config.ageMsMax);
    this.#voids = new VoidBudget(outbox.store.voids, config.sizeBytesMax * voidShare);
  }

  isFull(neededBytes: number): boolean {
    return this.#store.db.usedBytes() + neededBytes > this.#allowance.bytesMax;
  }

  /** Makes room on a flushed outbox; commits at or after `commitEnd` stay. Returns false when nothing more may go. */
  makeRoom(neededBytes: number, commitEnd: number): boolean {
    const { bytesMax } = this.#allowance;
    const target = bytesMax - Math.min(bytesMax * slackShare, slackBytesMax) - neededBytes;
    const history = { examinedTo: 0 };
    this.#boundVoids();
    while (this.#store.db.usedBytes() > target) {
      const isFreed = this.#store.transaction(
        () =>
          this.#dropHistory(history, commitEnd) ||
          this.#dropAcked(Number.POSITIVE_INFINITY, commitEnd) ||
          this.#evictLowest('evicted_size', Number.POSITIVE_INFINITY, commitEnd),
      );
      if (!isFreed) return !this.isFull(neededBytes);
    }
    return true;
  }

  /** Gives back what the disk needs; to be called now and then. */
  giveBack(): void {
    this.#allowance.giveBack();
  }

  /** Lets go what is older than the limit of age, by the time of its commit; merged rows by their oldest, so none goes too early. */
  expire(now: number, commitEnd: number): void {
    const before = now - this.#config.ageMsMax * (1 + mergeSpanShare);
    while (
      this.#store.transaction(
        () => this.#dropAcked(before, commitEnd) || this.#evictLowest('evicted_age', before, commitEnd),
      )
    );
    const history = { examinedTo: 0 };
    while (this.#store.transaction(() => this.#dropHistory(history, commitEnd, before)));
    this.#boundVoids();
  }

  #boundVoids(): void {
    if (this.#store.transaction(() => this.#voids.enforce())) this.#outbox.mayHaveBacklog = true;
  }

  /** Drops commits that no row needs, the oldest first, as far as they are older than `before`. False when there are no more. */
  #dropHistory(history: { examinedTo: number }, commitEnd: number, before = Number.POSITIVE_INFINITY): boolean {
    const ids = this.#store.freeCommits(history.examinedTo, commitEnd, commitsPerStep);
    for (const id of ids) {
      if (Number.isFinite(before) && this.#store.readCommit(id).now >= before) return false;
      this.#store.deleteCommit(id);
      history.examinedTo = id;
    }
    // What becomes free from now on goes with its last row.
    if (ids.length < commitsPerStep) history.examinedTo = commitEnd;
    return ids.length > 0;
  }

  /** Forgets the oldest acked batches whose rows were written before `before`. */
  #dropAcked(before: number, commitEnd: number): boolean {
    let isDropped = false;
    for (const batch of this.#store.ackedBatches(batchesPerStep)) {
      const rows = this.#store.rowsOfBatch(batch.id);
      if (rows.some((row) => row.at >= before)) break;
      for (const row of rows) this.#drop(row, commitEnd);
      this.#store.deleteBatch(batch.id);
      isDropped = true;
    }
    return isDropped;
  }

  #drop(row: StoredRow, commitEnd: number): void {
    this.#store.deleteRow(row);
    this.#store.deleteCommitOf(row, commitEnd);
  }

  #evictLowest(reason: VoidReason, before: number, commitEnd: number): boolean {
    for (let lane = laneCount - 1; lane >= 0; lane--) {
      const name = lanes[lane];
      const policy = name === undefined ? 'keep' : this.#config.whenFull[name];
      if (policy === 'keep') continue;
      if (policy === 'thin_to_1m' && reason === 'evicted_size' && this.#thinner.thin(lane as Lane, commitEnd))
        return true;
      const eviction = { lane: lane as Lane, reason, before, commitEnd };
      if (this.#evictUnsealed(eviction) || this.#evictSealed(eviction)) return true;
    }
    return false;
  }

  /** Rows that never left: neighbours share one void. */
  #evictUnsealed(eviction: Eviction): boolean {
    const rows: StoredRow[] = [];
    let bytes = 0;
    for (const row of this.#store.unsealedRows(eviction.lane, laneStart, rowsPerStep)) {
      bytes += row.bytes;
      if (row.at >= eviction.before || (rows.length > 0 && bytes > this.#allowance.bytesMax * stepShare)) break;
      rows.push(row);
    }
    for (let from = 0; from < rows.length; ) {
      let to = from + 1;
      while (
        to < rows.length &&
        rows[to]?.epochId === rows[from]?.epochId &&
        rows[to]?.first === (rows[to - 1]?.last ?? 0) + 1
      )
        to++;
      this.#declare(rows.slice(from, to), eviction, true);
      from = to;
    }
    return rows.length > 0;
  }

  /** Batches that may have arrived: each has a void of its own, so that data can beat it as a whole. */
  #evictSealed(eviction: Eviction): boolean {
    const [batch] = this.#store.unackedBatches(eviction.lane, 0, 1);
    if (batch === undefined) return false;
    const rows = this.#store.rowsOfBatch(batch.id);
    if (rows.some((row) => row.at >= eviction.before)) return false;
    this.#declare(rows, eviction, false);
    this.#store.deleteBatch(batch.id);
    return true;
  }

  #declare(rows: readonly StoredRow[], { reason, commitEnd }: Eviction, mayGrow: boolean): void {
    const head = rows[0];
    const last = rows.at(-1)?.last;
    if (head === undefined || last === undefined) return;
    const { epochId, lane } = head;
    let { first } = head;
    const summary = new LossSummary();
    const grown = mayGrow ? this.#store.voids.growingBefore(epochId, lane, first, reason) : undefined;
    if (grown !== undefined && grown.stats.length <= voidStatsToGrowMax) {
      summary.addReport(grown);
      first = grown.first;
      this.#store.voids.delete(grown.id);
    }
    for (const row of rows) {
      summary.addBlock(row.kind, this.#blocks.read(row.place));
      for (let i = 0; i < row.hours.length; i += 2) {
        const [hour = -1, items = 0] = row.hours.slice(i, i + 2);
        this.#store.addToLedger(lane, hour, 0, items);
        if (row.kind === 'thinned') this.#store.addThinnedToLedger(lane, hour, -items);
      }
      this.#drop(row, commitEnd);
    }
    const id = this.#store.voids.insert({ epochId, lane, first, last, reason, ...summary.report() });
    if (!mayGrow) this.#store.voids.markSent(id);
    this.#outbox.mayHaveBacklog = true;
  }
}

interface Eviction {
  readonly lane: Lane;
  readonly reason: VoidReason;
  /** Only what was written before this may go. */
  readonly before: number;
  readonly commitEnd: number;
}
