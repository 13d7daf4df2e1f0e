/**
 * The agent's core: everything between the sources and the wire, synchronous and on one thread. One transaction a commit: journal,
 * outbox rows, seals and counters as one row of the log (decision 0001). Whatever leaves the agent, a released token or a
 * batch, leaves after the commit that holds it is on disk.
 *
 * An error of the storage is fatal: it is thrown to the caller, nothing is released any more, the process has to exit, and
 * the next start recovers.
 */
import type { Timer } from '@fogline/shared/clock';
import { type Lane, laneCount, protocolLimits } from '@fogline/shared/protocol/limits';
import type { CoreConfig } from './core-config.ts';
import type { CorePorts, CoreStatus } from './core-ports.ts';
import { guardedClock, guardedWire } from './guarded.ts';
import { AgentStore } from './journal/agent-store.ts';
import { CommitPacer } from './journal/commit-pacer.ts';
import { type CommitInput, type CommitRecord, encodeCommit } from './journal/commit-record.ts';
import { Intake, type Released, type Taken } from './journal/intake.ts';
import { recallRepeats, recover } from './journal/recovery.ts';
import { RejectedLog } from './journal/rejected-log.ts';
import { RepeatFilter } from './journal/repeat-filter.ts';
import { DurableSeries } from './journal/series-registry.ts';
import type { EpochRow } from './journal/stored.ts';
import { AgeClock } from './outbox/age-clock.ts';
import { batchBytesMax } from './outbox/envelope.ts';
import { Merger } from './outbox/merger.ts';
import { Outbox, type PlannedSeal } from './outbox/outbox.ts';
import { outputsOf, type PendingOutput } from './outbox/outputs.ts';
import { Room } from './outbox/room.ts';
import type { PipelineObserver } from './pipeline/branch.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import type { IngestPort, SourceBatch } from './sources/batch-port.ts';
import { Uplink } from './uplink/uplink.ts';

const tickEveryMs = 1000;
const checkpointCommitsMax = 1024;
const checkpointBytesMax = 8 * 1024 * 1024;
const checkpointEveryMs = { prompt: 10_000, flash: 60_000 } as const;
const mergesPerTick = 2;
/** Room a commit needs beyond its readings: outputs, seals, pages. */
const commitReserveBytes = 256 * 1024;

export class AgentCore implements IngestPort {
  readonly #config: CoreConfig;
  readonly #ports: CorePorts;
  readonly #store: AgentStore;
  readonly #outbox: Outbox;
  readonly #series = new DurableSeries();
  readonly #rejected = new RejectedLog();
  readonly #intake: Intake;
  readonly #pipeline: Pipeline;
  readonly #pacer: CommitPacer;
  readonly #room: Room;
  readonly #merger: Merger;
  readonly #uplink: Uplink;
  readonly #lastSealAt = new Array<number>(laneCount).fill(Number.NEGATIVE_INFINITY);
  #epoch: EpochRow;
  #lastCommit: number;
  #commitTimer: { readonly timer: Timer; readonly dueAt: number } | undefined;
  #tickTimer: Timer | undefined;
  #sinceCheckpoint = { commits: 0, bytes: 0, at: 0 };
  readonly #ageClock: AgeClock;
  readonly #filtered = new Map<string, number>();
  readonly #releasing: Released[] = [];
  #isOverloaded = false;
  #isDead = false;

  /** Recovers from the database; throws `storage_*` errors when it cannot. */
  constructor(config: CoreConfig, ports: CorePorts) {
    this.#config = config;
    this.#ports = ports;
    this.#store = new AgentStore(ports.db);
    this.#outbox = new Outbox(this.#store, config.agent);
    const recovered = recover(this.#store, this.#outbox, this.#series, config.pipelines, ports.random);
    this.#pipeline = recovered.pipeline;
    this.#epoch = recovered.epoch;
    this.#lastCommit = recovered.lastCommit;
    const repeats = new RepeatFilter();
    recallRepeats(this.#store, repeats);
    const sources = config.sources.map((name) => ({ name, stream: Pipeline.inputStream(name, config.pipelines) }));
    this.#intake = new Intake(sources, this.#series, repeats);
    this.#pacer = new CommitPacer(config.buffer, ports.clock);
    this.#room = new Room(this.#outbox, config.buffer);
    this.#merger = new Merger(this.#store, config.buffer.ageMsMax);
    const { agent, software, uplink } = config;
    const guard = (work: () => void): void => this.#guard(work);
    this.#uplink = new Uplink(
      { agent, software, config: uplink, outbox: this.#outbox, series: this.#series, currentEpoch: () => this.#epoch },
      {
        clock: guardedClock(ports.clock, guard),
        random: ports.random,
        wire: guardedWire(ports.wire, guard),
        log: ports.log,
        checkpoint: () => this.#checkpointInEpoch(),
        onCapacity: () => this.#sealWhenDue(),
      },
    );
    this.#ageClock = new AgeClock(ports.clock, config.buffer.ageMsMax);
    this.#sinceCheckpoint.at = ports.clock.monotonic();
    if (recovered.isConfigChanged) this.#write(ports.clock.now(), [], outputsOf(recovered.drained), 'with checkpoint');
  }

  start(): void {
    this.#uplink.start();
    this.#scheduleTick();
  }

  /** Commits what came in, leaves the database checkpointed, says goodbye. The core is of no use afterwards. */
  stop(): void {
    if (this.#isDead) {
      this.#ports.wire.close();
      return;
    }
    this.#guard(() => {
      this.commit();
      this.checkpoint();
    });
    this.kill();
    this.#uplink.stop();
  }

