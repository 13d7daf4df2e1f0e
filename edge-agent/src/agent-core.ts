/**
 * The agent's core: everything between the sources and the wire, synchronous and on one thread. One transaction a commit: journal, outbox rows,
 * seals and counters as one row of the log (decision 0001). Whatever leaves the agent, a token or a batch, leaves after its commit is on disk.
 *
 * An error of the storage is fatal: it is thrown to the caller, nothing is released any more, the process exits, the next start recovers.
 */
import type { Timer } from '@fogline/shared/clock';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { Acting } from './acting.ts';
import { controlSource } from './alarms/commands.ts';
import type { AlarmDesk } from './alarms/desk.ts';
import type { CoreConfig } from './core-config.ts';
import type { CorePorts, CoreStatus } from './core-ports.ts';
import { guardedClock, guardedWire } from './guarded.ts';
import { AgentStore } from './journal/agent-store.ts';
import { CheckpointPace } from './journal/checkpoint-pace.ts';
import { CommitPacer } from './journal/commit-pacer.ts';
import { type CommitInput, type CommitRecord, encodeCommit } from './journal/commit-record.ts';
import { Intake, type Taken } from './journal/intake.ts';
import { recallRepeats, recover, saveReplayable } from './journal/recovery.ts';
import { RejectedLog } from './journal/rejected-log.ts';
import { Releases } from './journal/releases.ts';
import { RepeatFilter } from './journal/repeat-filter.ts';
import { DurableSeries } from './journal/series-registry.ts';
import type { EpochRow } from './journal/stored.ts';
import { AgeClock } from './outbox/age-clock.ts';
import { Merger } from './outbox/merger.ts';
import { Outbox } from './outbox/outbox.ts';
import { outputsOfCommit } from './outbox/outputs.ts';
import { Room } from './outbox/room.ts';
import { Sealer } from './outbox/sealer.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import type { CommitResults, Replayable } from './replayable.ts';
import type { IngestPort, SourceBatch } from './sources/batch-port.ts';
import { Uplink } from './uplink/uplink.ts';

const tickEveryMs = 1000;
const mergesPerTick = 2;
/** Room a commit needs beyond its readings: outputs, seals, pages. */
const commitReserveBytes = 256 * 1024;

export class AgentCore implements IngestPort {
  /** Where people and actuators meet the alarms. */
  readonly desk: AlarmDesk;
  readonly #ports: CorePorts;
  readonly #store: AgentStore;
  readonly #outbox: Outbox;
  readonly #series = new DurableSeries();
  readonly #rejected = new RejectedLog();
  readonly #intake: Intake;
  readonly #replayable: Replayable;
  readonly #acting: Acting;
  readonly #pacer: CommitPacer;
  readonly #room: Room;
  readonly #merger: Merger;
  readonly #sealer: Sealer;
  readonly #uplink: Uplink;
  #epoch: EpochRow;
  #lastCommit: number;
  #commitTimer: { readonly timer: Timer; readonly dueAt: number } | undefined;
  #tickTimer: Timer | undefined;
  readonly #checkpoints: CheckpointPace;
  readonly #ageClock: AgeClock;
  readonly #releases: Releases;
  #isOverloaded = false;
  #isDead = false;

