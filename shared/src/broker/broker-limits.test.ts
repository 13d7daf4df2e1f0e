import { afterEach, describe, expect, it } from 'vitest';
import { hasCode } from '../errors.ts';
import { ManualClock } from '../testing/manual-clock.ts';
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