  /** Stops timers and takes nothing more; what was not committed is gone, as in a crash. */
  kill(): void {
    this.#isDead = true;
    this.#tickTimer?.cancel();
    this.#commitTimer?.timer.cancel();
  }

  submit(batch: SourceBatch): void {
    if (this.#isDead) return;
    this.#guard(() => {
      this.#intake.add(batch);
      if (this.#intake.isCommitDue) this.commit();
      else this.#commitWithin(this.#pacer.delayMs());
    });
  }

  /** Counts what a source refused or dropped, and keeps some of it for inspection; without `payload` counting is enough. */
  reject(source: string, reason: string, topic: string, payload: Uint8Array | undefined): void {
    this.#intake.count(`rejected.${source}.${reason}`, 1);
    if (payload !== undefined) this.#rejected.add({ at: this.#ports.clock.now(), source, reason, topic, payload });
  }

  /** Acks are withheld because nothing more may be dropped. */
  get isOverloaded(): boolean {
    return this.#isOverloaded;
  }

  get isConnected(): boolean {
    return this.#uplink.isReady;
  }

  get usedBytes(): number {
    return this.#store.db.usedBytes();
  }

  /** When a commit has something to do though nothing comes in, ms of wall time. */
  get dueAt(): number | undefined {
    return this.#pipeline.dueAt();
  }

  /** Returns what was dropped so far, by `<pipeline>.<step>.<reason>`. */
  observe(observer: PipelineObserver | undefined): Map<string, number> {
    this.#pipeline.observer = observer;
    return this.#pipeline.drops();
  }

