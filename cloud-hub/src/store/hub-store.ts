/**
 * The hub's store: the tables of schema.ts and, in memory, the *tail*: what batches of the log contribute to derived tables and those do
 * not have yet. The tail is a pure function of the log, so a crash loses nothing: opening replays the batches that are not folded
 * (bounded by `TailLimits`). A fold goes in two steps: ledger, ranges and indexes at once, roll-ups and latest values series by series
 * over the following transactions, so that no transaction stands still for long. All writing happens inside a transaction of
 * the caller; when that does not commit, `invalidate` must be called, and everything kept in memory is read anew before it is used.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import { decodeBatch } from '@fogline/shared/protocol/messages';
import type { Database } from '@fogline/shared/sqlite';
import { type AgentState, AgentTable } from './agent-table.ts';
import { type BatchContent, decodeContent, type Settled, unsettled } from './batch-content.ts';
import { BatchLog, type LoggedBatch } from './batch-log.ts';
import { type Counters, newCounters } from './counters.ts';
import { deleteRange, finestWhole } from './delete-range.ts';
import { DroppedRanges } from './dropped-ranges.ts';
import { type EpochState, EpochTable } from './epoch-table.ts';
import { EventTable } from './events.ts';
import { LatestTable, laterOf } from './latest.ts';
import { LedgerTable } from './ledger-table.ts';
import { type RollupLevelMs } from './levels.ts';
import { OrderTable } from './orders.ts';
import { QuarantineTable } from './quarantine.ts';
import { RawScans } from './raw-scans.ts';
import type { LatestValue } from './read.ts';
import { Horizons, horizonOf } from './retention.ts';
import { RollupTable } from './rollup-table.ts';
import { SeriesMerges } from './series-merges.ts';
import { type LocalSeries, SeriesTable } from './series-table.ts';
import { Stamps } from './stamps.ts';
import { StateTable } from './state.ts';
import { Tail } from './tail.ts';
import { ThinnedTable } from './thinned-table.ts';
import { Tombstones } from './tombstones.ts';
import { VoidTable } from './void-table.ts';

export interface BatchHours {
  readonly id: number;
  /** Event hours of its items. */
  readonly hours: readonly number[];
}

export interface TailLimits {
  readonly tailBatchesMax: number;
  readonly tailBytesMax: number;
  readonly tailItemsMax: number;
}

/** The part of a fold that is still to do. */
interface Rolling {
  readonly tail: Tail;
  /** Ascending. */
  readonly series: readonly number[];
  next: number;
}

export class HubStore {
  readonly db: Database;
  readonly agents: AgentTable;
  readonly epochs: EpochTable;
  readonly series: SeriesTable;
  readonly log: BatchLog;
  readonly rollups: RollupTable;
  readonly horizons: Horizons;
  readonly dropped: DroppedRanges;
  readonly latest: LatestTable;
  readonly ledger: LedgerTable;
  readonly voids: VoidTable;
  readonly thinned: ThinnedTable;
  readonly quarantine: QuarantineTable;
  readonly events: EventTable;
  readonly orders: OrderTable;
  readonly merges: SeriesMerges;
  readonly tombstones: Tombstones;
  readonly counters: Counters = newCounters();
  readonly stamps = new Stamps();
  readonly scans = new RawScans();
  readonly #state: StateTable;
  #live = new Tail();
  #rolling: Rolling | undefined;
  readonly #cached: readonly { reset(): void }[];
  #isStale = true;

