/**
 * Faults as episodes: one in every span of time, at a place that a hash decides. Whether a device has a fault at some moment is a
 * function of (fault, device, time), so faults cost no memory and are the same in every run.
 */
import { hash32, unitOf } from '../signals/waveform.ts';
import type { FaultKind } from './fleet-schema.ts';

export interface Fault {
  readonly kind: FaultKind;
  readonly key: number;
  readonly everyMs: number;
  readonly lastsMs: number;
  /** Of the devices that have it. */
  readonly share: number;
  /** Index; −1 = all, or none in particular. */
  readonly metric: number;
  /** Further values, as the truth file tells them. */
  readonly parameters: Readonly<Record<string, number>>;
}

/** The episode of the span that was asked for last: two numbers that would cost an object each time. */
export const episode = { fromMs: 0, toMs: 0 };

/** True while the fault lasts at `timeMs`; then `episode` holds from when to when (half open). */
export function isFaulty(fault: Fault, deviceKey: number, timeMs: number): boolean {
  return findEpisode(fault, deviceKey, timeMs) && timeMs >= episode.fromMs && timeMs < episode.toMs;
}

/** Puts the episode of the span in which `timeMs` lies into `episode`; false when the device never has this fault. */
function findEpisode(fault: Fault, deviceKey: number, timeMs: number): boolean {
  const { key, everyMs, lastsMs, share } = fault;
  const at = hash32(key, deviceKey);
  if (share < 1 && unitOf(at, ownShare) >= share) return false;
  const span = Math.floor(timeMs / everyMs);
  episode.fromMs = span * everyMs + Math.floor(unitOf(at, span) * (everyMs - lastsMs));
  episode.toMs = episode.fromMs + lastsMs;
  return true;
}

/** Spans are never negative. */
const ownShare = -1;

/** How often the fault has ended before `timeMs`, since 1970; for `churn`, whose devices are others each time. */
export function endedBefore(fault: Fault, deviceKey: number, timeMs: number): number {
  if (!findEpisode(fault, deviceKey, timeMs)) return 0;
  return Math.floor(timeMs / fault.everyMs) + (timeMs >= episode.toMs ? 1 : 0);
}

/** What a value fault makes of a value (in its own unit) in an episode that began at `fromMs`. */
export function distort({ kind, lastsMs, parameters }: Fault, value: number, timeMs: number, fromMs: number): number {
  const { size = 0, period = 1, factor = 1, offset = 0 } = parameters;
  switch (kind) {
    case 'spike':
      return value + size;
    case 'drift':
      return value + (size * (timeMs - fromMs)) / lastsMs;
    case 'pattern':
      return value + (Math.floor((2 * (timeMs - fromMs)) / period) % 2 === 0 ? size : -size);
    case 'unit_flip':
      return value * factor + offset;
    default:
      return value;
  }
}
