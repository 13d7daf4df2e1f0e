/** Stock MQTT clients at a real agent: what they publish is at the hub once, and they see the broker that they expect. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openRig, patienceMs, type Rig } from './rig.ts';

const python = '/usr/bin/python3';
const hasMosquitto = spawnSync('mosquitto_pub', ['--help']).error === undefined;
const hasPaho = spawnSync(python, ['-c', 'import paho.mqtt.client']).status === 0;
const now = Date.now();

let rig: Rig;
const children: ChildProcess[] = [];

beforeAll(async () => {
  rig = await openRig('stock');
});

afterEach(() => rig.expectSound());

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rig.close();
});

interface Started {
  readonly child: ChildProcess;
  /** Its standard output when it ends. Throws when that is not with exit code 0. */
  readonly ended: Promise<string>;
  /** Resolves when it has printed this; mosquitto_sub -d says when its subscription stands. */
  readonly printed: (text: string) => Promise<void>;
}

function start(command: string, args: readonly string[], input = ''): Started {
  const child = spawn(command, args);
  children.push(child);
  let [out, error] = ['', ''];
  child.stderr.on('data', (chunk) => {
    error += String(chunk);
  });
  const waiting: { text: string; resolve: () => void }[] = [];
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
    for (const { text, resolve } of waiting) if (out.includes(text)) resolve();
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const ended = new Promise<string>((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${command} ended (${signal ?? code}): ${error}`));
    });
  });
  ended.catch(() => undefined);
  const printed = (text: string): Promise<void> =>
    out.includes(text) ? Promise.resolve() : new Promise((resolve) => waiting.push({ text, resolve }));
  return { child, ended, printed };
}

const line = (value: number): string => JSON.stringify({ ts: now + value, temp: value });
const numbered = (from: number, count: number): readonly (readonly [number, number])[] =>
  Array.from({ length: count }, (_, n) => [now + from + n, from + n] as const);

async function expectAtHub(device: string, readings: readonly (readonly [number, number])[]): Promise<void> {
  await rig.stage.until(
    `the readings of ${device} are at the hub`,
    patienceMs,
    async () => (await rig.atHub(device)).length >= readings.length,
  );
  expect(await rig.atHub(device)).toEqual(readings);
}

describe.skipIf(!hasMosquitto)('mosquitto_pub and mosquitto_sub (Debian package mosquitto-clients)', () => {
  const publish = (device: string, args: readonly string[], input = ''): Promise<string> =>
    start('mosquitto_pub', ['-p', `${rig.system.mqttPort}`, '-t', `sensors/${device}/climate`, ...args], input).ended;
  /** Line by line: into a pipe it would write nothing before it ends. */
  const subscribe = (args: readonly string[]): Started =>
    start('stdbuf', ['-oL', 'mosquitto_sub', '-p', `${rig.system.mqttPort}`, ...args]);

  it.each(['0', '1', '2'])('300 readings at QoS %s, a line each', async (qos) => {
    await publish(
      `mosquitto-${qos}`,
      ['-q', qos, '-l'],
      `${numbered(0, 300)
        .map(([, value]) => line(value))
        .join('\n')}\n`,
    );
    await expectAtHub(`mosquitto-${qos}`, numbered(0, 300));
  });

  it('sent twice with the same source time, a reading counts once', async () => {
    for (let times = 0; times < 3; times++) await publish('again', ['-q', '1', '-m', line(1)]);
    await expectAtHub('again', numbered(1, 1));
  });

  it('a subscriber sees readings as they were published; a late one the retained', async () => {
    const early = subscribe(['-d', '-t', 'sensors/shown/+', '-q', '2', '-C', '1', '-F', 'got %p %r']);
    await early.printed('Subscribed');
    await publish('shown', ['-q', '2', '-r', '-m', line(5)]);
    expect(await early.ended).toContain(`got ${line(5)} 0`);
    expect(await subscribe(['-t', 'sensors/shown/+', '-C', '1', '-F', '%p %r']).ended).toBe(`${line(5)} 1\n`);
    await expectAtHub('shown', numbered(5, 1));
  });

  it('a persistent session gets what came while it was away, a clean one does not', async () => {
    const session = ['-i', 'mosquitto-sleeper', '-c', '-t', 'sensors/sleep/+', '-q', '1'];
    const awake = subscribe(['-d', ...session]);
    await awake.printed('Subscribed');
    awake.child.kill('SIGKILL');
    await awake.ended.catch(() => undefined);
    await publish('sleep', ['-q', '1', '-l'], `${line(1)}\n${line(2)}\n`);
    expect(await subscribe([...session, '-C', '2']).ended).toBe(`${line(1)}\n${line(2)}\n`);
    const clean = subscribe([
      '-d',
      '-i',
      'mosquitto-sleeper',
      '-t',
      'sensors/sleep/+',
      '-q',
      '1',
      '-C',
      '1',
      '-F',
      'got %p',
    ]);
    await clean.printed('Subscribed');
    await publish('sleep', ['-q', '1', '-m', line(3)]);
    expect((await clean.ended).split('\n').filter((text) => text.startsWith('got'))).toEqual([`got ${line(3)}`]);
    await expectAtHub('sleep', numbered(1, 3));
  });

  it('the will of a client that was killed is a reading', async () => {
    const mortal = subscribe([
      '-d',
      '-t',
      'x',
      '--will-topic',
      'sensors/will/climate',
      '--will-payload',
      line(9),
      '--will-qos',
      '1',
    ]);
    await mortal.printed('Subscribed');
    mortal.child.kill('SIGKILL');
    await expectAtHub('will', numbered(9, 1));
  });

  it('MQTT 5 is refused, and said so', async () => {
    await expect(publish('five', ['-V', '5', '-m', line(1)])).rejects.toThrow(/protocol/i);
    expect(await rig.atHub('five')).toEqual([]);
  });
});

describe.skipIf(!hasPaho)('paho-mqtt (Debian package python3-paho-mqtt)', () => {
  const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

  it.each([
    [0, 'clean'],
    [1, 'persistent'],
    [2, 'persistent'],
    [1, 'clean'],
  ])('500 readings at QoS %i in a %s session, the connection lost in the middle: each once', async (qos, session) => {
    const device = `paho-${qos}-${session}`;
    const out = await start(python, [
      script('paho-readings.py'),
      `${rig.system.mqttPort}`,
      device,
      `${qos}`,
      '500',
      session,
    ]).ended;
    const base = Number(out);
    await expectAtHub(
      device,
      Array.from({ length: 500 }, (_, n) => [base + n, n] as const),
    );
  });

  it('retained, wills, offline queues, 2,000 in flight, keepalive, a refused 10 MB payload', async () => {
    const client = script('../../../shared/src/broker/testing/paho-client.py');
    const seen = JSON.parse(await start(python, [client, `${rig.system.mqttPort}`]).ended) as Record<string, unknown>;
    expect(seen).toMatchObject({
      will: { messages: [['will', 'gone', 2, 0]] },
      offline: { session: [[[0, 0]], [[0, 1]], [[0, 0]]] },
      in_flight: { acked: 2_000, inOrder: true },
      exactly_once: { messages: 300, distinct: 300 },
      keepalive: { lost: false },
      oversized: { disconnected: true },
    });
  });
});