  constructor(db: Database) {
    this.db = db;
    this.#state = new StateTable(db);
    this.agents = new AgentTable(db);
    this.epochs = new EpochTable(db);
    this.series = new SeriesTable(db, this.epochs);
    this.log = new BatchLog(db, this.#state);
    this.horizons = new Horizons(db);
    this.dropped = new DroppedRanges(db);
    this.rollups = new RollupTable(db, (levelMs, series) => this.horizonOf(levelMs, series));
    this.latest = new LatestTable(db);
    this.ledger = new LedgerTable(db);
    this.voids = new VoidTable(db, this.ledger);
    this.thinned = new ThinnedTable(db);
    this.quarantine = new QuarantineTable(db, this.dropped);
    this.orders = new OrderTable(db);
    this.merges = new SeriesMerges(db);
    this.tombstones = new Tombstones(db);
    this.events = new EventTable(db);
    const { agents, epochs, series, log, ledger, quarantine, horizons, rollups, merges, tombstones } = this;
    this.#cached = [agents, epochs, series, log, ledger, quarantine, horizons, rollups.blocks, merges, tombstones];
    this.refresh();
  }

  /** What no roll-up has yet; a contribution is in exactly one of them. */
  get tails(): readonly Tail[] {
    return this.#rolling === undefined ? [this.#live] : [this.#rolling.tail, this.#live];
  }

  /** Before which time a level of a series is gone. */
  horizonOf(levelMs: RollupLevelMs, series: number): number {
    return horizonOf(this.horizons.expiry, levelMs, this.series.isHeld(series));
  }

  latestOf(series: readonly number[]): LatestValue[] {
    const { merges, tails } = this;
    const stored = this.latest.many(series.flatMap((id) => merges.members(id)));
    return series.flatMap((id) => {
      let latest: LatestValue | undefined;
      for (const member of merges.members(id)) {
        for (const found of [stored.get(member), ...tails.map((tail) => tail.latestOf(member))]) {
          if (found === undefined) continue;
          const own = found.series === id ? found : { ...found, series: id };
          latest = latest === undefined ? own : laterOf(latest, own);
        }
      }
      return latest ?? [];
    });
  }

  /** What is in memory may not be what is on disk. */
  invalidate(): void {
    this.#isStale = true;
  }

  /** Reads what is kept in memory anew, if it was invalidated. Inside a transaction it sees what that has written so far. */
  refresh(): void {
    if (!this.#isStale) return;
    for (const table of this.#cached) table.reset();
    this.#live = new Tail();
    const folded = this.#state.get('folded');
    const rolling = new Tail(this.#state.get('rolling_series'));
    const rolled = this.#state.get('rolled');
    for (const batch of this.log.after(rolled)) this.#replay(batch, batch.id <= folded ? rolling : undefined);
    this.#rolling = rolled < folded ? { tail: rolling, series: rolling.seriesIds(), next: 0 } : undefined;
    this.#isStale = false;
  }

  /**
   * Appends a batch to the log and, but for what is settled, to the tail. Its range must be free or freed of voids, its series known.
   */
  apply(
    agent: AgentState,
    epoch: EpochState,
    batch: Omit<LoggedBatch, 'id'>,
    content: BatchContent,
    series: LocalSeries,
    settled?: Settled,
  ): void {
    const id = this.log.append(batch, Math.max(...content.hours.keys()));
    this.#contribute({ ...batch, id }, agent, epoch, content, series, settled);
    const kept = this.tombstones.without(content, series);
    this.thinned.add(agent.id, settled === undefined ? kept : unsettled(kept, series, settled), series);
    this.counters.batchesApplied++;
    this.counters.itemsApplied += content.items;
  }

  /** Whether a fold is under way. */
  get isFolding(): boolean {
    return this.#rolling !== undefined;
  }

  isFoldDue(limits: TailLimits): boolean {
    return (
      this.log.tailCount >= limits.tailBatchesMax ||
      this.log.tailBytes + this.#live.rollups.partialBytes >= limits.tailBytesMax ||
      this.#live.rollups.load >= limits.tailItemsMax
    );
  }

  /** Begins to bring the derived tables up to date with the log; a fold that is under way is finished first. */
  startFold(nowMs: number): void {
    this.continueFold(Number.POSITIVE_INFINITY, nowMs);
    if (this.log.tailCount === 0) return;
    this.ledger.fold();
    this.log.fold();
    this.epochs.fold();
    this.agents.fold();
    this.#state.set('rolling_series', 0);
    this.#rolling = { tail: this.#live, series: this.#live.seriesIds(), next: 0 };
    this.#live = new Tail();
    this.counters.folds++;
  }

  /** Folds whole series with together at least `itemsMin` items, if a fold is under way. */
  continueFold(itemsMin: number, nowMs: number): void {
    const rolling = this.#rolling;
    if (rolling === undefined) return;
    const { tail, series } = rolling;
    let items = 0;
    let last = 0;
    for (; rolling.next < series.length && items < itemsMin; rolling.next++) {
      last = series[rolling.next] as number;
      for (const overflow of this.rollups.fold(tail.rollups, last)) {
        this.events.add(nowMs, this.series.agentOf(last), 'rollup_overflow', null, overflow);
      }
      const fresh = tail.latestOf(last);
      if (fresh !== undefined) this.latest.fold(fresh);
      items += tail.rollups.loadOf(last) + 1;
      tail.drop(last);
    }
    if (rolling.next < series.length) {
      this.#state.set('rolling_series', last);
      return;
    }
    this.#state.set('rolled', this.#state.get('folded'));
    this.#rolling = undefined;
  }

  /**
   * Forgets up to `limit` pairs of batch and hour before an hour, and the batches that have nothing later. False when none is left; while
   * a fold is under way, which still needs its batches, nothing is forgotten.
   */
  dropBatches(agent: number, beforeHour: number, limit: number): boolean {
    if (this.isFolding) return true;
    const pairs = this.log.before(agent, beforeHour, limit);
    const dropped = new Map<string, { epoch: number; lane: Lane; pairs: [number, number][] }>();
    for (const pair of pairs) {
      this.log.forgetHour(agent, pair);
      const head = this.log.head(pair.batch);
      // With its last pair: no pair may name a batch that is gone, or a check takes that for damage.
      if (head === undefined || head.lastHour !== pair.hour) continue;
      this.log.drop(pair.batch, head);
      const { epoch, lane, first, last } = head;
      const of = dropped.get(`${epoch}/${lane}`) ?? { epoch, lane, pairs: [] };
      of.pairs.push([first, last]);
      dropped.set(`${epoch}/${lane}`, of);
      this.counters.batchesDropped++;
    }
    for (const { epoch, lane, pairs: ranges } of dropped.values()) this.dropped.add(epoch, lane, ranges);
    return pairs.length === limit;
  }

  /** Takes out of roll-ups and latest values what new tombstones cover. What is not folded is folded first. */
  bury(nowMs: number): void {
    const due = this.tombstones.due();
    if (due.length === 0) return;
    this.startFold(nowMs);
    this.continueFold(Number.POSITIVE_INFINITY, nowMs);
    for (const { id, series, fromMs, toMs } of due) {
      const finest = finestWhole(this.series.widthsOf(series));
      const readings = finest === undefined ? 0 : deleteRange(this, series, finest, fromMs, toMs);
      this.latest.forget(series, fromMs, toMs, this.rollups.lastReading(series));
      this.tombstones.done(id, readings);
      this.stamps.touchAgent(this.series.agentOf(series));
    }
  }

  /** All that batches up to this id contribute is in the tables. */
  rolledTo(): number {
    return this.#state.get('rolled');
  }

  /** Puts a merged batch in the place of rolled ones of one agent, unless one of them was dropped meanwhile or somebody scans. */
  replaceBatches(merged: Omit<LoggedBatch, 'id' | 'isMerged'>, parts: readonly BatchHours[]): void {
    const agent = this.epochs.byId(merged.epoch)?.agent;
    const id = parts[0]?.id;
    const replaced = parts.flatMap(({ id: part, hours }) => {
      const head = this.log.head(part);
      return head === undefined ? [] : [{ id: part, head, hours }];
    });
    if (agent === undefined || id === undefined || replaced.length < parts.length) return;
    if (this.scans.isOpen(agent)) return;
    const lastHour = Math.max(...parts.flatMap((part) => part.hours));
    this.log.replace(agent, replaced, { ...merged, id, isMerged: true }, lastHour);
    this.counters.batchesMerged += parts.length;
  }

  /** `rolling` set: ledger, ranges and indexes have the batch, and some series of it may be done too. */
  #replay(batch: LoggedBatch, rolling: Tail | undefined): void {
    const epoch = this.epochs.byId(batch.epoch);
    const agent = epoch === undefined ? undefined : this.agents.byId(epoch.agent);
    if (epoch === undefined || agent === undefined)
      throw new Error(`invariant violated: batch ${batch.id} without epoch`);
    const content = decodeContent(decodeBatch(batch.payload));
    const series = this.series.of(epoch);
    if (rolling === undefined) this.#contribute(batch, agent, epoch, content, series);
    else rolling.add(this.tombstones.without(content, series), series);
  }

  #contribute(
    batch: LoggedBatch,
    agent: AgentState,
    epoch: EpochState,
    content: BatchContent,
    series: LocalSeries,
    settled?: Settled,
  ): void {
    const kept = this.tombstones.without(content, series);
    const fresh = settled === undefined ? kept : unsettled(kept, series, settled);
    const { lane, receivedMs } = batch;
    epoch.ranges[lane]?.add(batch.first, batch.last);
    this.epochs.markDirty(epoch, lane);
    this.log.track(batch, agent.id, [...content.hours.keys()]);
    this.stamps.touch(agent.id, content.hours.keys());
    const form = content.thinned.length > 0 ? 'thinned' : 'delivered';
    this.ledger.deliver(agent.id, lane, fresh.hours, form);
    this.agents.saw(agent, Math.max(agent.lastSeenMs ?? receivedMs, receivedMs));
    this.#live.add(fresh, series);
  }
}
