/**
 * One real agent and one real hub for many cases of bad input, and what must hold after each: both processes live, their memory is
 * bounded, a good reading still arrives at the hub exactly once, and so has every reading that was acked before.
 */
import { readFileSync } from 'node:fs';
import { publishFrame, WireClient, type WireFrame } from '@fogline/shared/broker/testing/wire-client';
import { expect } from 'vitest';
import { openHubReader } from '../../src/verify/hub-reader.ts';
import type { Service } from '../support/service.ts';
import { Stage } from '../support/stage.ts';
import { openSystem, type System } from '../support/system.ts';

export interface Ceiling {
  readonly agent: number;
  readonly hub: number;
}

/** Resident memory that no case may drive a process beyond, and what the most series that a source may have may cost. */
export const residentMaxMiB = { usual: { agent: 256, hub: 512 }, mostSeries: { agent: 640, hub: 640 } } as const;
/** How long something that has to happen may take on a busy machine. */
export const patienceMs = 30_000;

const mebibyte = 1024 * 1024;
/** MQTT packet types. */
export const packet = { connack: 2, publish: 3, puback: 4, pubrec: 5, suback: 9 } as const;

export interface Rig {
  readonly stage: Stage;
  readonly system: System;
  /** Publishes on `sensors/{device}/climate` at QoS 1 and waits for the ack. */
  readonly sensor: Sensor;
  /** A counter of /metrics; 0 when it is not there. */
  count(of: 'agent' | 'hub', name: string, label: string): Promise<number>;
  /** Runs `work` and waits until the counter stands exactly `by` higher. */
  expectCounted(of: 'agent' | 'hub', name: string, label: string, by: number, work: () => Promise<void>): Promise<void>;
  /** Readings at the hub of one device, in order of time. */
  atHub(device: string, metric?: string): Promise<readonly (readonly [time: number, value: number])[]>;
  expectSound(ceiling?: Ceiling): Promise<void>;
  close(): Promise<void>;
}

/** `more`: YAML lines of a source beside `climate`, and of its pipeline. */
export async function openRig(
  name: string,
  more?: { readonly source: string; readonly pipeline: string },
): Promise<Rig> {
  const stage = new Stage(name);
  const system = await openSystem(stage, {
    parse: '{ json: { temperature: { field: temp, unit: "°C" } }, time: { field: ts, unit: ms } }',
    pipelines: `
  live: { from: climate, send: { to: hub, priority: normal } }
  stats: { from: climate, window: { every: 10s, compute: [mean, p95] }, send: { to: hub, priority: high } }
${more?.pipeline ?? ''}`,
    ...(more === undefined ? {} : { moreSources: more.source }),
  });
  const sensor = new Sensor(system.mqttPort);
  const acked: (readonly [number, number])[] = [];
  const rig: Omit<Rig, 'expectCounted'> = {
    stage,
    system,
    sensor,
    async count(of, metric, label) {
      const response = await fetch(`${of === 'agent' ? system.agentUrl : system.hubUrl}/metrics`);
      return counterIn(await response.text(), metric, label);
    },
    async atHub(device, metric = 'temperature') {
      const reader = openHubReader({ url: system.hubUrl });
      const found = (await reader.listSeries()).filter(
        (series) => series.device === device && series.metric === metric && series.stream === 'live',
      );
      const range = { fromMs: 0, toMs: 4_102_444_800_000 };
      const held = found.length === 0 ? [] : [...(await reader.readings(found, range, new Map())).values()];
      return held.flatMap(({ all }) => [...all.time].map((time, row) => [time, all.value[row] ?? Number.NaN] as const));
    },
    async expectSound(ceiling = residentMaxMiB.usual) {
      stage.check();
      const reading = [Date.now(), acked.length] as const;
      await sensor.publish('good', JSON.stringify({ ts: reading[0], temp: reading[1] }));
      acked.push(reading);
      await stage.until('what was acked is at the hub', patienceMs, async () => {
        const found = await rig.atHub('good');
        return found.length >= acked.length;
      });
      expect(await rig.atHub('good')).toEqual(acked);
      expect(residentMiB(system.agent)).toBeLessThan(ceiling.agent);
      expect(residentMiB(system.hub)).toBeLessThan(ceiling.hub);
      stage.check();
    },
    async close() {
      sensor.close();
      await stage.close();
    },
  };
  return Object.assign(rig, {
    async expectCounted(of: 'agent' | 'hub', metric: string, label: string, by: number, work: () => Promise<void>) {
      const before = await rig.count(of, metric, label);
      await work();
      await stage.until(
        `${metric} ${label} is counted`,
        patienceMs,
        async () => (await rig.count(of, metric, label)) >= before + by,
      );
      expect(await rig.count(of, metric, label)).toBe(before + by);
    },
  });
}

/** VmRSS. */
function residentMiB({ pid }: Service): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return (Number(kib) * 1024) / mebibyte;
}

function counterIn(text: string, metric: string, label: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`fogline_${metric}{`) && each.includes(`="${label}"`));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
}

/** A well-behaved client of the agent that connects again when it has to. */
export class Sensor {
  readonly #port: number;
  #client: WireClient | undefined;
  #id = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async publish(device: string, payload: string | Buffer, topic = `sensors/${device}/climate`): Promise<void> {
    this.#client ??= await WireClient.connect(this.#port, { clientId: 'sensor' });
    this.#id = (this.#id % 65_535) + 1;
    this.#client.send(publishFrame(topic, payload, { qos: 1, id: this.#id }));
    await ackOf(this.#client, this.#id);
  }

  close(): void {
    this.#client?.destroy();
    this.#client = undefined;
  }
}

/** Takes frames up to the ack of a publish. Throws when the connection ends before. */
export async function ackOf(client: WireClient, id: number): Promise<void> {
  for (;;) {
    const frame = await client.next();
    if (frame === undefined) throw new Error(`the connection ended before publish ${id} was acked`);
    if (isAckOf(frame, id)) return;
  }
}

function isAckOf({ type, body }: WireFrame, id: number): boolean {
  return (type === packet.puback || type === packet.pubrec) && body.readUInt16BE(0) === id;
}

/** Sends bytes on a connection of their own, closes this end, waits for the other; returns the types of the frames that came. */
export async function sendAndEnd(port: number, bytes: Uint8Array): Promise<number[]> {
  const client = await WireClient.open(port);
  client.socket.end(bytes);
  return framesUntilEnd(client);
}

export async function framesUntilEnd(client: WireClient): Promise<number[]> {
  const types: number[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) types.push(frame.type);
  await client.closed;
  return types;
}
