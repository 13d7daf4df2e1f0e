/** Stock clients against the broker: mosquitto's commands and paho-mqtt. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openWorld, type World } from './testing/broker-world.ts';

const python = '/usr/bin/python3';
const mosquittoPub = 'mosquitto_pub';
const hasMosquitto = spawnSync(mosquittoPub, ['--help']).error === undefined;
const hasPaho = spawnSync(python, ['-c', 'import paho.mqtt.client']).status === 0;

let world: World;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await world.broker.close();
});

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

function run(command: string, parameters: readonly string[], input = ''): Promise<Finished> {
  const child = spawn(command, parameters);
  children.push(child);
  let [out, error] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    error += String(chunk);
  });
  // A command that fails early closes its stdin.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, out, error }));
  });
}

describe.each([
  { lane: 'on', hasLane: true },
  { lane: 'off', hasLane: false },
])('with the fast lane $lane', ({ hasLane }) => {
  beforeEach(async () => {
    world = await openWorld({ hasLane });
  });

  describe.skipIf(!hasMosquitto)('mosquitto_pub and mosquitto_sub (Debian package mosquitto-clients)', () => {
    const publish = (parameters: readonly string[], input = ''): Promise<Finished> =>
      run(mosquittoPub, ['-p', `${world.broker.port}`, '-t', 'm/1', ...parameters], input);

    it.each(['0', '1', '2'])('a line per message at QoS %s: each arrives, in order', async (qos) => {
      const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`);
      const { code } = await publish(['-q', qos, '-l'], `${lines.join('\n')}\n`);
      expect(code).toBe(0);
      await world.receivedAtLeast(500);
      expect(world.received.map(({ payload }) => payload.toString())).toEqual(lines);
    });

    it('a subscriber with MQTT 3.1 gets what a publisher with 3.1.1 retained', async () => {
      expect((await publish(['-r', '-m', 'kept', '-q', '1'])).code).toBe(0);
      const { code, out } = await run('mosquitto_sub', [
        '-p',
        `${world.broker.port}`,
        '-V',
        '31',
        '-t',
        'm/+',
        '-C',
        '1',
      ]);
      expect([code, out]).toEqual([0, 'kept\n']);
    });

    it('MQTT 5 is refused by name', async () => {
      const { code, error } = await publish(['-V', '5', '-m', 'x']);
      expect(code).not.toBe(0);
      expect(error).toMatch(/protocol/i);
    });

    it('waits for an ack that is held', async () => {
      world.isAutomatic = false;
      let isFinished = false;
      const finished = publish(['-q', '1', '-m', 'x']).then((result) => {
        isFinished = true;
        return result;
      });
      await world.receivedAtLeast(1);
      expect(isFinished).toBe(false);
      world.received[0]?.done('ok');
      expect((await finished).code).toBe(0);
    });
  });

  describe.skipIf(!hasPaho)('paho-mqtt (Debian package python3-paho-mqtt)', () => {
    it('QoS 0 to 2, retained, wills, offline queue, 2,000 in flight, keepalive, a refused 10 MB payload', async () => {
      const script = fileURLToPath(new URL('testing/paho-client.py', import.meta.url));
      const { code, out, error } = await run(python, [script, `${world.broker.port}`]);
      expect([code, error]).toEqual([0, '']);
      expect(JSON.parse(out)).toEqual({
        basic: {
          granted: [2],
          messages: [0, 1, 2].map((qos) => [`basic/${qos}`, `qos ${qos}`, qos, 0]),
        },
        retained: {
          messages: [0, 1, 2].map((qos) => [`kept/${qos}`, 'kept', qos, 1]),
          late: [['kept/end', 'end', 1, 0]],
        },
        will: { messages: [['will', 'gone', 2, 0]] },
        offline: {
          session: [[[0, 0]], [[0, 1]], [[0, 0]]],
          messages: [
            ['sleep/1', 'while away', 1, 0],
            ['sleep/2', 'while away', 2, 0],
          ],
        },
        in_flight: { acked: 2_000, inOrder: true },
        exactly_once: { messages: 300, distinct: 300 },
        keepalive: { lost: false },
        oversized: { disconnected: true },
      });
      expect(world.received.filter(({ topic }) => topic === 'once').length).toBe(300);
      expect(world.received.filter(({ topic }) => topic === 'big')).toEqual([]);
      expect(world.broker.counters()).toMatchObject({ frame_too_large: 1, ...(hasLane ? { fast_lane: 2_000 } : {}) });
    });
  });
});
