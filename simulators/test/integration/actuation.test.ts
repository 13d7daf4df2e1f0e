/**
 * A fan at a real agent, without a hub (P5): the command is in a commit, and the agent is killed before it was published. Started again
 * within its expiry, the agent tells the fan as soon as that is back, and hears its answer; started after it, it does not, and says so.
 * The same with a fan at a mosquitto that the agent joined, and that was away when the command was due.
 */
import { writeFileSync } from 'node:fs';
import { getJson } from '@fogline/shared/get-json';
import { connectAsync, type MqttClient } from 'mqtt';
import { describe, expect, it } from 'vitest';
import { hasMosquittoBroker, mosquittoBroker } from '../support/mosquitto-broker.ts';
import { freePort, loopback } from '../support/ports.ts';
import type { Service } from '../support/service.ts';
import { openStage, type Stage } from '../support/stage.ts';

interface Plant {
  readonly agent: Service;
  readonly config: string;
  readonly mqttPort: number;
  /** Where the fan is. */
  readonly fanPort: number;
  readonly url: string;
}

/** `joinedPort`: of a broker where the fan is; without it that is the agent itself. */
async function openPlant(stage: Stage, expires: string, joinedPort?: number): Promise<Plant> {
  const [mqttPort, httpPort, deadPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const hall = `  hall: { mqtt: { url: "mqtt://${loopback}:${joinedPort ?? 0}", topics: ["hall/{device}/climate"] } }`;
  // Whether the fan is back, mosquitto alone knows; what it keeps waits for it.
  const via = joinedPort === undefined ? '' : 'via: hall, retain: true, ';
  const config = stage.path('agent.yaml');
  writeFileSync(
    config,
    `version: 1
agent: { id: plant }
sources:
  climate:
    mqtt: { listen: "${loopback}:${mqttPort}", topics: ["sensors/{device}/climate"] }
    parse: { json: { temperature: {} } }
${joinedPort === undefined ? '' : hall}
pipelines:
  live: { from: climate }
${joinedPort === undefined ? '' : '  hall: { from: hall }'}
alarms:
  overheat:
    if: { metric: live.temperature, above: 60, clear_below: 55 }
    severity: critical
    then:
      - publish: { ${via}topic: "fans/{device}/set", payload: "ON", cleared: "OFF", expires: ${expires} }
        confirm: { topic: "fans/{device}", within: 20s }
buffer: { path: ./data, commit: prompt }
# Nobody is there.
uplinks: { hub: { mqtt: { url: "mqtt://${loopback}:${deadPort}" }, token: t0ken } }
local: { http: "${loopback}:${httpPort}" }
`,
  );
  const agent = stage.program('agent', 'agent', ['run', '--config', config], 'ready ');
  await agent.start();
  return { agent, config, mqttPort, fanPort: joinedPort ?? mqttPort, url: `http://${loopback}:${httpPort}` };
}

async function join(stage: Stage, port: number, clientId: string): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://${loopback}:${port}`, { clientId, reconnectPeriod: 0 });
  stage.onClose(() => client.endAsync(true));
  return client;
}

/** A fan that does what it is told and says so. */
async function joinFan(stage: Stage, plant: Plant): Promise<string[]> {
  const heard: string[] = [];
  const fan = await join(stage, plant.fanPort, 'fan');
  fan.on('message', (topic, payload) => {
    heard.push(`${topic} ${payload.toString()}`);
    fan.publish('fans/oven', payload, { qos: 1 });
  });
  await fan.subscribeAsync('fans/+/set', { qos: 1 });
  return heard;
}

/** Publishes, and returns when the agent has acked: the command of the alarm is in that commit. */
async function heat(stage: Stage, plant: Plant, temperature: number): Promise<void> {
  const sensor = await join(stage, plant.mqttPort, `sensor-${temperature}`);
  await sensor.publishAsync('sensors/oven/climate', JSON.stringify({ temperature }), { qos: 1 });
}

/** What the agent has counted, read from its database beside it. */
async function counted(stage: Stage, { config }: Plant): Promise<Record<string, number>> {
  const { out } = await stage.run('agent', ['status', '--config', config]);
  return Object.fromEntries(
    [...out.matchAll(/^counted\s+(\S+) (\d+)$/gm)].map(([, name = '', count = '']) => [name, Number(count)]),
  );
}

const timeout = 120_000;

