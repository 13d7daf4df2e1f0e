/**
 * Raw on demand, with real processes: the hub was sent what a deadband let pass; asked for, it brings every reading that came in at the agent, exactly, over a
 * link that breaks in the middle too, says what cannot be had, and nobody else's answers count.
 */
import { createHash } from 'node:crypto';
import { encodeAnswer, rawLimits } from '@fogline/shared/protocol/raw-query';
import { connectAsync } from 'mqtt';
import { expect, it } from 'vitest';
import { definitionOf, enrol, Peer } from '../bad-input/peer.ts';
import { openStage, type Stage } from '../support/stage.ts';
import { agentId, openSystem, type System } from '../support/system.ts';

const devices = ['d1', 'd2'];
const perMessage = 200;
const t0 = Date.UTC(2026, 0, 1);

interface Reading {
  readonly device: string;
  readonly time: number;
  readonly value: number;
}

interface DataBody {
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly columns: Record<string, number[]>;
  }[];
  readonly meta: {
    readonly edge?: readonly {
      readonly agent: string;
      readonly readings: number;
      readonly missing: readonly {
        readonly cause: string;
        readonly fromMs: number | null;
        readonly toMs: number | null;
      }[];
    }[];
  };
  readonly complete: boolean;
  readonly next: string | null;
}

async function openCalm(stage: Stage, buffer?: string): Promise<System> {
  return openSystem(stage, {
    parse: '{ json: { temperature: { field: temp } }, time: { field: ts, unit: ms } }',
    pipelines: '{ calm: { from: climate, deadband: { temperature: 50, heartbeat: 1d } } }',
    ...(buffer === undefined ? {} : { buffer }),
  });
}

