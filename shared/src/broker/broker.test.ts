import { afterEach, describe, expect, it } from 'vitest';
import { openWorld, type World, type WorldOptions } from './testing/broker-world.ts';
import { type ConnectOptions, connectFrame, disconnectFrame, publishFrame, WireClient } from './testing/wire-client.ts';
import { payloads, subscribe, typesUntilPong } from './testing/wire-steps.ts';

let world: World;
const clients: WireClient[] = [];

async function open(options: WorldOptions = {}): Promise<void> {
  world = await openWorld(options);
}

async function connect(options: ConnectOptions = {}): Promise<WireClient> {
  const client = await WireClient.connect(world.broker.port, options);
  clients.push(client);
  return client;
}

async function dial(): Promise<WireClient> {
  const client = await WireClient.open(world.broker.port);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await world.broker.close();
});

describe('sessions', () => {
  it('deliver published messages at the lower of both QoS, to overlapping filters once', async () => {
    await open();
    const reader = await connect({ clientId: 'reader' });
    expect(await subscribe(reader, ['a/+', 1], ['a/#', 0])).toEqual([1, 0]);
    world.broker.publish('a/b', 'x', { qos: 1, retain: false });
    const first = await reader.next();
    expect(first?.type).toBe(3);
    expect(await typesUntilPong(reader)).toEqual([]);
  });

  it('give retained messages to later subscribers until an empty one clears them', async () => {
    await open();
    const sender = await connect({ clientId: 'sender' });
    sender.send(
      publishFrame('a/1', 'one', { isRetained: true, qos: 1 }),
      publishFrame('a/2', 'two', { isRetained: true }),
    );
    await world.receivedAtLeast(2);
    const reader = await connect({ clientId: 'reader' });
    await subscribe(reader, ['a/#', 0]);
    expect((await payloads(reader, 2)).sort()).toEqual(['one', 'two']);
    sender.send(publishFrame('a/1', '', { isRetained: true }));
    await world.receivedAtLeast(3);
    const late = await connect({ clientId: 'late' });
    await subscribe(late, ['a/#', 0]);
    expect(await payloads(late, 1)).toEqual(['two']);
  });

  it('deliver a QoS 1 message that a QoS 0 message was published behind', async () => {
    await open();
    const [reader, persistent] = [await connect({ clientId: 'r' }), await connect({ clientId: 'p', isClean: false })];
    for (const client of [reader, persistent]) await subscribe(client, ['a', 1]);
    world.broker.publish('a', 'retained', { qos: 1, retain: true });
    world.broker.publish('a', 'QoS 1', { qos: 1, retain: false });
    world.broker.publish('a', 'QoS 0', { qos: 0, retain: false });
    for (const client of [reader, persistent]) {
      expect((await payloads(client, 3)).sort()).toEqual(['QoS 0', 'QoS 1', 'retained']);
    }
  });

  it('queue QoS 1 messages for a persistent session that is away, and restore its subscriptions', async () => {
    await open();
    const before = await connect({ clientId: 'p', isClean: false });
    await subscribe(before, ['a', 1]);
    before.send(disconnectFrame);
    await world.until(() => world.disconnected.length === 1);
    for (const text of ['1', '2', '3']) world.broker.publish('a', text, { qos: 1, retain: false });
    world.broker.publish('a', 'QoS 0 is not queued', { qos: 0, retain: false });
    const after = await dial();
    after.send(connectFrame({ clientId: 'p', isClean: false }));
    expect([...((await after.next())?.body ?? [])]).toEqual([1, 0]);
    expect(await payloads(after, 3)).toEqual(['1', '2', '3']);
    world.broker.publish('a', '4', { qos: 1, retain: false });
    expect(await payloads(after, 1)).toEqual(['4']);
  });

  it('go to the newer connection of a client id; the older one is closed', async () => {
    await open();
    const older = await connect({ clientId: 'same' });
    await connect({ clientId: 'same' });
    expect(await older.next()).toBeUndefined();
    await world.until(() => world.disconnected.length === 1);
    expect(world.disconnected[0]?.connection).toBe(world.connected[0]?.connection);
  });

  it('reports connections and what they subscribed to', async () => {
    const subscribed: (readonly string[])[] = [];
    await open({ onSubscribed: (_client, filters) => subscribed.push(filters) });
    const client = await connect({ clientId: 'c', username: 'alice' });
    await world.until(() => world.connected.length === 1);
    expect(world.connected).toMatchObject([{ identity: 'alice', clientId: 'c' }]);
    expect(world.broker.connectionCount()).toBe(1);
    await subscribe(client, ['a', 1], ['$SYS/#', 0]);
    await typesUntilPong(client);
    expect(subscribed).toEqual([['a']]);
    world.broker.disconnect('c');
    await client.closed;
    await world.until(() => world.disconnected.length === 1);
    expect(world.broker.connectionCount()).toBe(0);
  });
});

