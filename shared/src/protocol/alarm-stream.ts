/** How an agent tells of its alarms: each transition is a text reading of one stream, on the lane alarm (docs/alarms.md). */
import type { Lane } from './limits.ts';

export const alarmStream = 'alarms';
export const alarmLane: Lane = 0;

export const transitionWords = [
  'active',
  'cleared',
  'stale',
  'acknowledged',
  'confirmed',
  'unconfirmed',
  'expired',
  'dropped',
  'ended',
] as const;
export type TransitionWord = (typeof transitionWords)[number];
