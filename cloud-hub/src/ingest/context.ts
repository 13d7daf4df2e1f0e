/** What the handlers of one message share, and what they leave to be done after COMMIT. */

import type { Clock } from '@fogline/shared/clock';
import { type ColumnMemory, NewColumns, ReusedColumns } from '@fogline/shared/codec/columns';
import type { AgentState } from '../store/agent-table.ts';
import type { HubStore } from '../store/hub-store.ts';
import type { HeldRange, QuarantineReason } from '../store/quarantine.ts';
import type { AppliedBatch, HubCorePorts, HubLimits, IngestLog } from './ports.ts';

export interface Session {
  readonly session: number;
  /** Epoch of the process that said hello. */
  readonly to: string;
}

export interface WelcomeDue {
  readonly agent: string;
  readonly session: number;
  readonly page: number;
  readonly pages: number;
  readonly to: string;
  readonly epochs: readonly string[];
}

type Watchers = Pick<HubCorePorts, 'onAlarms' | 'isWatched' | 'onCommitted'>;

export class IngestContext {
  readonly store: HubStore;
  readonly clock: Clock;
  readonly limits: HubLimits;
  readonly log: IngestLog | undefined;
  /** Who is told of decoded rows, and when. */
  readonly watchers: Watchers;
  /** Whether rows of this group are wanted after COMMIT. */
  isWatched = false;
  readonly #reused = new ReusedColumns();
  readonly #kept = new NewColumns();
  /** Last hello of each agent in this process. */
  readonly sessions = new Map<string, Session>();
  /** After COMMIT, in order. */
  welcomes: WelcomeDue[] = [];
  applied: AppliedBatch[] = [];
  changedAgents = new Set<string>();

  constructor(store: HubStore, clock: Clock, limits: HubLimits, log: IngestLog | undefined, watchers: Watchers) {
    this.store = store;
    this.clock = clock;
    this.limits = limits;
    this.log = log;
    this.watchers = watchers;
  }

  /** Asks for a welcome that the agent did not ask for; one per epoch and group. */
  welcomeAnew(agent: string, epoch: string): void {
    const session = this.sessions.get(agent);
    if (session === undefined) return;
    if (this.welcomes.some((due) => due.agent === agent && due.epochs.includes(epoch))) return;
    this.welcomes.push({ agent, ...session, page: 1, pages: 1, epochs: [epoch] });
  }

  quarantine(agent: AgentState, entry: Rejected): void {
    const { kind, reason, detail } = entry;
    this.store.quarantine.add({ agent: agent.id, ...entry }, this.clock.now());
    this.store.counters.quarantined[reason]++;
    this.log?.warn({ agent: agent.name, kind, reason, detail }, 'a message was quarantined');
  }

  /** For the readings of one message, valid until the next one's: rows that viewers keep lie together. */
  columnMemory(): ColumnMemory {
    if (this.isWatched) return this.#kept.memory;
    this.#reused.reset();
    return this.#reused.memory;
  }

  startGroup(): void {
    const { onCommitted, isWatched } = this.watchers;
    this.isWatched = onCommitted !== undefined && (isWatched?.() ?? true);
    this.welcomes = [];
    this.applied = [];
    this.changedAgents = new Set();
  }
}

export interface Rejected {
  readonly kind: string;
  readonly reason: QuarantineReason;
  readonly detail: string;
  readonly payload: Uint8Array;
  readonly held?: HeldRange;
  readonly missing?: number;
}