  /** Reads the whole queue. */
  status(): CoreStatus {
    return {
      epoch: this.#epoch.epoch,
      isConnected: this.isConnected,
      isOverloaded: this.#isOverloaded,
      commits: this.#lastCommit,
      queuedItems: this.#outbox.queued(),
      usedBytes: this.usedBytes,
      series: this.#series.count,
      filtered: Object.fromEntries(this.#pipeline.drops()),
    };
  }

  /** What was counted before the outbox since the database was made, as of the last checkpoint. */
  counters(): Record<string, number> {
    return Object.fromEntries(this.#store.counters().map(({ name, value }) => [name, value]));
  }

  /** Commits everything that came in so far and releases who waits for it. */
  commit(): void {
    this.#commitTimer?.timer.cancel();
    this.#commitTimer = undefined;
    const wasOverloaded = this.#isOverloaded;
    if (!this.#hasRoom()) return;
    const now = this.#ports.clock.now();
    const taken = this.#intake.take();
    const released = this.#intake.takeTokens();
    const outputs: PendingOutput[] = [];
    taken.forEach((entry, index) => {
      outputs.push(...outputsOf(this.#pipeline.process(entry.source, entry.columns, now), index));
    });
    outputs.push(...outputsOf(this.#pipeline.tick(now)));
    this.#countFiltered();
    this.#write(now, taken, outputs);
    this.#release(released);
    if (wasOverloaded) this.#ports.setOverloaded(false);
    if (this.#sinceCheckpoint.commits >= checkpointCommitsMax || this.#sinceCheckpoint.bytes >= checkpointBytesMax)
      this.checkpoint();
  }

  /** In order, also when somebody who was released submits more at once, and that is committed before this returns. */
  #release(released: readonly Released[]): void {
    const isReleasing = this.#releasing.length > 0;
    this.#releasing.push(...released);
    if (isReleasing) return;
    for (let next = this.#releasing[0]; next !== undefined; next = this.#releasing[0]) {
      this.#ports.release(next.source, next.tokens);
      this.#releasing.shift();
    }
  }

  /** Brings the tables up to date with the log. */
  checkpoint(): void {
    this.#store.transaction(() => this.#writeCheckpoint());
    this.#afterCheckpoint();
  }

  /** As a checkpoint, with the epoch of this process recorded, so that it may be named to the hub. */
  #checkpointInEpoch(): void {
    this.#store.transaction(() => {
      this.#outbox.openEpoch(this.#epoch);
      this.#writeCheckpoint();
    });
    this.#afterCheckpoint();
  }

  #countFiltered(): void {
    for (const [name, count] of this.#pipeline.drops()) {
      const counted = this.#filtered.get(name) ?? 0;
      if (count > counted) this.#intake.count(`filtered.${name}`, count - counted);
      this.#filtered.set(name, count);
    }
  }

  /** Appends one commit. With a checkpoint in the same transaction for what must not be replayed. */
  #write(
    now: number,
    taken: readonly Taken[],
    pending: readonly PendingOutput[],
    checkpoint?: 'with checkpoint',
  ): void {
    const started = this.#ports.clock.monotonic();
    const last = [...this.#epoch.last];
    const outputs = pending.map(({ count, ...output }) => {
      const first = (last[output.lane] ?? 0) + 1;
      last[output.lane] = first + count - 1;
      return { ...output, first, last: first + count - 1 };
    });
    const inputs: CommitInput[] = taken.map((entry) => entry.input);
    const draft = { epochId: this.#epoch.id, now, inputs, outputs, counted: [] };
    const planned = this.#planSeals(draft);
    // What is only counted is committed too: who waits for a message that became no reading must find it counted after a crash.
    const isEmpty = inputs.length === 0 && outputs.length === 0 && planned.length === 0 && !this.#intake.hasCounted;
    if (isEmpty && checkpoint === undefined) {
      // Timers of the system may fire a little early: what has not lingered long enough is looked at again.
      this.#sealWhenDue();
      return;
    }
    const record: CommitRecord = {
      ...draft,
      seals: planned.map(({ seal }) => seal),
      counted: [...this.#intake.takeCounted(), ...this.#intake.takeProgress()],
    };
    const body = encodeCommit(record);
    const id = this.#lastCommit + 1;
    const batches = this.#store.transaction(() => {
      this.#outbox.openEpoch(this.#epoch);
      for (const { id: seriesId, packed } of this.#series.takeNew()) this.#store.insertSeries(seriesId, packed);
      this.#store.appendCommit(id, body);
      this.#lastCommit = id;
      this.#epoch = { ...this.#epoch, last, seriesCount: this.#series.count };
      const sealed = this.#outbox.addCommit(id, record);
      if (checkpoint !== undefined) this.#writeCheckpoint();
      return sealed;
    });
    if (checkpoint !== undefined) this.#afterCheckpoint();
    this.#sinceCheckpoint.commits++;
    this.#sinceCheckpoint.bytes += body.byteLength;
    this.#pacer.spent(body.byteLength, this.#ports.clock.monotonic() - started);
    planned.forEach(({ payload, hours }, index) => {
      const batch = batches[index];
      if (batch !== undefined) this.#uplink.sendFresh(batch, payload, hours);
    });
    this.#sealWhenDue();
  }

  /** Which batches the commit at hand seals: per lane what waited long enough or is big enough, as far as the window allows. */
  #planSeals(draft: Omit<CommitRecord, 'seals'>): PlannedSeal[] {
    const planned: PlannedSeal[] = [];
    const now = this.#ports.clock.monotonic();
    for (let lane = 0 as Lane; lane < laneCount; lane = (lane + 1) as Lane) {
      const capacity = this.#uplink.freshCapacity - planned.length;
      if (capacity <= 0) break;
      if (!this.#isSealDue(lane, now, draft.outputs)) continue;
      const seals = this.#outbox.planSeals(draft, lane, capacity);
      if (seals.length > 0) this.#lastSealAt[lane] = now;
      planned.push(...seals);
    }
    return planned;
  }

  #isSealDue(lane: Lane, now: number, outputs: CommitRecord['outputs']): boolean {
    if (now - (this.#lastSealAt[lane] ?? 0) >= this.#config.uplink.lingerMs) return true;
    let bytes = 0;
    for (const row of this.#outbox.tail.unsealed(lane)) bytes += row.bytes;
    for (const output of outputs) if (output.lane === lane) bytes += output.bytes?.byteLength ?? 0;
    return bytes >= batchBytesMax;
  }

  /** Makes sure that unsealed fresh rows are sealed once they have lingered, even when nothing more comes in. */
  #sealWhenDue(): void {
    if (this.#uplink.freshCapacity === 0 || this.#isDead) return;
    const now = this.#ports.clock.monotonic();
    for (let lane = 0 as Lane; lane < laneCount; lane = (lane + 1) as Lane) {
      if (this.#outbox.tail.unsealed(lane).length === 0) continue;
      this.#commitWithin(Math.max(0, (this.#lastSealAt[lane] ?? 0) + this.#config.uplink.lingerMs - now));
    }
  }

  #commitWithin(delayMs: number): void {
    const dueAt = this.#ports.clock.monotonic() + delayMs;
    if (this.#commitTimer !== undefined) {
      if (this.#commitTimer.dueAt <= dueAt) return;
      this.#commitTimer.timer.cancel();
    }
    const timer = this.#ports.clock.after('agent.commit', delayMs, () => this.#guard(() => this.commit()));
    this.#commitTimer = { timer, dueAt };
  }

  #writeCheckpoint(): void {
    this.#outbox.flush();
    this.#rejected.flush(this.#store);
    for (const [name, count] of this.#intake.takeCounted()) this.#store.addToCounter(name, count);
    this.#store.updateEpoch(this.#epoch.id, this.#epoch.seriesCount, this.#epoch.last);
    this.#store.saveState('pipelines', JSON.stringify(this.#config.pipelines));
    this.#store.saveOperators(this.#pipeline.save());
    this.#store.saveState('checkpoint', String(this.#lastCommit));
  }

  #afterCheckpoint(): void {
    this.#outbox.clearTail();
    this.#sinceCheckpoint = { commits: 0, bytes: 0, at: this.#ports.clock.monotonic() };
  }

  #hasRoom(): boolean {
    const needed = this.#intake.bytes + commitReserveBytes;
    let hasRoom = !this.#room.isFull(needed);
    if (!hasRoom) {
      if (this.#sinceCheckpoint.commits > 0 || this.#outbox.hasUnwritten) this.checkpoint();
      hasRoom = this.#room.makeRoom(needed, this.#lastCommit);
    }
    if (!hasRoom && !this.#isOverloaded) {
      this.#ports.setOverloaded(true);
      this.#ports.log.error({}, 'the buffer is full of rows that must be kept: acks are withheld until there is room');
    }
    this.#isOverloaded = !hasRoom;
    return hasRoom;
  }

  #scheduleTick(): void {
    this.#tickTimer = this.#ports.clock.after('agent.tick', tickEveryMs, () => {
      this.#guard(() => this.#tick());
      if (!this.#isDead) this.#scheduleTick();
    });
  }

  #tick(): void {
    const now = this.#ports.clock.now();
    const ageNow = this.#ageClock.now();
    if (this.#isOverloaded || (this.dueAt ?? Number.POSITIVE_INFINITY) <= now) this.commit();
    const { commits, at } = this.#sinceCheckpoint;
    const isDue = this.#ports.clock.monotonic() - at >= checkpointEveryMs[this.#config.buffer.commit];
    if (isDue && (commits > 0 || this.#outbox.hasUnwritten || this.#intake.hasCounted)) {
      this.checkpoint();
      this.#room.expire(ageNow, this.#lastCommit);
    }
    if (isDue) this.report();
    if (!this.#uplink.isReady) this.#merger.merge(mergesPerTick);
    this.#uplink.pump();
  }

  /** Tells the hub the account of every hour that changed since it last confirmed it. */
  report(): void {
    if (!this.#uplink.isReady) return;
    const lines = this.#store.dirtyLedger(protocolLimits.ledgerRowsPerMessageMax);
    if (lines.length === 0) return;
    const queued = this.#outbox.queuedByHour();
    const rows = lines.map((line) => ({ ...line, queued: queued.get(`${line.lane}:${line.hour}`) ?? 0 }));
    this.#uplink.report(this.#ports.clock.now(), rows, Object.entries(this.counters()));
  }

  /** Runs what a timer, the wire or a source asked for; its failure is the end of this process. */
  #guard(work: () => void): void {
    if (this.#isDead) return;
    try {
      work();
    } catch (error) {
      this.kill();
      this.#ports.onFatal(error);
    }
  }
}
