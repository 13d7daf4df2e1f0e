/** An agent that is not what it should be: a configuration with mistakes does not start, a token that is wrong loses nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort, loopback } from '../support/ports.ts';
import { enrol } from './peer.ts';
import { openRig, patienceMs, type Rig, Sensor } from './rig.ts';

const configurationFault = 78;

let rig: Rig;

beforeAll(async () => {
  rig = await openRig('refused');
});

afterEach(() => rig.expectSound());

afterAll(() => rig.close());

describe('a configuration with a mistake: exit code 78, where it is, and what was probably meant', () => {
  const sound = `version: 1
agent: { id: pi }
sources:
  climate:
    mqtt: { listen: 127.0.0.1:0, topics: ["sensors/{device}/climate"] }
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1:1" }, token: { file: ./token } } }
`;

  it.each([
    [
      'an unknown key',
      sound.replace('topics:', 'topic:'),
      ':5:34: sources.climate.mqtt.topic: unknown key (did you mean "topics"?)\n',
    ],
    [
      'an unknown key at the top',
      `${sound}bufer: { path: ./x }\n`,
      ':7:1: bufer: unknown key (did you mean "buffer"?)\n',
    ],
    ['a key twice', `${sound}version: 1\n`, ':7:1: '],
    ['no YAML', 'a: [', ':1:'],
  ])('%s', async (_what, text, problem) => {
    const file = rig.stage.path('wrong.yaml');
    writeFileSync(file, text);
    writeFileSync(rig.stage.path('token'), 'x');
    const { code, out, error } = await rig.stage.run('agent', ['run', '--config', file]);
    expect([code, out]).toEqual([configurationFault, '']);
    expect(error).toContain(`${file}${problem}`);
    expect(error).not.toContain('    at ');
  });

  it('of the hub too', async () => {
    const file = rig.stage.path('hub.yaml');
    writeFileSync(file, 'version: 1\nmqtt: { lisen: 127.0.0.1:0 }\n');
    const { code, error } = await rig.stage.run('hub', ['run', '--config', file]);
    expect(code).toBe(configurationFault);
    expect(error).toContain(`${file}:2:9: mqtt.lisen: unknown key (did you mean "listen"?)\n`);
  });
});

describe('an agent whose token is wrong', () => {
  it('keeps everything, says so once, goes on trying, and delivers all of it with the right one', async () => {
    const { stage, system } = rig;
    const token = await enrol(stage, system, 'second');
    const port = await freePort();
    const http = await freePort();
    const file = stage.path('second.yaml');
    writeFileSync(stage.path('second.token'), 'wrong', { mode: 0o600 });
    writeFileSync(
      file,
      `version: 1
agent: { id: second }
sources:
  climate:
    mqtt: { listen: ${loopback}:${port}, topics: ["sensors/{device}/climate"] }
    parse: { time: { field: ts, unit: ms } }
pipelines: { live: { from: climate } }
buffer: { path: ./second, commit: prompt }
uplinks: { hub: { mqtt: { url: "mqtt://${loopback}:${system.hubMqttPort}" }, token: { file: ./second.token } } }
local: { http: ${loopback}:${http} }
`,
    );
    const agent = stage.program('agent', 'second', ['run', '--config', file], 'ready ');
    const refusals = (): Promise<number> => rig.count('hub', 'hub_mqtt_refused_total', 'auth_refused');
    const refusedBefore = await refusals();
    await agent.start();
    const sensor = new Sensor(port);
    const sent = Array.from({ length: 20 }, (_, n) => [Date.now() + n, n] as const);
    for (const [ts, temperature] of sent) await sensor.publish('second', JSON.stringify({ ts, temperature }));
    await stage.until('it was refused more than once', patienceMs, async () => (await refusals()) >= refusedBefore + 3);
    const status = (await (await fetch(`http://${loopback}:${http}/status`)).json()) as {
      isConnected: boolean;
      queuedItems: number[];
    };
    expect(status).toMatchObject({ isConnected: false, queuedItems: [0, 0, sent.length, 0] });
    const lines = readFileSync(stage.path('second.log'), 'utf8').trim().split('\n');
    expect(lines).toEqual([expect.any(String)]);
    expect(lines[0]).toMatch(/the hub refuses this agent.*not connected to the hub; everything is kept here meanwhile/);
    expect(await rig.atHub('second')).toEqual([]);
    sensor.close();
    await agent.stop();
    writeFileSync(stage.path('second.token'), token);
    await agent.start();
    await stage.until(
      'all of it is at the hub',
      patienceMs,
      async () => (await rig.atHub('second')).length >= sent.length,
    );
    expect(await rig.atHub('second')).toEqual(sent);
    await agent.stop();
  });
});
