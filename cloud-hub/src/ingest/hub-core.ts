/**
 * The hub's ingest: synchronous, one writer. Every message of an agent is applied, recognised as a repeat or quarantined inside a group
 * transaction; `done` is called after its COMMIT, in order of submission (P1). A crash at any point keeps exactly what was committed;
 * what was not is sent again and is new, what was is sent again and is a repeat. A message on which the hub itself fails is
 * rolled back alone and quarantined; an error of the storage fails the group, nothing of it is acked, and it is the caller's to exit.
 */
import { FoglineError, hasCode, invariant, messageOf } from '@fogline/shared/errors';
import type { UpKind } from '@fogline/shared/protocol/topics';
import type { Database } from '@fogline/shared/sqlite';
import { HubStore } from '../store/hub-store.ts';
import type { Order } from '../store/orders.ts';
import type { StoreRead } from '../store/read.ts';
import { StoreReader } from '../store/reader.ts';
import { Upkeep } from '../store/upkeep.ts';
import { buildWelcome } from './apply-hello.ts';
import { carryOut } from './carry-out.ts';
import { IngestContext } from './context.ts';
import { dispatch } from './dispatch.ts';
import { FlowControl } from './flow-control.ts';
import { type HubCorePorts, type HubLimits, hubLimits } from './ports.ts';

interface Queued {
  readonly agent: string;
  readonly kind: UpKind;
  readonly payload: Uint8Array;
  readonly done: () => void;
}

export class HubCore {
  /** Everything committed, for queries. */
  readonly read: StoreRead;
  readonly #db: Database;
  readonly #ports: HubCorePorts;
  readonly #limits: HubLimits;
  readonly #store: HubStore;
  readonly #context: IngestContext;
  readonly #flow: FlowControl;
  readonly #upkeep: Upkeep;
  #queue: Queued[] = [];
  #isCommitting = false;
  #foldedAtMs: number;

  constructor(db: Database, ports: HubCorePorts, limits: Partial<HubLimits> = {}) {
    this.#db = db;
    this.#ports = ports;
    this.#limits = { ...hubLimits, ...limits };
    this.#store = new HubStore(db);
    this.read = new StoreReader(this.#store);
    this.#context = new IngestContext(this.#store, ports.clock, this.#limits, ports.log, ports);
    this.#flow = new FlowControl(this.#limits);
    this.#upkeep = new Upkeep(this.#store, {
      nowMs: () => ports.clock.now(),
      transaction: (work) => this.#transaction(work),
      counters: this.#store.counters,
      retention: this.#limits.retention,
    });
    this.#foldedAtMs = ports.clock.monotonic();
    // Of a database that was restored from before its tombstones.
    if (this.#store.tombstones.due().length > 0) this.#transaction(() => this.#store.bury(ports.clock.now()));
  }

  /**
   * Queues one message from an authenticated agent; first in, first out over all calls. `payload` must not change until `done`, which
   * is called after the transaction committed that applied, recognised or quarantined it.
   */
  submit(agent: string, kind: UpKind, payload: Uint8Array, done: () => void): void {
    this.#queue.push({ agent, kind, payload, done });
    this.#flow.queue(agent, payload.byteLength);
  }

  queuedBytes(): number {
    return this.#flow.queuedBytes;
  }

