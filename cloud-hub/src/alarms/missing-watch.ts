/** Watches the agents of this hub, and has the desk keep an alarm of each that is missing. */
import type { Clock } from '@fogline/shared/clock';
import type { CommittedChange } from '../ingest/ports.ts';
import type { StoreRead } from '../store/read.ts';
import type { AlarmDesk, Decision } from './alarm-desk.ts';
import { MissingAgents, type MissingRule } from './missing-agents.ts';
import type { Severity } from './severity.ts';

export interface MissingConfig extends MissingRule {
  readonly severity: Severity;
}

type Fleet = Pick<StoreRead, 'agent' | 'listAgents'>;

export class MissingWatch {
  readonly #config: MissingConfig;
  readonly #desk: AlarmDesk;
  readonly #fleet: Fleet;
  readonly #clock: Clock;
  readonly #agents: MissingAgents;
  /** As it was when something was told of the agent here. */
  readonly #lastSeenMs = new Map<string, number | undefined>();

  constructor(config: MissingConfig, desk: AlarmDesk, fleet: Fleet, clock: Clock) {
    this.#config = config;
    this.#desk = desk;
    this.#fleet = fleet;
    this.#clock = clock;
    this.#agents = new MissingAgents(config);
    const missing = new Set(desk.table.on('missing').map(({ agent }) => agent));
    for (const { id, agent, lastSeenMs } of fleet.listAgents()) {
      if (lastSeenMs === undefined) continue;
      this.#agents.expect(agent, missing.has(id), clock.monotonic());
      this.#lastSeenMs.set(agent, lastSeenMs);
    }
  }

  committed({ agents }: CommittedChange): void {
    const atMs = this.#clock.monotonic();
    for (const name of agents) {
      const info = this.#fleet.agent(name);
      // Of one that was revoked, that its connection was cut.
      if (info === undefined || info.isRevoked) continue;
      this.#agents.heard(name, info.isOnline, atMs);
      this.#lastSeenMs.set(name, info.lastSeenMs);
    }
  }

  /** The hub took nothing in. */
  excuse(): void {
    this.#agents.excuse(this.#clock.monotonic());
  }

  /** Throws what the storage throws. */
  look(): void {
    // Data that comes does not pass here: it would be one look at the store for each agent and commit.
    const wasHeard = (agent: string): boolean => {
      const lastSeenMs = this.#fleet.agent(agent)?.lastSeenMs;
      const isNew = lastSeenMs !== this.#lastSeenMs.get(agent);
      this.#lastSeenMs.set(agent, lastSeenMs);
      return isNew;
    };
    const decisions = this.#agents.look(this.#clock.monotonic(), wasHeard).flatMap(({ agent, isMissing }) => {
      const info = this.#fleet.agent(agent);
      return info === undefined || info.isRevoked ? [] : [this.#decision(info.id, isMissing ? 'active' : 'cleared')];
    });
    this.#desk.decided(decisions, this.#clock.now());
  }

  /** Nobody waits any more for an agent that may not come. Throws what the storage throws. */
  credentialsChanged(): void {
    const missing = new Set(this.#desk.table.on('missing').map(({ agent }) => agent));
    const revoked = this.#fleet.listAgents().filter(({ isRevoked }) => isRevoked);
    for (const { agent } of revoked) this.#agents.forget(agent);
    const ended = revoked.filter(({ id }) => missing.has(id)).map(({ id }) => this.#decision(id, 'ended'));
    this.#desk.decided(ended, this.#clock.now());
  }

  #decision(agent: number, word: Decision['word']): Decision {
    const identity = { origin: 'missing', rule: '', agent, series: 0 } as const;
    return { identity, severity: this.#config.severity, word, timeMs: this.#clock.now() };
  }
}
