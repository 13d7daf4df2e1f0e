import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWorld } from '@fogline/shared/broker/testing/broker-world';
import { afterEach, expect, it } from 'vitest';
import { readTruth } from '../verify/truth.ts';
import { fleetCommand } from './fleet-cli.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function file(name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-fleet-cli-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

async function run(...argv: string[]) {
  const out: string[] = [];
  const io = { env: {}, out: (line: string) => void out.push(line), err: () => {} };
  const code = await fleetCommand.execute(argv, io);
  return { code, out };
}

async function broker() {
  const world = await openWorld();
  closers.push(() => world.broker.close());
  return { world, url: `mqtt://127.0.0.1:${world.broker.port}` };
}

const yaml = `version: 1
start: 2026-01-01T00:00:00Z
duration: 10s
speed: 0
truth: ./truth.ndjson
devices:
  dev:
    count: 6
    metrics: { temperature: { like: temperature }, mode: { states: { idle: 2s, busy: 3s } } }
`;

it('runs a file to its end, and writes down what was sent and acked', async () => {
  const { world, url } = await broker();
  const path = file('fleet.yaml', yaml);
  const { code, out } = await run(path, '--mqtt', url);
  expect(code).toBe(0);
  expect(out.at(-1)).toMatch(/^60 messages sent, 60 settled, 0 not, 0 sent again, 0 connections lost; /);
  expect(world.received).toHaveLength(60);
  const { series, ackMs } = readTruth([join(path, '../truth.ndjson')]);
  expect(series).toHaveLength(12);
  expect(series.every(({ acked }) => acked.length === 10 && acked.every((flag) => flag === 1))).toBe(true);
  expect(series[1]).toMatchObject({ metric: 'mode', texts: expect.arrayContaining(['idle', 'busy']) as string[] });
  expect(ackMs.count).toBe(60);
});

it('decides the exit code by what is expected, and says so in a table', async () => {
  const { url } = await broker();
  const path = file('fleet.yaml', `${yaml}expect: { acked: 100%, rate: 1000000000, reconnects: 0 }\n`);
  const { code, out } = await run(path, '--mqtt', url);
  expect(code).toBe(1);
  expect(out.slice(-4)).toEqual([
    expect.stringMatching(/^expected +wanted +got$/) as string,
    expect.stringMatching(/^acked +≥ 100% +100% +ok$/) as string,
    expect.stringMatching(/^rate +≥ 1000000000\/s +\d+\/s +FAILED$/) as string,
    expect.stringMatching(/^reconnects +≤ 0 +0 +ok$/) as string,
  ]);
  const json = await run(path, '--mqtt', url, '--json', '--seed', '9');
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out.at(-1) ?? '')).toMatchObject({ sent: 60, isMet: false });
});

it('makes a fleet of options as well, the same one as the file would', async () => {
  const { world, url } = await broker();
  const common = ['--mqtt', url, '--start', '2026-01-01T00:00:00Z', '--duration', '3s', '--speed', '0'];
  const options = ['--devices', '2', '--metrics', 'temperature', '--interval', '500ms', '--qos', '0', '--seed', '5'];
  expect((await run(...common, ...options)).code).toBe(0);
  await world.receivedAtLeast(12);
  const type = 'dev: { count: 2, interval: 500ms, qos: 0, metrics: { temperature: { like: temperature } } }';
  const path = file('same.yaml', `version: 1\nseed: 5\ndevices:\n  ${type}\n`);
  expect((await run(path, ...common)).code).toBe(0);
  await world.receivedAtLeast(24);
  const texts = world.received.map(({ topic, payload }) => `${topic} ${payload.toString()}`);
  expect(texts.slice(12).toSorted()).toEqual(texts.slice(0, 12).toSorted());
});

it.each([
  [['--metrics', 'temprature'], /unknown metric "temprature": known are temperature, humidity/],
  [['--topic', 'a/b'], /^topic: must contain \{device\}$/],
  [['--id', 'room'], /^id: contains \{n\}/],
  [['--devices', '0'], /^count: 0 must be at least 1$/],
  [['--seed', '4294967296'], /--seed: seed: 4294967296 must be at most 4294967295/],
  [['--speed', 'fast'], /--speed: "fast" is not a factor/],
  [['--start', 'now'], /"now" is not a time/],
  [['--mqtt', 'localhost'], /is not an MQTT address/],
] as const)('refuses the options %j in their own words', async (argv, message) => {
  await expect(run(...argv)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(message) as string,
  });
});

it('takes types of devices from the file alone, and names what is wrong there with its place', async () => {
  const path = file('fleet.yaml', yaml);
  await expect(run(path, '--devices', '3')).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/^--devices: types of devices/) as string,
  });
  writeFileSync(path, yaml.replace('count', 'cuont'));
  await expect(run(path)).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringMatching(/fleet\.yaml:8:5: devices\.dev\.cuont: unknown key/) as string,
  });
  expect(readFileSync(path, 'utf8')).toContain('cuont');
});