/** So many readings a device, none of which lies far from the others, acked by the agent. */
async function produce({ mqttPort }: System, count: number, from = 0): Promise<Reading[]> {
  const sensor = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`);
  const all: Reading[] = [];
  for (let at = from; at < from + count; at += perMessage) {
    for (const [d, device] of devices.entries()) {
      const rows = Array.from({ length: Math.min(perMessage, from + count - at) }, (_, i) => {
        return { device, time: t0 + (at + i) * 100 + d, value: 20 + (((at + i) * 7919 + d * 31) % 1_000) / 997 };
      });
      all.push(...rows);
      const readings = rows.map(({ time, value }) => ({ ts: time, temp: value }));
      await sensor.publishAsync(`sensors/${device}/climate`, JSON.stringify(readings), { qos: 1 });
    }
  }
  await sensor.endAsync();
  return all;
}

async function ask({ hubUrl }: System, parameters: Readonly<Record<string, string>>): Promise<DataBody> {
  const response = await fetch(
    `${hubUrl}/api/v1/data?${String(new URLSearchParams({ match: 'temperature', ...parameters }))}`,
  );
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as DataBody;
}

/** All pages. */
async function fetchRaw(
  system: System,
  parameters: Readonly<Record<string, string>> = {},
): Promise<{ rows: Reading[]; pages: DataBody[] }> {
  const pages: DataBody[] = [];
  const rows: Reading[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const range = { from: String(t0), to: String(t0 + 86_400_000), source: 'edge' };
    const page: DataBody = await ask(system, { ...range, ...parameters, ...(cursor === '' ? {} : { cursor }) });
    for (const { labels, columns } of page.series) {
      const times = columns['time'] ?? [];
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      for (const [i, time] of times.entries())
        rows.push({ device: labels['device'] ?? '', time, value: columns['value']?.[i] ?? Number.NaN });
    }
    pages.push(page);
    cursor = page.next;
  }
  return { rows, pages };
}

const inOrder = (rows: readonly Reading[]): Reading[] =>
  rows.toSorted((a, b) => a.device.localeCompare(b.device) || a.time - b.time);

const causes = ({ pages }: { pages: readonly DataBody[] }): string[] =>
  pages.flatMap(({ meta }) => meta.edge?.flatMap(({ missing }) => missing.map(({ cause }) => cause)) ?? []);

async function untilKnown(stage: Stage, system: System): Promise<void> {
  await stage.until('the hub knows both series', 30_000, async () => {
    const { series } = await ask(system, { from: String(t0), to: String(t0 + 86_400_000) });
    return series.length === devices.length;
  });
}

it('every reading of the range comes, exactly, page by page, over a link that breaks in the middle', {
  timeout: 180_000,
}, async () => {
  const stage = openStage('raw');
  const system = await openCalm(stage);
  const produced = await produce(system, 12_000);
  await untilKnown(stage, system);
  const held = await ask(system, { from: String(t0), to: String(t0 + 86_400_000) });
  expect(held.series.flatMap(({ columns }) => columns['time'] ?? []).length).toBeLessThan(100);

  const whole = await fetchRaw(system);
  expect(inOrder(whole.rows)).toEqual(inOrder(produced));
  expect(whole.pages.length).toBeGreaterThan(1);
  // The range begins before the journal: what the agent wrote last year, if anything, is not there.
  expect(new Set(causes(whole))).toEqual(new Set(['not_held']));

  const [from, to] = [t0 + 123_456, t0 + 234_567];
  const part = await fetchRaw(system, {
    from: String(from),
    to: String(to),
    match: 'temperature{device="d2"}',
    limit: '500',
  });
  const wanted = produced.filter(({ device, time }) => device === 'd2' && time >= from && time < to);
  expect(inOrder(part.rows)).toEqual(inOrder(wanted));
  expect(part.pages.length).toBeGreaterThan(2);

  for (const bytes of [2_000, 40_000]) {
    const { cut } = system.link.stats();
    system.link.cutAfter('up', bytes, 'rst');
    expect(inOrder((await fetchRaw(system)).rows)).toEqual(inOrder(produced));
    expect(system.link.stats().cut).toBe(cut + 1);
  }

  await system.agent.kill();
  const away = await fetchRaw(system);
  expect([away.rows, causes(away), away.pages[0]?.complete]).toEqual([[], ['offline'], false]);
  await system.agent.start();
  await stage.until('the agent is asked again', 30_000, async () => {
    const again = await fetchRaw(system);
    return again.rows.length === produced.length;
  });
});

it('of a buffer that is too small comes what it still holds, and it is told when the rest was written', {
  timeout: 180_000,
}, async () => {
  const stage = openStage('raw-small');
  const system = await openSystem(stage, {
    parse: '{ json: { state: { type: text } }, time: { field: ts, unit: ms } }',
    pipelines: '{ calm: { from: climate, throttle: 1h } }',
    buffer: 'commit: prompt, limit: { size: 8MiB }',
  });
  const sensor = await connectAsync(`mqtt://127.0.0.1:${system.mqttPort}`);
  const count = 56_000;
  /** By event time: when it was sent and when it was acked. */
  const written = new Map<number, readonly [sentMs: number, ackedMs: number]>();
  // What does not compress fills a buffer sooner.
  const hash = (text: string): string => createHash('sha512').update(text).digest('base64');
  const stateAt = (at: number): string => `${hash(`a${at}`)}${hash(`b${at}`)}${hash(`c${at}`)}`.slice(0, 250);
  for (let at = 0; at < count; at += perMessage) {
    const times = Array.from({ length: perMessage }, (_, i) => at + i);
    const sentMs = Date.now();
    const readings = times.map((time) => ({ ts: t0 + time, state: stateAt(time) }));
    await sensor.publishAsync('sensors/d1/climate', JSON.stringify(readings), { qos: 1 });
    for (const time of times) written.set(t0 + time, [sentMs, Date.now()]);
  }
  await sensor.endAsync();
  await stage.until('the hub knows the series', 30_000, async () => {
    const range = { from: String(t0), to: String(t0 + 86_400_000) };
    return (await ask(system, { ...range, match: 'state' })).series.length > 0;
  });
  const { rows, pages } = await fetchRaw(system, { match: 'state', limit: '100000' });
  const spans = pages.flatMap(({ meta }) => meta.edge?.flatMap(({ missing }) => missing) ?? []);
  const came = new Set(rows.map(({ time }) => time));
  expect(came.size).toBe(rows.length);
  expect(rows.filter(({ time, value }) => String(value) !== stateAt(time - t0))).toEqual([]);
  const lost = [...written].filter(([time]) => !came.has(time));
  expect(lost.length).toBeGreaterThan(1_000);
  expect(rows.length).toBeGreaterThan(1_000);
  const isTold = ([sentMs, ackedMs]: readonly [number, number]): boolean =>
    spans.some(({ fromMs, toMs }) => ackedMs >= (fromMs ?? 0) && sentMs <= (toMs ?? Number.POSITIVE_INFINITY));
  expect(lost.filter(([, times]) => !isTold(times))).toEqual([]);
});

it('answers that nobody asked for are counted, close nothing but their own connection, and change no answer', {
  timeout: 120_000,
}, async () => {
  const stage = openStage('raw-hostile');
  const system = await openCalm(stage);
  const produced = await produce(system, 400);
  await untilKnown(stage, system);
  const token = await enrol(stage, system, 'rogue');
  const epoch = '00000000000000b1';
  const rogue = await Peer.connect(system.hubMqttPort, 'rogue', epoch, token);
  await rogue.hello();
  await rogue.define(0, [definitionOf('temperature')]);
  const answer = (agent: string, id: number): Uint8Array =>
    encodeAnswer({
      agent,
      id,
      page: 1,
      refused: undefined,
      next: undefined,
      missing: [],
      definitions: [],
      block: undefined,
    });
  for (let id = 0; id < 50; id++) await rogue.say('answer', answer('rogue', id));
  await rogue.say('answer', answer(agentId, 1));
  await rogue.say('answer', Uint8Array.of(1, 2, 3));
  await rogue.say('answer', new Uint8Array(rawLimits.answerBytesMax * 2));
  await expect(rogue.say('answer', answer(agentId, 1), agentId)).rejects.toThrow('the connection ended');
  const metrics = await (await fetch(`${system.hubUrl}/metrics`)).text();
  expect(metrics).toMatch(/fogline_hub_edge_answers_total\{outcome="unasked"\} 53\n/);
  const { rows, pages } = await fetchRaw(system, { match: `temperature{agent="${agentId}"}` });
  expect(inOrder(rows)).toEqual(inOrder(produced));
  expect(pages).toHaveLength(1);
});
