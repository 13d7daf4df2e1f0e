/** What the uplink needs of the world, and what it knows of its agent. */
import type { Clock } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { UplinkConfig } from '../core-config.ts';
import type { DurableSeries } from '../journal/series-registry.ts';
import type { EpochRow } from '../journal/stored.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { Wire } from './wire.ts';

export interface UplinkPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly wire: Wire;
  readonly log: Logger;
  /** Brings every table up to date: the tail becomes backlog. */
  checkpoint(): void;
  /** There is room in the window again for fresh batches. */
  onCapacity(): void;
}

export interface UplinkContext {
  readonly agent: string;
  readonly software: string;
  readonly config: UplinkConfig;
  readonly outbox: Outbox;
  readonly series: DurableSeries;
  /** The epoch of this process, with what it has produced and defined so far, durably. */
  currentEpoch(): EpochRow;
}
