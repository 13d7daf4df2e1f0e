import { afterEach, describe, expect, it } from 'vitest';
import { openWorld, type World, type WorldOptions } from './testing/broker-world.ts';
import { frame, publishFrame, subscribeFrame, WireClient } from './testing/wire-client.ts';

let world: World;
const clients: WireClient[] = [];

async function open(options: WorldOptions = {}): Promise<WireClient> {
  world = await openWorld(options);
  return await connect('sender');
}

async function connect(clientId: string, isClean = true): Promise<WireClient> {
  const client = await WireClient.connect(world.broker.port, { clientId, isClean });
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await world.broker.close();
});

/** Publishes, waits until it is acked, and tells which way it went. */
async function wayOf(client: WireClient, topic: string, more: { isRetained?: boolean; qos?: 0 | 1 | 2 } = {}) {
  const [received, taken] = [world.received.length, world.broker.counters()['fast_lane'] ?? 0];
  const qos = more.qos ?? 1;
  client.send(publishFrame(topic, 'x', { id: 9, ...more, qos }));
  await world.receivedAtLeast(received + 1);
  if (qos > 0) await client.next();
  return (world.broker.counters()['fast_lane'] ?? 0) > taken ? 'lane' : 'broker';
}

async function subscribe(client: WireClient, filter: string): Promise<void> {
  client.send(subscribeFrame(1, [filter, 1]));
  await client.next();
}

describe('the fast lane takes', () => {
  it('QoS 0 and 1, neither QoS 2 nor what is retained', async () => {
    const client = await open();
    expect(await wayOf(client, 'a/1')).toBe('lane');
    expect(await wayOf(client, 'a/1', { qos: 0 })).toBe('lane');
    expect(await wayOf(client, 'a/1', { isRetained: true })).toBe('broker');
    expect(await wayOf(client, 'a/1', { qos: 2 })).toBe('broker');
  });

  it('no topic that somebody has subscribed to, as long as the subscription lasts', async () => {
    const client = await open();
    const reader = await connect('reader');
    expect(await wayOf(client, 'a/1')).toBe('lane');
    await subscribe(reader, 'a/+');
    expect(await wayOf(client, 'a/1')).toBe('broker');
    expect((await reader.next())?.type).toBe(3);
    expect(await wayOf(client, 'b/1')).toBe('lane');
    reader.send(frame(0xa2, [0, 2, 0, 3], Buffer.from('a/+')));
    await reader.next();
    expect(await wayOf(client, 'a/1')).toBe('lane');
  });

  it('nothing that a persistent session waits for, and nothing when its client is back', async () => {
    const client = await open();
    const reader = await connect('reader', false);
    await subscribe(reader, 'a/1');
    reader.destroy();
    await world.until(() => world.disconnected.length === 1);
    expect(await wayOf(client, 'a/1')).toBe('broker');
    const again = await connect('reader', false);
    expect((await again.next())?.type).toBe(3);
    expect(await wayOf(client, 'a/1')).toBe('broker');
  });

  it('nothing that is forbidden, has a wildcard or begins with $', async () => {
    const client = await open({ mayPublish: (_identity, topic) => topic !== 'no' });
    client.send(publishFrame('no', 'x', { qos: 1, id: 1 }), publishFrame('$SYS/x', 'x', { qos: 1, id: 2 }));
    expect([await client.next(), await client.next()].map((frame) => frame?.body.readUInt16BE(0))).toEqual([1, 2]);
    client.send(publishFrame('a/+', 'x', { qos: 1, id: 3 }));
    expect(await client.next()).toBeUndefined();
    expect(world.received).toEqual([]);
    expect(world.broker.counters()).toMatchObject({ forbidden_publish: 2 });
    expect(world.broker.counters()).not.toHaveProperty('fast_lane');
  });

  it('nothing while the broker still has a publish of that connection, so that the order of arrival stays', async () => {
    const client = await open();
    world.isAutomatic = false;
    client.send(
      publishFrame('a', '1', { qos: 1, id: 1 }),
      publishFrame('a', '2', { qos: 1, id: 2, isRetained: true }),
      publishFrame('a', '3', { qos: 1, id: 3 }),
    );
    await world.receivedAtLeast(3);
    expect(world.received.map(({ payload }) => payload.toString())).toEqual(['1', '2', '3']);
    expect(world.broker.counters()).toMatchObject({ fast_lane: 1 });
    for (const { done } of [...world.received].reverse()) done('ok');
    const acks = [await client.next(), await client.next(), await client.next()];
    expect(acks.map((frame) => frame?.body.readUInt16BE(0))).toEqual([1, 2, 3]);
    world.isAutomatic = true;
    expect(await wayOf(client, 'a')).toBe('lane');
  });

  it('what a sender publishes right behind its own SUBSCRIBE reaches that sender', async () => {
    const client = await open();
    client.send(subscribeFrame(1, ['a', 0]), publishFrame('a', 'x', { qos: 0 }));
    expect((await client.next())?.type).toBe(9);
    expect((await client.next())?.type).toBe(3);
  });

  it('no topic so long that 20,000 of them would fill the memory', async () => {
    const client = await open();
    expect(await wayOf(client, 'a'.repeat(512))).toBe('lane');
    expect(await wayOf(client, 'a'.repeat(513))).toBe('broker');
  });

  it('whatever length and bytes topics have', async () => {
    const client = await open();
    const topics = Array.from({ length: 50 }, (_, index) => `${'t'.repeat(index % 7)}/${index}/Grüße`);
    for (const topic of [...topics, ...topics]) expect(await wayOf(client, topic)).toBe('lane');
    expect(world.received.map(({ topic }) => topic)).toEqual([...topics, ...topics]);
  });
});