  /** Recovers from the database; throws `storage_*` errors when it cannot, `config_invalid` when it is another agent's. */
  constructor(config: CoreConfig, ports: CorePorts) {
    this.#ports = ports;
    this.#store = new AgentStore(ports.db);
    this.#outbox = new Outbox(this.#store, config.agent);
    const { agent, software, pipelines, alarms, uplink } = config;
    const now = ports.clock.now();
    const replayed = { agent, pipelines, alarms };
    const recovered = recover(this.#store, this.#outbox, this.#series, replayed, { random: ports.random, now });
    this.#replayable = recovered.replayable;
    this.#epoch = recovered.epoch;
    this.#lastCommit = recovered.lastCommit;
    const repeats = new RepeatFilter();
    recallRepeats(this.#store, repeats);
    const sources = config.sources.map((name) => ({ name, ...Pipeline.inputStream(name, pipelines) }));
    sources.push({ name: controlSource, stream: controlSource, isLocal: true });
    this.#intake = new Intake(sources, this.#series, repeats);
    this.#pacer = new CommitPacer(config.buffer, ports.clock);
    this.#room = new Room(this.#outbox, config.buffer, ports, this.#series);
    this.#merger = new Merger(this.#store, config.buffer.ageMsMax);
    this.#sealer = new Sealer(this.#outbox, ports.clock, uplink.lingerMs);
    const guard = (work: () => void): void => this.#guard(work);
    this.#uplink = new Uplink(
      { agent, software, config: uplink, outbox: this.#outbox, series: this.#series, currentEpoch: () => this.#epoch },
      {
        clock: guardedClock(ports.clock, guard),
        random: ports.random,
        wire: guardedWire(ports.wire, guard),
        log: ports.log,
        checkpoint: () => this.checkpoint(this.#epoch),
        onCapacity: () => this.#sealWhenDue(),
      },
    );
    this.#acting = new Acting(recovered.replayable, {
      ...ports,
      guard,
      submit: (batch) => this.submit(batch),
      onOutcome: () => this.#commitWithin(this.#pacer.delayMs()),
    });
    this.desk = this.#acting.desk;
    this.#releases = new Releases(({ source, tokens }) => {
      if (source === controlSource) this.desk.release(tokens);
      else ports.release(source, tokens);
    });
    this.#ageClock = new AgeClock(ports.clock, config.buffer.ageMsMax);
    this.#checkpoints = new CheckpointPace(config.buffer, ports.clock);
    if (recovered.isConfigChanged) this.#write(now, [], { ...recovered.drained, ofInputs: [] }, [], 'with checkpoint');
  }

  start(): void {
    this.#uplink.start();
    this.#scheduleTick();
    this.#guard(() => this.#acting.start());
  }

  /** Commits what came in, leaves the database checkpointed, says goodbye. The core is of no use afterwards. */
  stop(): void {
    if (this.#isDead) return this.#ports.wire.close();
    this.#guard(() => {
      this.commit();
      // What those actions came to that were carried out just now.
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
    this.#acting.stop();
  }

  submit(batch: SourceBatch): void {
    if (this.#isDead) return;
    this.#guard(() => {
      this.#intake.add(batch);
      this.#acting.learn(batch);
      if (this.#intake.isCommitDue) this.commit();
      else this.#commitWithin(this.#delayMs(batch));
    });
  }

  hurry(): void {
    if (this.#commitTimer !== undefined) this.#commitWithin(this.#pacer.delayMs(true));
  }

  #delayMs(batch: SourceBatch): number {
    const [delayMs, promptMs] = [this.#pacer.delayMs(), this.#pacer.promptMs];
    return delayMs > promptMs && this.#acting.isUrgent(batch) ? promptMs : delayMs;
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

  get pendingActions(): number {
    return this.#replayable.pending.count;
  }

  get usedBytes(): number {
    return this.#store.db.usedBytes();
  }

  /** When a commit has something to do though nothing comes in, ms of wall time. */
  get dueAt(): number | undefined {
    const due = this.#replayable.dueAt(this.#ports.clock.now());
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }

  get pipeline(): Pipeline {
    return this.#replayable.pipeline;
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
      flashCreditBytes: this.#pacer.creditBytes,
      series: this.#series.count,
      filtered: Object.fromEntries(this.pipeline.drops()),
      alarms: this.desk.status(),
      pendingActions: this.pendingActions,
    };
  }

  /** What was counted before the outbox since the database was made, as of the last checkpoint. */
  counters(): Record<string, number> {
    return Object.fromEntries(this.#store.counters().map(({ name, value }) => [name, value]));
  }

  /** Commits everything that came in so far, releases who waits for it and carries out what it decided. */
  commit(): void {
    this.#acting.prepare();
    this.#commitTimer?.timer.cancel();
    this.#commitTimer = undefined;
    const wasOverloaded = this.#isOverloaded;
    if (!this.#hasRoom()) return;
    const now = this.#ports.clock.now();
    const taken = this.#intake.take();
    const released = this.#intake.takeTokens();
    const outcomes = this.#acting.takeOutcomes();
    const results = this.#replayable.run({ now, inputs: taken, outcomes });
    this.#write(now, taken, results, outcomes);
    this.#acting.carryOut(results.actions, results.hasTold);
    this.#releases.add(released);
    if (wasOverloaded) this.#ports.setOverloaded(false);
    if (this.#checkpoints.isFull) this.checkpoint();
    this.#commitWhenDue();
  }

  /** Brings the tables up to date with the log, and records an epoch that is to be named to the hub. */
  checkpoint(named?: EpochRow): void {
    this.#store.transaction(() => {
      if (named !== undefined) this.#outbox.openEpoch(named);
      this.#writeCheckpoint();
    });
    this.#ports.committed?.(this.#lastCommit, this.#epoch);
    this.#afterCheckpoint();
  }

  /** Appends one commit. With a checkpoint in the same transaction for what must not be replayed. */
  #write(
    now: number,
    taken: readonly Taken[],
    results: CommitResults,
    outcomes: CommitRecord['outcomes'],
    checkpoint?: 'with checkpoint',
  ): void {
    const started = this.#ports.clock.monotonic();
    const last = [...this.#epoch.last];
    for (const [name, count] of results.counted) this.#intake.count(name, count);
    const outputs = outputsOfCommit(results).map(({ count, ...output }) => {
      const first = (last[output.lane] ?? 0) + 1;
      last[output.lane] = first + count - 1;
      return { ...output, first, last: first + count - 1 };
    });
    const inputs: CommitInput[] = taken.map((entry) => entry.input);
    const { actions } = results;
    const draft = { epochId: this.#epoch.id, now, inputs, outputs, counted: [], actions, outcomes };
    const planned = this.#sealer.plan(draft, this.#uplink.freshCapacity);
    // What is only counted is committed too: who waits for a message that became no reading must find it counted after a crash.
    const isEmpty =
      inputs.length + outputs.length + planned.length + actions.length + outcomes.length === 0 &&
      !this.#intake.hasCounted;
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
    this.#ports.committed?.(id, this.#epoch);
    if (checkpoint !== undefined) this.#afterCheckpoint();
    this.#checkpoints.committed(body.byteLength);
    this.#pacer.spent(body.byteLength, this.#ports.clock.monotonic() - started);
    planned.forEach(({ payload, hours }, index) => {
      const batch = batches[index];
      if (batch !== undefined) this.#uplink.sendFresh(batch, payload, hours);
    });
    this.#sealWhenDue();
  }

  /** Makes sure that unsealed fresh rows are sealed once they have lingered, even when nothing more comes in. */
  #sealWhenDue(): void {
    if (this.#uplink.freshCapacity === 0 || this.#isDead) return;
    const dueInMs = this.#sealer.dueInMs();
    if (dueInMs !== undefined) this.#commitWithin(dueInMs);
  }

  /** Alarms have timers that are due between two ticks. */
  #commitWhenDue(): void {
    const inMs = this.#acting.dueInMs();
    if (inMs <= tickEveryMs && !this.#isOverloaded) this.#commitWithin(Math.max(1, inMs));
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
    saveReplayable(this.#store, this.#replayable, this.#lastCommit);
  }

  #afterCheckpoint(): void {
    this.#outbox.clearTail();
    this.#checkpoints.restart();
    this.#pacer.checkpointed();
  }

  #hasRoom(): boolean {
    const needed = this.#intake.bytes + commitReserveBytes;
    let hasRoom = !this.#room.isFull(needed);
    if (!hasRoom) {
      if (this.#checkpoints.hasCommits || this.#outbox.hasUnwritten) this.checkpoint();
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
    if (this.#isOverloaded || this.#room.isFull(0) || this.#replayable.dueAt(now) <= now) this.commit();
    else this.#commitWhenDue();
    const { isOld: isDue, hasCommits } = this.#checkpoints;
    if (isDue && (hasCommits || this.#outbox.hasUnwritten || this.#intake.hasCounted)) {
      this.checkpoint();
      this.#room.expire(ageNow, this.#lastCommit);
    }
    if (isDue) this.report();
    this.#room.giveBack();
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
