/** Twenty seconds without an uplink, under load: what was open goes silent and stays so, no side is told, nothing else gets through. */
import { performance } from 'node:perf_hooks';
import type { Link } from '@fogline/simulators/faults/link';
import type { Publishing } from '../kit/load.ts';
import { pause } from '../kit/running.ts';
import type { PublishResult } from '../load/publisher-process.ts';
import { countOf, untilArrived, untilQuiet } from './measure.ts';
import type { System } from './system.ts';

export const outageRate = 2_000;
const beforeMs = 4_000;
const outageMs = 20_000;
const afterMs = 16_000;
export const outageSeconds = (beforeMs + outageMs + afterMs) / 1000;
/** Caught up: the hub is not further behind than this. */
const behindMsMax = 1_000;
const catchUpMsMax = 60_000;

export interface Outage {
  readonly result: PublishResult;
  readonly lost: number;
  readonly double: number;
  /** Readings that the hub lacked when the outage ended. */
  readonly heldBack: number;
  /** From the end of the outage; NaN when the hub stayed behind. */
  readonly catchUpSeconds: number;
}

export async function outage(system: System, link: Link, publishing: Publishing): Promise<Outage> {
  const startedMs = performance.now();
  const isDone = publishing.start();
  await pause(beforeMs);
  link.halfOpen();
  link.stall(outageMs);
  await pause(outageMs - 200);
  const sentMs = performance.now() - startedMs;
  const heldBack = (sentMs * outageRate) / 1000 - (await system.arrived());
  if (heldBack < (outageMs * outageRate) / 2000) throw new Error('readings reach the hub by another way than the link');
  await pause(200);
  const catchUpSeconds = await catchUp(system, startedMs, performance.now());
  const result = await isDone;
  await untilArrived(system, result.sent - result.astray);
  await untilQuiet(system);
  return { result, heldBack, catchUpSeconds, ...(await countOf(system, result)) };
}

async function catchUp(system: System, startedMs: number, endedMs: number): Promise<number> {
  for (;;) {
    const nowMs = performance.now();
    const behindMs = Math.min(nowMs - startedMs, outageSeconds * 1000) - ((await system.arrived()) * 1000) / outageRate;
    if (behindMs <= behindMsMax) return (nowMs - endedMs) / 1000;
    if (nowMs - endedMs > catchUpMsMax) return Number.NaN;
    await pause(20);
  }
}