it('a command committed before a kill -9 reaches the fan within its expiry, and its answer closes the loop', {
  timeout,
}, async () => {
  const stage = openStage('actuation');
  const plant = await openPlant(stage, '1h');
  await heat(stage, plant, 70);
  await plant.agent.kill();
  expect(await counted(stage, plant)).toMatchObject({ 'alarm.active': 1, 'action.decided': 1 });
  expect((await stage.run('agent', ['status', '--config', plant.config])).out).toContain('overheat on oven: active');

  await plant.agent.start();
  const heard = await joinFan(stage, plant);
  await stage.until('the fan is told', 30_000, () => heard.length > 0);
  await stage.until(
    'its answer is committed',
    30_000,
    async () => (await counted(stage, plant))['alarm.confirmed'] === 1,
  );
  const acknowledged = await stage.run('agent', ['ack', 'overheat', '--config', plant.config]);
  expect(acknowledged.out).toBe('acknowledged overheat on oven\n');
  expect(await getJson(new URL('/status', plant.url), undefined)).toMatchObject({
    alarms: [
      { alarm: 'overheat', device: 'oven', severity: 'critical', state: 'active', isAcknowledged: true, value: 70 },
    ],
  });

  await heat(stage, plant, 20);
  await stage.until('the fan is told again', 30_000, () => heard.includes('fans/oven/set OFF'));
  expect(heard).toEqual(['fans/oven/set ON', 'fans/oven/set OFF']);
  const refused = await stage.run('agent', ['ack', 'overheat', '--config', plant.config]);
  expect([refused.code, refused.error]).toEqual([1, expect.stringContaining('"overheat" is not active anywhere')]);
});

it('a command committed before a kill -9 is not carried out after its expiry, and that is told', {
  timeout,
}, async () => {
  const stage = openStage('actuation-late');
  const plant = await openPlant(stage, '1s');
  await heat(stage, plant, 70);
  const committedAt = performance.now();
  await plant.agent.kill();
  await stage.until('it has expired', 10_000, () => performance.now() - committedAt > 1500);
  await plant.agent.start();
  const heard = await joinFan(stage, plant);
  await stage.until('that is committed', 30_000, async () => (await counted(stage, plant))['alarm.expired'] === 1);
  // The next command goes through, so the one before would have.
  await heat(stage, plant, 20);
  await stage.until('the fan is told', 30_000, () => heard.length > 0);
  expect(heard).toEqual(['fans/oven/set OFF']);
});

describe.skipIf(!hasMosquittoBroker)('at a mosquitto that the agent joined', () => {
  /** A command is committed while mosquitto is away, then the agent is killed. */
  async function killedBetween(name: string, expires: string) {
    const stage = openStage(name);
    const port = await freePort();
    const mosquitto = mosquittoBroker(stage, port);
    const plant = await openPlant(stage, expires, port);
    await heat(stage, plant, 70);
    const committedAt = performance.now();
    await plant.agent.kill();
    expect(await counted(stage, plant)).toMatchObject({ 'alarm.active': 1, 'action.decided': 1 });
    await mosquitto.start();
    // The process is there before its port is.
    const fan = await stage.until('mosquitto is there', 30_000, () => joinFan(stage, plant).catch(() => undefined));
    return { stage, mosquitto, plant, fan, committedAt };
  }

  it('a command committed before a kill -9 reaches the fan within its expiry, and its answer closes the loop', {
    timeout,
  }, async () => {
    const { stage, mosquitto, plant, fan } = await killedBetween('actuation-joined', '1h');
    await plant.agent.start();
    await stage.until('the fan is told', 30_000, () => fan.length > 0);
    await stage.until(
      'its answer is committed',
      30_000,
      async () => (await counted(stage, plant))['alarm.confirmed'] === 1,
    );
    // While mosquitto is away the next command waits for it.
    await mosquitto.kill();
    await heat(stage, plant, 20);
    await mosquitto.start();
    const again = await stage.until('mosquitto is back', 30_000, () => joinFan(stage, plant).catch(() => undefined));
    await stage.until('the fan is told again', 60_000, () => again.length > 0);
    expect([fan, again]).toEqual([['fans/oven/set ON'], ['fans/oven/set OFF']]);
    expect(await counted(stage, plant)).toMatchObject({ 'action.decided': 2 });
  });

  it('a command committed before a kill -9 is not carried out after its expiry, and that is told', {
    timeout,
  }, async () => {
    const { stage, plant, fan, committedAt } = await killedBetween('actuation-joined-late', '1s');
    await stage.until('it has expired', 10_000, () => performance.now() - committedAt > 1500);
    await plant.agent.start();
    await stage.until('that is committed', 30_000, async () => (await counted(stage, plant))['alarm.expired'] === 1);
    await stage.until('the agent has joined', 30_000, async () => {
      const metrics = await fetch(`${plant.url}/metrics`).then((answer) => answer.text());
      return metrics.includes('fogline_agent_joined_total{reason="joined"} 1');
    });
    await heat(stage, plant, 20);
    await stage.until('the fan is told', 30_000, () => fan.length > 0);
    expect(fan).toEqual(['fans/oven/set OFF']);
  });
});