  /**
   * Commits one group of what is queued, then calls the dones in order, then sends welcomes and flows. Returns true if more is
   * queued. Throws what the storage threw; the group is still queued then and nothing of it was acked.
   */
  commit(): boolean {
    invariant(!this.#isCommitting, 'commit is not re-entered');
    this.#isCommitting = true;
    try {
      this.#sendFlows();
      const group = this.#nextGroup();
      if (group.length > 0) this.#commitGroup(group);
    } finally {
      this.#isCommitting = false;
    }
    return this.#queue.length > 0;
  }

  /** Brings the derived tables up to date: makes the next start instant. For a clean stop; otherwise it happens by and by. */
  fold(): void {
    const nowMs = this.#ports.clock.now();
    this.#transaction(() => {
      this.#store.startFold(nowMs);
      this.#store.continueFold(Number.POSITIVE_INFINITY, nowMs);
    });
    this.#foldedAtMs = this.#ports.clock.monotonic();
  }

  /**
   * One step of what keeps the store small, a few milliseconds at most; false when nothing is left to do for now. Between commits only.
   * Throws what the storage threw, as `commit`.
   */
  upkeep(): boolean {
    invariant(!this.#isCommitting, 'no upkeep within a commit');
    return this.#upkeep.step();
  }

  /** Carries out what an operator asked for; returns what was done. Throws `not_found`, `usage`, or what the storage threw. */
  order(order: Order): string {
    invariant(!this.#isCommitting, 'no order within a commit');
    this.#context.startGroup();
    const answer = this.#transaction(() => carryOut(this.#context, order));
    this.#announce();
    return answer;
  }

  /** Carries out the orders that other processes left in the database, and answers them there; whether there were any. Throws what the storage threw. */
  takeOrders(): boolean {
    let isAny = false;
    for (let row = this.#store.orders.nextOpen(); row !== undefined; row = this.#store.orders.nextOpen()) {
      isAny = true;
      const order = row;
      const { id, body } = order;
      const { orders } = this.#store;
      this.#context.startGroup();
      try {
        if (!this.#transaction(() => orders.begin(order)))
          throw new FoglineError('unavailable', 'the hub ended while it carried this out; its log says why');
        this.#transaction(() => {
          const answer = carryOut(this.#context, JSON.parse(body) as Order);
          orders.answer(id, 'done', answer);
        });
      } catch (error) {
        if (isStorageError(error)) throw error;
        this.#transaction(() => orders.answer(id, 'refused', messageOf(error)));
        continue;
      }
      this.#announce();
    }
    return isAny;
  }

  #commitGroup(queued: readonly Queued[]): void {
    const context = this.#context;
    context.startGroup();
    const group = this.#transaction(() => {
      const before = this.#store.counters.itemsApplied;
      let count = 0;
      // A tail at its limit ends the group: small envelopes can unfold to much.
      do this.#apply(queued[count++] as Queued);
      while (count < queued.length && !this.#store.isFoldDue(this.#limits));
      this.#foldAlong(this.#store.counters.itemsApplied - before);
      return queued.slice(0, count);
    });
    this.#queue.splice(0, group.length);
    this.#store.counters.groups++;
    for (const { agent, payload } of group) this.#flow.unqueue(agent, payload.byteLength);
    for (const { done } of group) done();
    this.#announce();
  }

  /** After a COMMIT: what it owes to agents and to the rest of the hub. */
  #announce(): void {
    const context = this.#context;
    const nowMs = this.#ports.clock.now();
    for (const due of context.welcomes) {
      const payload = buildWelcome(this.#store, due, this.#flow.windowOf(due.agent), nowMs);
      this.#ports.send(due.agent, 'welcome', payload);
    }
    this.#sendFlows();
    const { applied: batches, changedAgents: agents } = context;
    if (batches.length > 0 || agents.size > 0) this.#ports.onCommitted?.({ atMs: nowMs, batches, agents });
  }

  #apply({ agent: name, kind, payload }: Queued): void {
    const context = this.#context;
    const { welcomes, applied } = context;
    const welcomesBefore = welcomes.length;
    const appliedBefore = applied.length;
    this.#db.exec('SAVEPOINT message');
    try {
      const agent = this.#store.agents.ensure(name, this.#ports.clock.now());
      this.#store.agents.saw(agent, this.#ports.clock.now());
      dispatch(context, agent, kind, payload);
    } catch (error) {
      if (isStorageError(error)) throw error;
      this.#db.exec('ROLLBACK TO message');
      this.#store.invalidate();
      this.#store.refresh();
      welcomes.length = welcomesBefore;
      applied.length = appliedBefore;
      const agent = this.#store.agents.ensure(name, this.#ports.clock.now());
      context.quarantine(agent, { kind, reason: 'internal', detail: messageOf(error), payload });
    }
    this.#db.exec('RELEASE message');
  }

  /** What is in memory counts as committed only when this returns. */
  #transaction<T>(work: () => T): T {
    this.#store.refresh();
    try {
      return this.#db.transaction(work);
    } catch (error) {
      this.#store.invalidate();
      throw error;
    }
  }

  #nextGroup(): Queued[] {
    const { groupMessagesMax, groupBytesMax } = this.#limits;
    const group: Queued[] = [];
    let bytes = 0;
    for (const message of this.#queue) {
      bytes += message.payload.byteLength;
      if (group.length > 0 && (group.length >= groupMessagesMax || bytes > groupBytesMax)) break;
      group.push(message);
    }
    return group;
  }

  /**
   * Folds in step with what arrives, and faster, so that one fold ends before the tail is full again. By age the next begins only when
   * the one before has ended: little may have arrived since.
   */
  #foldAlong(itemsArrived: number): void {
    const nowMs = this.#ports.clock.now();
    this.#store.continueFold(Math.max(this.#limits.foldItemsMin, itemsArrived * 2), nowMs);
    const ageMs = this.#ports.clock.monotonic() - this.#foldedAtMs;
    const isOld = ageMs >= this.#limits.tailAgeMs && this.#store.log.tailCount > 0 && !this.#store.isFolding;
    if (!isOld && !this.#store.isFoldDue(this.#limits)) return;
    this.#store.startFold(nowMs);
    this.#foldedAtMs = this.#ports.clock.monotonic();
  }

  #sendFlows(): void {
    for (const { agent, payload } of this.#flow.advise()) this.#ports.send(agent, 'flow', payload);
  }
}

/** Failed storage must stop the hub; anything else is a fault of one message. */
export function isStorageError(error: unknown): boolean {
  if (hasCode(error, 'storage_io', 'storage_corrupt', 'storage_open')) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('SQLITE_') && !code.startsWith('SQLITE_CONSTRAINT');
}
