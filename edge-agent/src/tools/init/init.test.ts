/** `init` at a real mosquitto. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fogline } from '../../testing/command-line.ts';

const mosquitto = 'mosquitto';
const hasMosquitto = spawnSync(mosquitto, ['-h']).error === undefined;
const folder = mkdtempSync(join(tmpdir(), 'fogline-init-'));
let broker: ChildProcess | undefined;
let port = 0;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}

async function publish(...args: readonly string[]): Promise<void> {
  const who = ['-h', '127.0.0.1', '-p', `${port}`, '-u', 'me', '-P', 'secret'];
  const [code] = (await once(spawn('mosquitto_pub', [...who, ...args], { stdio: 'ignore' }), 'close')) as [number];
  expect(code).toBe(0);
}

beforeAll(async () => {
  if (!hasMosquitto) return;
  port = await freePort();
  const [config, passwords] = ['mosquitto.conf', 'passwords'].map((name) => join(folder, name)) as [string, string];
  writeFileSync(passwords, 'me:secret\n', { mode: 0o600 });
  spawnSync('mosquitto_passwd', ['-U', passwords]);
  writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\nuser root\n`);
  broker = spawn(mosquitto, ['-v', '-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  for await (const text of broker.stderr?.setEncoding('utf8') ?? []) if (String(text).includes(' running')) break;
});

afterAll(() => {
  broker?.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

describe.skipIf(!hasMosquitto)('init at a real broker', () => {
  it('drafts a configuration for what is published, and for what the broker had kept, that passes check', async () => {
    await publish('-r', '-t', 'home/hall/temperature', '-m', '21.5');
    await publish('-r', '-t', 'home/attic/temperature', '-m', '17');
    let isWatching = true;
    const drafted = fogline('init', '--url', `mqtt://me:secret@127.0.0.1:${port}`, '--seconds', '2');
    const ended = drafted.finally(() => {
      isWatching = false;
    });
    for (let n = 0; isWatching; n++) {
      await publish('-t', `sensors/d${n % 2}/climate`, '-m', `{"ts":${Date.now()},"temp":${20 + (n % 3) / 10}}`);
    }
    const { code, out, err } = await ended;
    expect({ code, err }).toEqual({ code: 0, err: `watching mqtt://127.0.0.1:${port} for 2 seconds` });
    expect(out).not.toContain('secret');
    expect(out).toContain('topics: ["home/{device}/temperature"]');
    expect(out).toContain('topics: ["sensors/{device}/climate"]');
    expect(out).toContain('time: { field: ts, unit: ms }');
    const file = join(folder, 'drafted.yaml');
    writeFileSync(file, out);
    const checked = await fogline('check', file);
    expect(checked.code).toBe(0);
    expect(checked.out).toContain(`joins the broker at mqtt://127.0.0.1:${port} for sensors/{device}/climate`);
  });

  it.each([
    ['mqtt://127.0.0.1:PORT', [], 'it does not allow this client'],
    [
      'mqtt://me:secret@127.0.0.1:PORT',
      ['--topic', 'nowhere/#'],
      'nothing was published on nowhere/# within 1 seconds',
    ],
    ['mqtt://me:secret@127.0.0.1:PORT', ['--topic', 'a/#/b'], '--topic: # must be the last level'],
    ['http://127.0.0.1', [], '--url: "http://127.0.0.1" is not an address of a broker: write mqtt://host:1883'],
    ['mqtt://127.0.0.1:1', [], 'the broker at mqtt://127.0.0.1:1: no session: connect ECONNREFUSED'],
    ['mqtts://127.0.0.1', ['--ca', '/nowhere.pem'], '--ca: /nowhere.pem cannot be read: ENOENT'],
  ])('%s %j: %s', async (url, options, problem) => {
    const { code, out, err } = await fogline(
      'init',
      '--url',
      url.replace('PORT', `${port}`),
      '--seconds',
      '1',
      ...options,
    );
    expect(code).not.toBe(0);
    expect(out).toBe('');
    expect(err).toContain(problem);
  });
});
