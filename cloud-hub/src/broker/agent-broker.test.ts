import { systemClock } from '@fogline/shared/clock';
import { silentLogger } from '@fogline/shared/log';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { maySubscribe, parseClientId, upKindOf } from './access.ts';
import { type AgentBroker, openAgentBroker } from './agent-broker.ts';

const epoch = '00112233445566aa';
const gw1 = { agent: 'gw1', epoch };

interface Submitted {
  readonly agent: string;
  readonly kind: string;
  readonly text: string;
  readonly done: () => void;
}

const clients: MqttClient[] = [];
let broker: AgentBroker | undefined;

function once(client: MqttClient, event: 'connect' | 'close'): Promise<void> {
  return new Promise((resolve) => {
    client.once(event, () => resolve());
  });
}

/** `hold` keeps the acks back until the test gives them. */
async function open(
  options: { hold?: boolean; revoked?: ReadonlySet<string>; isAvailable?: () => boolean } = {},
): Promise<{ broker: AgentBroker; submitted: Submitted[]; answers: string[] }> {
  const submitted: Submitted[] = [];
  const answers: string[] = [];
  broker = await openAgentBroker({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    log: silentLogger,
    isAvailable: options.isAvailable ?? (() => true),
    isAgentToken: (agent, token) => token === `secret of ${agent}` && options.revoked?.has(agent) !== true,
    submit(agent, kind, payload, done) {
      submitted.push({ agent, kind, text: new TextDecoder().decode(payload), done });
      if (options.hold !== true) done();
    },
    onAnswer: (agent, payload) => void answers.push(`${agent}: ${new TextDecoder().decode(payload)}`),
  });
  return { broker, submitted, answers };
}

async function connect(agent: string, options: { clientId?: string; password?: string } = {}): Promise<MqttClient> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${broker?.port}`, {
    username: agent,
    password: options.password ?? `secret of ${agent}`,
    clientId: options.clientId ?? `${agent}:${epoch}`,
    reconnectPeriod: 0,
  });
  clients.push(client);
  client.on('error', () => {});
  const outcome = await Promise.race([
    once(client, 'connect').then(() => 'connected'),
    once(client, 'close').then(() => 'closed'),
  ]);
  if (outcome === 'closed') throw new Error('refused');
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true);
  await broker?.close();
  broker = undefined;
});

describe('who may do what', () => {
  it('knows an agent by a client id of id and epoch', () => {
    expect(parseClientId(`gw1:${epoch}`)).toEqual(gw1);
    for (const wrong of [
      'gw1',
      'gw1:',
      `gw1:${epoch}0`,
      `gw1:${epoch.toUpperCase()}`,
      `:${epoch}`,
      `a/b:${epoch}`,
      `#:${epoch}`,
      '',
    ]) {
      expect(parseClientId(wrong), wrong).toBeUndefined();
    }
  });

  it.each([
    ['fl/1/gw1/batch', 'batch'],
    ['fl/1/gw1/status', 'status'],
    ['fl/1/gw1/welcome', undefined],
    ['fl/1/gw2/batch', undefined],
    ['fl/1/gw1/batch/x', undefined],
    ['fl/2/gw1/batch', undefined],
    ['fl/1/gw1', undefined],
    ['$SYS/x', undefined],
    ['fl/1/+/batch', undefined],
  ])('publish %s: %s', (topic, kind) => {
    expect(upKindOf(gw1, topic)).toBe(kind);
  });

  it.each([
    ['fl/1/gw1/welcome', true],
    ['fl/1/gw1/flow', true],
    ['fl/1/gw1/batch', false],
    ['fl/1/gw2/welcome', false],
    ['fl/1/gw1/+', false],
    ['fl/1/+/welcome', false],
    ['fl/1/gw1/#', false],
    ['#', false],
    ['$share/g/fl/1/gw1/welcome', false],
  ])('subscribe %s: %s', (filter, isAllowed) => {
    expect(maySubscribe(gw1, filter)).toBe(isAllowed);
  });
});

