/** What a lane needs of its sender. Types only. */
import type { Clock } from '@fogline/shared/clock';
import type { Random } from '@fogline/shared/random';
import type { InFlight } from './in-flight.ts';
import type { Lane } from './lane.ts';
import type { Outgoing, Source } from './source.ts';
import type { Wire } from './wire.ts';

export interface LanePorts {
  readonly wire: Wire;
  readonly source: Source;
  readonly outgoing: Outgoing;
  readonly inFlight: InFlight;
  readonly clock: Clock;
  readonly random: Random;
  readonly clientPrefix: string;
  readonly speed: number;
  readonly counts: LaneCounts;
  /** Device time of this moment; Infinity = everything is due. */
  deviceNowMs(): number;
  monotonicMs(): number;
  /** The lane is looked at in the next turn. */
  makeReady(lane: Lane): void;
  wantsConnection(lane: Lane): void;
  /** A connection came about, or did not. */
  connected(): void;
  settled(slot: number, isAck: boolean, isReading: boolean): void;
  /** Lanes that have something to send or to wait for. */
  lanesLeft(): number;
  /** The lane has sent and settled everything. */
  over(): void;
}

/** Shared by all lanes of a sender. */
export interface LaneCounts {
  /** Messages, each counted once. */
  sent: number;
  /** Transmissions beyond the first. */
  resent: number;
  /** Acked; at QoS 0 handed to the operating system. */
  settled: number;
  /** At QoS 0 on a connection that went, or refused by the server for good. */
  dropped: number;
  connects: number;
  disconnects: number;
  /** Connections that there are now, and that there were at once. */
  open: number;
  openMax: number;
  /** Why a connection ended last, '' while none did. */
  lastReason: string;
}
