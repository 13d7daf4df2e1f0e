/**
 * One session of an agent with the hub, cut after one byte: recorded once uncut, then run again for every byte, on fresh databases and
 * from the same seed. Whatever was cut, in the end the hub must hold what it holds of the uncut session, byte for byte.
 */
import { levels } from '@fogline/cloud-hub/store/levels';
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import { checkAll } from '../simulation/checks.ts';
import { heal } from '../simulation/schedule.ts';
import { simSource } from '../simulation/sensors.ts';
import { World } from '../simulation/world.ts';
import { ByteLink, type CutPoint, type Direction } from './byte-link.ts';

export interface SessionOptions {
  /** Messages of one to six readings each. */
  readonly messages: number;
  readonly devices: number;
}

export interface Session {
  readonly bytes: Readonly<Record<Direction, number>>;
  readonly connections: number;
  readonly pubackEnds: readonly number[];
  /** Of every roll-up at the hub, by series, level and start. */
  readonly rollups: ReadonlyMap<string, string>;
}

const config = (agent: string): CoreConfig => ({
  agent,
  software: 'every byte',
  sources: [simSource],
  alarms: [],
  pipelines: [
    { name: 'live', from: simSource, lane: 2 },
    { name: 'calm', from: simSource, deadband: { thresholds: { temperature: 0.2 }, heartbeatMs: 60_000 }, lane: 3 },
    { name: 'stats', from: simSource, window: { everyMs: 10_000, latenessMs: 2000, hasSketch: true }, lane: 1 },
  ],
  buffer: {
    commit: 'prompt',
    flashBytesPerDay: 2 ** 30,
    sizeBytesMax: 2 ** 30,
    ageMsMax: 7 * 86_400_000,
    whenFull: { alarm: 'keep', high: 'drop_oldest', normal: 'drop_oldest', low: 'drop_oldest' },
  },
  uplink: { token: 'a-token', window: 4, lingerMs: 500 },
});

const seed = 1;

/** Throws `CheckFailed` when a promise is broken. */
export function runSession({ messages, devices }: SessionOptions, cutAt?: CutPoint): Session {
  let link: ByteLink | undefined;
  const world = new World(seed, {
    agents: 1,
    devices,
    config,
    link: (agent, hub, ports) => (link = new ByteLink(agent, hub, ports, cutAt)),
  });
  try {
    const [agent] = world.agents;
    for (let message = 0; message < messages; message++) {
      // The first ones before the session, so that it begins with a backlog.
      agent?.send();
      world.clock.advance(message < 3 ? 0 : 700);
    }
    heal(world);
    checkAll(world, { isLossAllowed: false });
    if (link === undefined) throw new Error('the agent has no link');
    const { bytes, connections, pubackEnds } = link;
    return { bytes: { ...bytes }, connections, pubackEnds, rollups: rollupsOf(world) };
  } finally {
    world.close();
  }
}

function rollupsOf(world: World): Map<string, string> {
  const found = new Map<string, string>();
  const read = world.hub?.read;
  for (const series of read?.listSeries({}) ?? []) {
    for (const level of levels) {
      for (const row of read?.rollups(series.id, level, 0, Number.MAX_SAFE_INTEGER) ?? []) {
        const key = `${series.stream}|${series.device}|${level}|${row.startMs}`;
        found.set(key, Buffer.from(row.partial).toString('hex'));
      }
    }
  }
  return found;
}

/** What the cut session has otherwise than the uncut one; empty when nothing. */
export function differences(whole: Session, cut: Session): string[] {
  const keys = new Set([...whole.rollups.keys(), ...cut.rollups.keys()]);
  return [...keys].filter((key) => whole.rollups.get(key) !== cut.rollups.get(key));
}
