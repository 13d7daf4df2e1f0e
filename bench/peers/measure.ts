/** One run of one system: started on loopback in a folder of its own, loaded, waited for, counted, stopped. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { systemClock } from '@fogline/shared/clock';
import { type Link, openLink } from '@fogline/simulators/faults/link';
import type { Publishing } from '../kit/load.ts';
import { differenceOf } from '../kit/process-stats.ts';
import { pause } from '../kit/running.ts';
import type { PublishResult } from '../load/publisher-process.ts';
import type { Door, System, SystemKind } from './system.ts';

/** Without progress. */
const patienceMs = 30_000;
const quietSampleMs = 500;
const quietMsMax = 20_000;
/** Of a core, edge and hub together: what is left when nothing is done for readings any more. */
const quietShare = 0.06;

export interface Result {
  readonly source: string;
  readonly readings: number;
  /** Planted. */
  readonly astray: number;
  readonly figures: Readonly<Record<FigureName, number>>;
}

export const figureUnits = {
  'sent and stored at the hub': 'readings/s',
  'acked by the edge': 'readings/s',
  'CPU edge': 'CPU-s/M',
  'CPU hub': 'CPU-s/M',
  'CPU edge and hub': 'CPU-s/M',
  'CPU hub, every series queried once': 'CPU-s/M',
  'link, both ways': 'B/reading',
  'disk edge': 'B/reading',
  'disk hub': 'B/reading',
  'RSS edge, peak': 'MB',
  'RSS hub, peak': 'MB',
  'message → ack p50': 'ms',
  'message → ack p99': 'ms',
  lost: 'readings',
  double: 'readings',
} as const;

export type FigureName = keyof typeof figureUnits;

/** Starts a system behind a link, lets `use` work with it, and removes everything. */
export async function withSystem<T>(
  kind: SystemKind,
  door: Door,
  profile: string | undefined,
  use: (system: System, link: Link) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-peer-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  process.once('exit', remove);
  let link: Link | undefined;
  let system: System | undefined;
  try {
    system = await kind.start({
      folder,
      profile,
      door,
      async link(hubPort) {
        const at = { host: '127.0.0.1', port: 0 };
        link = await openLink({ listen: at, to: { ...at, port: hubPort }, clock: systemClock });
        return link.port;
      },
    });
    if (link === undefined) throw new Error(`${kind.title} has no link`);
    return await use(system, link);
  } finally {
    await system?.close();
    await link?.close();
    remove();
    process.off('exit', remove);
  }
}

/** `warmUp` runs before anything is measured, with devices of its own; it is counted in what is lost or double. */
export async function measure(
  system: System,
  link: Link,
  warmUp: () => Promise<Publishing>,
  connect: () => Promise<Publishing>,
): Promise<Result> {
  await untilQuiet(system);
  const warmed = await (await warmUp()).start();
  await untilArrived(system, warmed.sent);
  await untilQuiet(system);
  const publishing = await connect();
  const before = { ...system.usage(), link: bytesOf(link) };
  const startedMs = performance.now();
  const result = await publishing.start();
  await untilArrived(system, warmed.sent + result.sent - result.astray);
  const seconds = (performance.now() - startedMs) / 1000;
  await untilQuiet(system);
  const after = { ...system.usage(), link: bytesOf(link) };
  await system.queryEach?.();
  const queried = system.usage();
  const perReading = (total: number): number => total / result.sent;
  const edge = differenceOf(before.edge, after.edge);
  const hub = differenceOf(before.hub, after.hub);
  const queriedHub = differenceOf(before.hub, queried.hub);
  return {
    source: result.source,
    readings: result.sent,
    astray: result.astray,
    figures: {
      'sent and stored at the hub': result.sent / seconds,
      'acked by the edge': result.sent / result.seconds,
      'CPU edge': perReading(edge.cpuSeconds) * 1e6,
      'CPU hub': perReading(hub.cpuSeconds) * 1e6,
      'CPU edge and hub': perReading(edge.cpuSeconds + hub.cpuSeconds) * 1e6,
      'CPU hub, every series queried once': perReading(queriedHub.cpuSeconds) * 1e6,
      'link, both ways': perReading(after.link - before.link),
      'disk edge': perReading(edge.writtenBytes),
      'disk hub': perReading(hub.writtenBytes),
      'RSS edge, peak': after.edge.peakRssBytes / 1e6,
      'RSS hub, peak': after.hub.peakRssBytes / 1e6,
      'message → ack p50': result.ackP50Ms,
      'message → ack p99': result.ackP99Ms,
      ...(await countOf(system, warmed, result)),
    },
  };
}

/** Throws when nothing is lost or double and yet the values are others than those that were sent. */
export async function countOf(
  system: System,
  ...results: readonly PublishResult[]
): Promise<{ readonly lost: number; readonly double: number }> {
  const stored = await system.stored();
  const sent = results.reduce((sum, result) => sum + result.sent, 0);
  const sumHundredths = results.reduce((sum, result) => sum + result.sumHundredths, 0);
  const lost = sent - stored.distinct;
  const double = stored.rows - stored.distinct;
  if (lost === 0 && double === 0 && stored.sumHundredths !== sumHundredths) {
    throw new Error(`the sum of what is stored is ${stored.sumHundredths / 100}, sent were ${sumHundredths / 100}`);
  }
  return { lost, double };
}

/** Until so many are at the hub, or nothing more comes. */
export async function untilArrived(system: System, readings: number): Promise<void> {
  let last = -1;
  let changedMs = performance.now();
  for (;;) {
    const arrived = await system.arrived();
    if (arrived >= readings) return;
    if (arrived > last) {
      last = arrived;
      changedMs = performance.now();
    }
    if (performance.now() - changedMs > patienceMs) return;
    await pause(20);
  }
}

/** Flushes and compactions belong to the readings they are made of. */
export async function untilQuiet(system: System): Promise<void> {
  const deadlineMs = performance.now() + quietMsMax;
  const cpuSeconds = (): number => {
    const { edge, hub } = system.usage();
    return edge.cpuSeconds + hub.cpuSeconds;
  };
  for (let quiet = 0, last = cpuSeconds(); quiet < 2 && performance.now() < deadlineMs; ) {
    await pause(quietSampleMs);
    const now = cpuSeconds();
    quiet = (now - last) * 1000 <= quietShare * quietSampleMs ? quiet + 1 : 0;
    last = now;
  }
}

function bytesOf(link: Link): number {
  const { bytesUp, bytesDown } = link.stats();
  return bytesUp + bytesDown;
}
