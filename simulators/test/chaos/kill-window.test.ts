/**
 * kill -9 of a real agent inside its windows, again and again, and once with another configuration at the next start: what reaches the hub is
 * what an undisturbed run gives (`fogline-agent test` on the same messages, the same core in virtual time), window by window.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { expect, it } from 'vitest';
import { loopback } from '../support/ports.ts';
import { withSeed } from '../support/seed.ts';
import { openStage, type Stage } from '../support/stage.ts';
import { openSystem, type System } from '../support/system.ts';

const thisFile = 'simulators/test/chaos/kill-window.test.ts';
const rounds = 8;
const readingsPerRound = 120;
const devices = 4;
const parse = '{ json: { temperature: { field: temp } }, time: { field: ts, unit: ms } }';
const stats = 'stats: { from: climate, window: { every: 2s, lateness: 1s, compute: [count, mean, min, max] } }';
const wide = (every: string): string =>
  `wide: { from: climate, window: { every: ${every}, lateness: 1s, compute: [count] } }`;

interface Bucket {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

const bucketMs = 10_000;

async function publish(
  { mqttPort }: System,
  messages: readonly (readonly [topic: string, payload: string])[],
): Promise<void> {
  const client = await connectAsync(`mqtt://${loopback}:${mqttPort}`, { reconnectPeriod: 0 });
  await Promise.all(messages.map(([topic, payload]) => client.publishAsync(topic, payload, { qos: 1 })));
  await client.endAsync();
}

/** Count, sum, min and max by device and 10 s, of a stream at the hub. */
async function bucketsAtHub(
  { hubUrl }: System,
  stream: string,
  from: number,
  to: number,
): Promise<Map<string, Bucket>> {
  const query = new URLSearchParams({
    match: `{stream="${stream}"}`,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    every: '10s',
    agg: 'count,sum,min,max',
  });
  const response = await fetch(`${hubUrl}/api/v1/data?${query.toString()}`);
  const body = (await response.json()) as {
    readonly series?: readonly {
      readonly labels: Readonly<Record<string, string>>;
      readonly columns: Readonly<Record<'time' | 'count' | 'sum' | 'min' | 'max', readonly (number | null)[]>>;
    }[];
  };
  const buckets = new Map<string, Bucket>();
  for (const { labels, columns } of body.series ?? []) {
    columns.time.forEach((time, at) => {
      const count = columns.count[at] ?? 0;
      if (count === 0) return;
      const [sum, min, max] = [columns.sum[at] ?? 0, columns.min[at] ?? 0, columns.max[at] ?? 0];
      buckets.set(`${labels['device']} ${Number(time)}`, { count, sum, min, max });
    });
  }
  return buckets;
}

/** What stays on the agent, such as the raw readings here, must not be among them. */
async function streamsAtHub({ hubUrl }: System): Promise<string[]> {
  const response = await fetch(`${hubUrl}/api/v1/series`);
  const { series } = (await response.json()) as { series: { labels: { stream: string } }[] };
  return [...new Set(series.map(({ labels }) => labels.stream))].sort();
}

/** The same of what an undisturbed run prints: windows and deltas, merged. */
async function bucketsUndisturbed(stage: Stage, config: string, recording: string): Promise<Map<string, Bucket>> {
  const script = 'exec "$0" "$@" < "$RECORDING"';
  const agent = new URL('../../../edge-agent/src/cli.ts', import.meta.url).pathname;
  const { out, error, code } = await stage.execute('/bin/bash', [
    '-c',
    `RECORDING='${recording}'; ${script}`,
    process.execPath,
    agent,
    'test',
    config,
  ]);
  expect([code, error.replace(/^warning: .*\n/gm, '')]).toEqual([0, '']);
  const buckets = new Map<string, Bucket>();
  for (const line of out.trimEnd().split('\n')) {
    const window = JSON.parse(line) as Record<string, string & number>;
    if (window['kind'] !== 'window' || window['stream'] !== 'stats') continue;
    const { device = '', start = '', count = 0, mean = 0, min = 0, max = 0 } = window;
    const key = `${device} ${Math.floor(Date.parse(start) / bucketMs) * bucketMs}`;
    const known = buckets.get(key) ?? { count: 0, sum: 0, min: Infinity, max: -Infinity };
    buckets.set(key, {
      count: known.count + count,
      sum: known.sum + count * mean,
      min: Math.min(known.min, min),
      max: Math.max(known.max, max),
    });
  }
  return buckets;
}

it(
  'kill -9 inside windows, and a change of configuration: the windows are those of an undisturbed run',
  { timeout: 300_000 },
  () =>
    withSeed(thisFile, 1, async ({ random }) => {
      const stage = openStage('kill-window');
      const system = await openSystem(stage, { parse, pipelines: `{ ${stats}, ${wide('2s')} }` });
      const start = Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000;
      const recorded: string[] = [];
      let at = start;
      for (let round = 0; round < rounds; round++) {
        const messages = Array.from({ length: readingsPerRound }, (_, n) => {
          at += 20 + random.below(60);
          const [device, temp] = [`dev-${n % devices}`, random.below(400) / 8];
          const [topic, payload] = [`sensors/${device}/climate`, `{"ts":${at},"temp":${temp}}`] as const;
          // As it arrives: in order, with the time that the payload tells.
          recorded.push(`${topic} ${payload}`);
          return [topic, payload] as const;
        });
        await publish(system, messages);
        await sleep(random.below(300));
        // Every device is inside a window: its last reading is newer than the watermark.
        await system.agent.kill();
        if (round === rounds / 2) {
          const text = readFileSync(system.agentConfig, 'utf8');
          const changed = text.replace(
            wide('2s'),
            `${wide('5s')}, live: { from: climate, deadband: { temperature: 5 } }`,
          );
          expect(changed).not.toBe(text);
          writeFileSync(system.agentConfig, changed);
        }
        await system.agent.start();
      }
      const recording = stage.path('recording.txt');
      writeFileSync(recording, `${recorded.join('\n')}\n`);
      const expected = await bucketsUndisturbed(stage, system.agentConfig, recording);
      const total = rounds * readingsPerRound;
      const countOf = (buckets: ReadonlyMap<string, Bucket>): number =>
        [...buckets.values()].reduce((sum, { count }) => sum + count, 0);
      expect(countOf(expected)).toBe(total);
      const end = Math.ceil(at / 60_000) * 60_000;
      for (const stream of ['stats', 'wide']) {
        await stage.until(
          `every reading is in a window of ${stream}`,
          60_000,
          async () => countOf(await bucketsAtHub(system, stream, start, end)) >= total,
        );
      }
      expect(countOf(await bucketsAtHub(system, 'wide', start, end))).toBe(total);
      expect(await streamsAtHub(system)).toEqual(['live', 'stats', 'wide']);
      const found = await bucketsAtHub(system, 'stats', start, end);
      expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [key, { count, sum, min, max }] of expected) {
        expect(found.get(key), key).toEqual({ count, sum: expect.closeTo(sum, 6) as number, min, max });
      }
    }),
);
