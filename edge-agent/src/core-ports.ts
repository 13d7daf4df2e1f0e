/** What the core needs of the world, and what it tells of itself. */
import type { Clock } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import type { Actuator } from './actions/action-runner.ts';
import type { AlarmStatus } from './alarms/desk.ts';
import type { EpochRow } from './journal/stored.ts';
import type { Token } from './sources/batch-port.ts';
import type { Wire } from './uplink/wire.ts';

export interface CorePorts {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly wire: Wire;
  readonly log: Logger;
  readonly actuator: Actuator;
  /** How large the file of the database could be: what it has, and what its file system has free. Absent: without end. */
  diskBytes?(): number;
  /** A commit is on disk; called before anything of it is released. */
  committed?(commit: number, epoch: EpochRow): void;
  /** The readings behind these tokens are durable. */
  release(source: string, tokens: readonly Token[]): void;
  /** No room: senders that can wait must, the others' readings are dropped and counted by the source. */
  setOverloaded(isOverloaded: boolean): void;
  /** The storage failed; the process must exit. */
  onFatal(error: unknown): void;
}

export interface CoreStatus {
  readonly epoch: string;
  readonly isConnected: boolean;
  readonly isOverloaded: boolean;
  readonly commits: number;
  readonly queuedItems: readonly number[];
  readonly usedBytes: number;
  /** What `flash` may still write before it commits once a second; undefined in `prompt`. */
  readonly flashCreditBytes: number | undefined;
  readonly series: number;
  /** Readings that went no further since the process started, by `<pipeline>.<step>.<reason>`. */
  readonly filtered: Readonly<Record<string, number>>;
  /** The first of those that are not normal. */
  readonly alarms: readonly AlarmStatus[];
  /** Decided, and not known to be carried out. */
  readonly pendingActions: number;
}