describe('the broker of agents', () => {
  it('hands messages on in order and acks them only when they are done', async () => {
    const { submitted } = await open({ hold: true });
    const client = await connect('gw1');
    const acked: number[] = [];
    const sent = [1, 2, 3].map((n) =>
      client.publishAsync('fl/1/gw1/batch', `b${n}`, { qos: 1 }).then(() => acked.push(n)),
    );
    await expect.poll(() => submitted.length).toBe(3);
    expect(submitted.map(({ agent, kind, text }) => [agent, kind, text])).toEqual([
      ['gw1', 'batch', 'b1'],
      ['gw1', 'batch', 'b2'],
      ['gw1', 'batch', 'b3'],
    ]);
    expect(acked).toEqual([]);
    submitted[2]?.done();
    submitted[0]?.done();
    await sent[0];
    expect(acked).toEqual([1]);
    submitted[1]?.done();
    await Promise.all(sent);
    expect(acked).toEqual([1, 2, 3]);
  });

  it('sends to every connection of an agent, of either epoch, and to no other agent', async () => {
    const { broker: hub } = await open();
    const received: string[] = [];
    const listeners = [
      ['gw1', `gw1:${epoch}`],
      ['gw1', 'gw1:ffffffffffffffff'],
      ['gw2', `gw2:${epoch}`],
    ] as const;
    for (const [agent, clientId] of listeners) {
      const client = await connect(agent, { clientId });
      client.on('message', (topic, payload) => received.push(`${clientId} ${topic} ${payload.toString()}`));
      await client.subscribeAsync(`fl/1/${agent}/welcome`, { qos: 1 });
    }
    expect(hub.connectedAgents()).toEqual(['gw1', 'gw2']);
    hub.send('gw1', 'welcome', Buffer.from('hello'));
    hub.send('gw2', 'welcome', Buffer.from('end'));
    await expect.poll(() => received.length).toBe(3);
    expect(received.sort()).toEqual([
      `gw1:${epoch} fl/1/gw1/welcome hello`,
      'gw1:ffffffffffffffff fl/1/gw1/welcome hello',
      `gw2:${epoch} fl/1/gw2/welcome end`,
    ]);
  });

  it.each([
    ['a wrong token', { password: 'secret of gw2' }],
    ['a client id of another agent', { clientId: `gw2:${epoch}` }],
    ['a client id without epoch', { clientId: 'gw1' }],
  ])('refuses %s and counts it', async (_name, options) => {
    const { broker: hub } = await open();
    await expect(connect('gw1', options)).rejects.toThrow('refused');
    expect(hub.connectedAgents()).toEqual([]);
    expect(hub.counters()).toMatchObject({ auth_refused: 1 });
  });

  it('asks agents to come later while it can take nothing, and keeps those that are there', async () => {
    let isAvailable = true;
    const { broker: hub } = await open({ isAvailable: () => isAvailable });
    await connect('gw1');
    isAvailable = false;
    await expect(connect('gw2')).rejects.toThrow('refused');
    expect(hub.connectedAgents()).toEqual(['gw1']);
    expect(hub.counters()).toMatchObject({ unavailable: 1 });
    isAvailable = true;
    await connect('gw2');
  });

  it('closes on a publish to a foreign topic and submits nothing', async () => {
    const { broker: hub, submitted } = await open();
    const client = await connect('gw1');
    const closed = once(client, 'close');
    client.publish('fl/1/gw2/batch', 'forged', { qos: 1 });
    await closed;
    expect(submitted).toEqual([]);
    expect(hub.counters()).toMatchObject({ forbidden_publish: 1 });
  });

  it('hands answers to who asked, of nobody but the agent itself, and knows who listens to questions', async () => {
    const { broker: hub, submitted, answers } = await open();
    const client = await connect('gw1');
    expect(hub.isHeard('gw1', 'query')).toBe(false);
    await client.subscribeAsync('fl/1/gw1/query', { qos: 1 });
    expect([hub.isHeard('gw1', 'query'), hub.isHeard('gw2', 'query')]).toEqual([true, false]);
    await client.publishAsync('fl/1/gw1/answer', 'page 1', { qos: 1 });
    const closed = once(client, 'close');
    client.publish('fl/1/gw2/answer', 'forged', { qos: 1 });
    await closed;
    expect([answers, submitted]).toEqual([['gw1: page 1'], []]);
    expect(hub.counters()).toMatchObject({ forbidden_publish: 1 });
    await expect.poll(() => hub.isHeard('gw1', 'query')).toBe(false);
  });

  it('knows that an agent listens as long as one of its connections does', async () => {
    const { broker: hub } = await open();
    const before = await connect('gw1');
    const after = await connect('gw1', { clientId: 'gw1:ffffffffffffffff' });
    for (const client of [before, after]) await client.subscribeAsync('fl/1/gw1/query', { qos: 1 });
    await before.endAsync();
    await expect.poll(() => hub.connectionCount()).toBe(1);
    expect(hub.isHeard('gw1', 'query')).toBe(true);
    await after.endAsync();
    await expect.poll(() => hub.isHeard('gw1', 'query')).toBe(false);
  });

  it('refuses a foreign subscription without closing', async () => {
    const { broker: hub } = await open();
    const client = await connect('gw1');
    const granted = await client.subscribeAsync('fl/1/gw2/welcome', { qos: 1 }).catch((error: unknown) => error);
    expect(granted).toBeInstanceOf(Error);
    expect(hub.counters()).toMatchObject({ forbidden_subscribe: 1 });
    await client.publishAsync('fl/1/gw1/status', 'still here', { qos: 1 });
  });

  it('drops every connection whose token is no longer good', async () => {
    const revoked = new Set<string>();
    const { broker: hub } = await open({ revoked });
    const one = once(await connect('gw1'), 'close');
    const two = once(await connect('gw1', { clientId: 'gw1:ffffffffffffffff' }), 'close');
    await connect('gw2');
    revoked.add('gw1');
    hub.dropRevoked();
    await Promise.all([one, two]);
    await expect.poll(() => hub.connectedAgents()).toEqual(['gw2']);
  });
});
