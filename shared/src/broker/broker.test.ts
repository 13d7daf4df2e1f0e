import { afterEach, describe, expect, it } from 'vitest';
import { hasCode } from '../errors.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { openWorld, type World, type WorldOptions } from './testing/broker-world.ts';
import {
  type ConnectOptions,
  connectFrame,
  disconnectFrame,
  pingFrame,
  publishFrame,
  subscribeFrame,
  WireClient,
} from './testing/wire-client.ts';

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

/** Subscribes and returns the granted codes. */
async function subscribe(
  client: WireClient,
  ...filters: Parameters<typeof subscribeFrame> extends [number, ...infer F] ? F : never
) {
  client.send(subscribeFrame(1, ...filters));
  const suback = await client.next();
  return [...(suback?.body.subarray(2) ?? [])];
}

async function payloads(client: WireClient, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const frame = await client.next();
    if (frame === undefined) throw new Error('the connection closed');
    if (frame.type !== 3) continue;
    const idBytes = (frame.flags & 6) === 0 ? 0 : 2;
    texts.push(frame.body.toString('utf8', 2 + frame.body.readUInt16BE(0) + idBytes));
  }
  return texts;
}

/** What came before the answer to a ping. */
async function typesUntilPong(client: WireClient): Promise<number[]> {
  client.send(pingFrame);
  const types: number[] = [];
  for (let frame = await client.next(); frame?.type !== 13; frame = await client.next()) types.push(frame?.type ?? 0);
  return types;
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

describe('limits', () => {
  it('close connections beyond connectionsMax at once, and serve the others', async () => {
    await open({ gate: { connectionsMax: 2 } });
    const first = await connect({ clientId: '1' });
    await connect({ clientId: '2' });
    const third = await dial();
    expect(await third.next()).toBeUndefined();
    expect(world.broker.counters()).toMatchObject({ connections_max: 1 });
    expect(await typesUntilPong(first)).toEqual([]);
  });

  it('close a connection that does not send a whole CONNECT in time', async () => {
    const clock = new ManualClock();
    await open({ manualClock: clock, gate: { connectTimeoutMs: 5_000 } });
    const silent = await dial();
    const slow = await dial();
    slow.send(connectFrame().subarray(0, 5));
    await connect({ clientId: 'proof that both connections were accepted' });
    clock.advance(5_000);
    expect(await silent.next()).toBeUndefined();
    expect(await slow.next()).toBeUndefined();
    expect(world.broker.counters()).toMatchObject({ connect_timeout: 2 });
    expect(world.broker.connectionCount()).toBe(1);
  });

  it('close a silent client after one and a half keepalives with its will; one that pings stays, though its ack is held', async () => {
    const clock = new ManualClock();
    await open({ manualClock: clock });
    world.isAutomatic = false;
    const silent = await connect({ clientId: 'silent', keepaliveSeconds: 10, will: { topic: 'w', payload: 'x' } });
    const alive = await connect({ clientId: 'alive', keepaliveSeconds: 10 });
    alive.send(publishFrame('t', 'x', { qos: 1 }));
    await world.receivedAtLeast(1);
    for (let elapsed = 0; elapsed < 15; elapsed += 5) {
      expect(await typesUntilPong(alive)).toEqual([]);
      clock.advance(5_000);
    }
    expect(await silent.next()).toBeUndefined();
    expect(world.broker.counters()).toMatchObject({ keepalive_timeout: 1 });
    await world.receivedAtLeast(2);
    expect(world.received[1]).toMatchObject({ isWill: true, clientId: 'silent' });
    world.received[0]?.done('ok');
    expect(await typesUntilPong(alive)).toEqual([4]);
  });

  it('slow a client down to its message rate and drop nothing', async () => {
    const clock = new ManualClock();
    await open({ manualClock: clock, gate: { messagesPerSecondMax: 10, messageBurstMax: 5 } });
    const client = await connect();
    client.send(...Array.from({ length: 20 }, (_, index) => publishFrame('t', `${index}`, { qos: 1, id: index + 1 })));
    await world.receivedAtLeast(5);
    for (let expected = 6; expected <= 20; expected++) {
      expect(world.received.length).toBe(expected - 1);
      clock.advance(100);
      await world.receivedAtLeast(expected);
    }
    expect(world.received.map(({ payload }) => payload.toString())).toEqual(
      Array.from({ length: 20 }, (_, i) => `${i}`),
    );
  });

  it('take no more than pendingBytesMax of a client whose acks are held, and the rest when they are done', async () => {
    await open({ gate: { pendingBytesMax: 20_000 } });
    world.isAutomatic = false;
    const client = await connect();
    const count = 500;
    for (let id = 1; id <= count; id++) client.send(publishFrame('t', Buffer.alloc(1_000), { qos: 1, id }));
    // 19 frames and what is added for each are the first beyond 20,000 bytes.
    const pendingMax = 19;
    await world.receivedAtLeast(pendingMax);
    for (let index = 0; index < count; index++) {
      await world.receivedAtLeast(index + 1);
      expect(world.received.length - index).toBeLessThanOrEqual(pendingMax);
      world.received[index]?.done('ok');
    }
    expect(world.broker.counters().paused_by_pending_bytes).toBeGreaterThan(0);
    for (let id = 1; id <= count; id++) expect((await client.next())?.body.readUInt16BE(0)).toBe(id);
  });

  it('share pendingBytesTotalMax over all clients: those that wait go on in turn, and none is forgotten', async () => {
    await open({ gate: { pendingBytesTotalMax: 5_000 } });
    world.isAutomatic = false;
    const senders = await Promise.all(Array.from({ length: 20 }, (_, index) => connect({ clientId: `s${index}` })));
    for (const sender of senders) {
      sender.send(...[1, 2, 3].map((id) => publishFrame('t', Buffer.alloc(900), { qos: 1, id })));
    }
    for (let index = 0; index < 60; index++) {
      await world.receivedAtLeast(index + 1);
      expect(world.received.length - index).toBeLessThanOrEqual(6);
      world.received[index]?.done('ok');
    }
    for (const sender of senders) {
      for (const id of [1, 2, 3]) expect((await sender.next())?.body.readUInt16BE(0)).toBe(id);
    }
  });

  it('let go of a client that said DISCONNECT and left when its publish stays held, without its will', async () => {
    const clock = new ManualClock();
    await open({ manualClock: clock, gate: { connectionsMax: 1, drainTimeoutMs: 2_000 } });
    world.isAutomatic = false;
    const client = await connect({ will: { topic: 'w', payload: 'x' } });
    client.send(publishFrame('t', 'x', { qos: 1 }), disconnectFrame);
    client.socket.end();
    await world.receivedAtLeast(1);
    await client.closed;
    expect(world.broker.connectionCount()).toBe(1);
    clock.advance(2_000);
    await world.until(() => world.disconnected.length === 1);
    world.received[0]?.done('ok');
    const next = await connect({ clientId: 'next' });
    expect(await typesUntilPong(next)).toEqual([]);
    expect(world.received.length).toBe(1);
  });

  it('disconnect a subscriber that does not read, and deliver on to the others', async () => {
    await open({ gate: { drainTimeoutMs: 100, outboundBytesMax: 2_000_000 } });
    const frozen = await connect({ clientId: 'frozen' });
    const reader = await connect({ clientId: 'reader' });
    for (const client of [frozen, reader]) await subscribe(client, ['t', 0]);
    frozen.socket.pause();
    const payload = 'x'.repeat(100_000);
    let sent = 0;
    while (world.disconnected.length === 0) {
      world.broker.publish('t', payload, { qos: 0, retain: false });
      sent++;
      await payloads(reader, 1);
    }
    expect(world.disconnected[0]?.clientId).toBe('frozen');
    expect(world.broker.counters()).toMatchObject({ slow_reader: 1 });
    world.broker.publish('t', 'still here', { qos: 0, retain: false });
    expect(await payloads(reader, 1)).toEqual(['still here']);
    expect(sent).toBeGreaterThan(0);
  });
});

describe('the listener', () => {
  it('says which port is taken', async () => {
    await open();
    const error: unknown = await openWorld({ port: world.broker.port }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(hasCode(error, 'address_in_use')).toBe(true);
    expect(String(error)).toContain(`MQTT port ${world.broker.port} on 127.0.0.1 is taken`);
  });

  it('closes every connection, whole or half open, and frees its port', async () => {
    await open();
    const [open1, half] = [await connect(), await dial()];
    half.send(Buffer.from([0x10]));
    await typesUntilPong(open1);
    const { port } = world.broker;
    await world.broker.close();
    await Promise.all([open1.closed, half.closed]);
    const again = await openWorld({ port });
    await again.broker.close();
  });
});