describe('wills', () => {
  const will = { topic: 'will', payload: 'gone', qos: 1 as const };

  it('go through the consumer, and from there to subscribers, when the client vanishes', async () => {
    await open();
    world.isAutomatic = false;
    const reader = await connect({ clientId: 'reader' });
    await subscribe(reader, ['will', 0]);
    const client = await connect({ will });
    client.destroy();
    await world.receivedAtLeast(1);
    expect(world.received[0]).toMatchObject({ topic: 'will', isWill: true, clientId: 'c', qos: 1 });
    expect(await typesUntilPong(reader)).toEqual([]);
    world.received[0]?.done('ok');
    expect(await payloads(reader, 1)).toEqual(['gone']);
  });

  it('are not sent after DISCONNECT, nor when the broker closes', async () => {
    await open();
    const polite = await connect({ clientId: 'polite', will });
    polite.send(disconnectFrame);
    await world.until(() => world.disconnected.length === 1);
    await connect({ clientId: 'connected', will });
    await world.broker.close();
    expect(world.received).toEqual([]);
  });

  it('on a forbidden topic, or one with a wildcard, are dropped and counted', async () => {
    await open({ mayPublish: (_identity, topic) => topic !== 'forbidden' });
    for (const topic of ['forbidden', '#', 'a/+']) {
      const client = await connect({ will: { topic, payload: 'x' } });
      client.destroy();
    }
    await world.until(() => world.disconnected.length === 3);
    const probe = await connect({ clientId: 'probe' });
    await typesUntilPong(probe);
    expect(world.received).toEqual([]);
    expect(world.broker.counters()).toMatchObject({ forbidden_publish: 1, malformed_topic: 2 });
  });
});

describe('permissions', () => {
  it('refuse a wrong credential with CONNACK 5, counted and logged once per client', async () => {
    await open({
      authenticate: ({ password }) => (Buffer.from(password ?? []).toString() === 'right' ? 'user' : 'refused'),
    });
    for (let attempt = 0; attempt < 2; attempt++) {
      const client = await dial();
      client.send(connectFrame({ username: 'u', password: 'wrong' }));
      expect([...((await client.next())?.body ?? [])]).toEqual([0, 5]);
      await client.closed;
    }
    await connect({ username: 'u', password: 'right' });
    expect(world.broker.counters()).toMatchObject({ auth_refused: 2 });
    expect(world.logged.length).toBe(1);
    expect(JSON.stringify(world.logged)).not.toContain('wrong');
  });

  it('refuse a persistent session without client id with CONNACK 2; a clean one gets an id', async () => {
    await open();
    const persistent = await dial();
    persistent.send(connectFrame({ clientId: '', isClean: false }));
    expect([...((await persistent.next())?.body ?? [])]).toEqual([0, 2]);
    await connect({ clientId: '' });
    await world.until(() => world.connected.length === 1);
    expect(world.connected[0]?.clientId).not.toBe('');
  });

  it('"drop": a forbidden publish is acked at every QoS, reaches nobody, and is logged once', async () => {
    await open({ mayPublish: (_identity, topic) => topic === 'allowed' });
    const reader = await connect({ clientId: 'reader' });
    await subscribe(reader, ['#', 0]);
    const client = await connect();
    client.send(
      publishFrame('secret', 'x', { isRetained: true }),
      publishFrame('$SYS/x', 'x', { qos: 1, id: 1 }),
      publishFrame('secret', 'x', { qos: 2, id: 2, isRetained: true }),
      publishFrame('allowed', 'x', { qos: 1, id: 3 }),
    );
    expect([(await client.next())?.type, (await client.next())?.type, (await client.next())?.type]).toEqual([4, 5, 4]);
    expect(await payloads(reader, 1)).toEqual(['x']);
    expect(world.received.map(({ topic }) => topic)).toEqual(['allowed']);
    expect(world.broker.counters()).toMatchObject({ forbidden_publish: 3 });
    expect(world.logged.length).toBe(1);
    await subscribe(reader, ['secret', 0]);
    expect(await typesUntilPong(reader)).toEqual([]);
  });

  it('"disconnect": a forbidden publish closes the connection without ack', async () => {
    await open({ mayPublish: () => false, onForbiddenPublish: 'disconnect' });
    const client = await connect();
    client.send(publishFrame('secret', 'x', { qos: 1 }));
    expect(await client.next()).toBeUndefined();
    expect(world.received).toEqual([]);
  });

  it('refuse single filters with 0x80 and grant the others', async () => {
    await open({ maySubscribe: (_identity, filter) => !filter.startsWith('no') });
    const client = await connect();
    expect(await subscribe(client, ['yes', 1], ['no/1', 1], ['$SYS/#', 0], ['also', 2])).toEqual([1, 128, 128, 2]);
    world.broker.publish('no/1', 'x', { qos: 0, retain: false });
    expect(await typesUntilPong(client)).toEqual([]);
  });

  it('refuse one filter too many; an unsubscribed one makes room', async () => {
    await open({ gate: { subscriptionsPerClientMax: 2 } });
    const client = await connect();
    expect(await subscribe(client, ['a', 0], ['b', 0], ['c', 0])).toEqual([0, 0, 128]);
    client.send(Buffer.from([0xa2, 5, 0, 2, 0, 1, 97]));
    expect((await client.next())?.type).toBe(11);
    expect(await subscribe(client, ['c', 0], ['d', 0])).toEqual([0, 128]);
  });
});
