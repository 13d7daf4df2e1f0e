/** Bad bytes from real sockets: each connection that sends them ends, counted; nobody else notices, and nothing stays behind. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../random.ts';
import { openWorld, type World } from './testing/broker-world.ts';
import {
  connectFrame,
  disconnectFrame,
  frame,
  pingFrame,
  publishFrame,
  pubrelFrame,
  subscribeFrame,
  WireClient,
} from './testing/wire-client.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world.broker.close();
});

/** A healthy client still connects, publishes and is acked; when it leaves, no connection is left. */
async function expectHealthy(): Promise<void> {
  const client = await WireClient.connect(world.broker.port, { clientId: 'healthy' });
  client.send(publishFrame('health', 'x', { qos: 1, id: 1 }));
  expect((await client.next())?.type).toBe(4);
  expect(world.received.filter(({ topic }) => topic === 'health').length).toBe(1);
  client.send(disconnectFrame);
  await client.closed;
  await world.until(() => world.disconnected.length === world.connected.length);
  expect(world.broker.connectionCount()).toBe(0);
}

/** Sends bytes on a connection of their own and waits for its end. */
async function sendAndEnd(bytes: Buffer, isConnected: boolean): Promise<void> {
  const client = isConnected
    ? await WireClient.connect(world.broker.port, { clientId: 'hostile' })
    : await WireClient.open(world.broker.port);
  client.socket.end(bytes);
  await client.closed;
}

describe('the broker survives', () => {
  it('every truncation of a CONNECT', async () => {
    const whole = connectFrame({
      clientId: 'c',
      keepaliveSeconds: 60,
      username: 'u',
      password: 'p',
      will: { topic: 'w', payload: 'x', qos: 1 },
    });
    for (let length = 0; length < whole.length; length++) await sendAndEnd(whole.subarray(0, length), false);
    // Truncated inside, with a remaining length that fits: the parser behind the gate must refuse it.
    for (let length = 2; length < whole.length; length++) {
      const cut = Buffer.from(whole.subarray(0, length));
      cut[1] = length - 2;
      await sendAndEnd(cut, false);
    }
    expect(world.connected).toEqual([]);
    await expectHealthy();
  });

  it('every single damaged byte of a CONNECT', async () => {
    const whole = connectFrame({ clientId: 'c', username: 'u', password: 'p', will: { topic: 'w', payload: 'x' } });
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const damaged = Buffer.from(whole);
        damaged[at] = value;
        await sendAndEnd(damaged, false);
      }
    }
    await expectHealthy();
  });

  it('seeded garbage before and after CONNECT', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = new SeededRandom(seed);
      await sendAndEnd(Buffer.from(random.bytes(1 + random.below(300))), seed % 2 === 0);
    }
    await expectHealthy();
  });

  it('seeded mutations of well-formed packets', async () => {
    const samples = [
      publishFrame('a/b', 'payload', { qos: 0 }),
      publishFrame('a/b', 'payload', { qos: 1, id: 3 }),
      publishFrame('a/b', 'payload', { qos: 2, id: 4, isRetained: true }),
      pubrelFrame(4),
      subscribeFrame(5, ['a/+', 1], ['#', 2]),
      frame(0xa2, [0, 6, 0, 3], Buffer.from('a/+')),
      frame(0x40, [0, 1]),
      frame(0x50, [0, 1]),
      frame(0x70, [0, 1]),
      pingFrame,
    ];
    for (let seed = 1; seed <= 400; seed++) {
      const random = new SeededRandom(seed);
      const packets: Buffer[] = [];
      for (let count = 1 + random.below(6); count > 0; count--) {
        const packet = Buffer.from(samples[random.below(samples.length)] as Buffer);
        if (random.chance(0.5)) packet[random.below(packet.length)] = random.below(256);
        packets.push(packet);
      }
      await sendAndEnd(Buffer.concat(packets), true);
    }
    await expectHealthy();
  });

  it.each([
    ['a SUBSCRIBE without filters', frame(0x82, [0, 1])],
    ['a SUBSCRIBE with QoS 3', frame(0x82, [0, 1, 0, 1, 97, 3])],
    ['a SUBSCRIBE to an empty filter', frame(0x82, [0, 1, 0, 0, 0])],
    ['a SUBSCRIBE to a#b', subscribeFrame(1, ['a#b', 0])],
    ['a SUBSCRIBE to 200 levels', subscribeFrame(1, ['a/'.repeat(200), 0])],
    ['an UNSUBSCRIBE without filters', frame(0xa2, [0, 1])],
    ['a PUBLISH to a wildcard', publishFrame('a/+', 'x', { qos: 1 })],
    ['a PUBLISH to 200 levels', publishFrame('a/'.repeat(200), 'x', { qos: 1 })],
    ['a PUBLISH to U+0000', publishFrame('a\0b', 'x', { qos: 1 })],
    ['a frame beyond the limit', frame(0x30, [0, 1, 97], Buffer.alloc(300_000))],
  ])('%s: the connection is closed and the publish not taken', async (_what, bytes) => {
    const client = await WireClient.connect(world.broker.port, { clientId: 'hostile' });
    client.send(bytes);
    await client.closed;
    expect(world.received).toEqual([]);
    expect(Object.values(world.broker.counters())).toEqual([1]);
    await expectHealthy();
  });

  it('a 10 MB payload: refused from its header, nothing of it kept', async () => {
    const client = await WireClient.connect(world.broker.port, { clientId: 'big' });
    client.send(publishFrame('t', Buffer.alloc(10_000_000), { qos: 1 }));
    await client.closed;
    expect(world.received).toEqual([]);
    expect(world.broker.counters()).toEqual({ frame_too_large: 1 });
    expect(JSON.stringify(world.logged)).toContain('frame_too_large');
    await expectHealthy();
  });

  it('acks nobody asked for', async () => {
    const client = await WireClient.connect(world.broker.port, { clientId: 'hostile', isClean: false });
    for (let id = 1; id < 200; id++) {
      client.send(...[0x40, 0x50, 0x62, 0x70].map((first) => frame(first, [0, id])));
    }
    client.send(disconnectFrame);
    await client.closed;
    await expectHealthy();
  });

  it('names of objects as client ids, topics and filters', async () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const client = await WireClient.connect(world.broker.port, { clientId: name, isClean: false });
      client.send(subscribeFrame(1, [name, 1]), publishFrame(name, name, { qos: 1, id: 2 }));
      const types = [(await client.next())?.type, (await client.next())?.type, (await client.next())?.type];
      expect(types.toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual([3, 4, 9]);
      client.send(disconnectFrame);
      await client.closed;
    }
    await expectHealthy();
  });

  it('clients that connect and vanish at every moment', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = new SeededRandom(seed);
      const client = await WireClient.open(world.broker.port);
      const bytes = Buffer.concat([
        connectFrame({ clientId: `c${seed % 5}`, isClean: seed % 2 === 0, will: { topic: 'w', payload: 'x' } }),
        subscribeFrame(1, ['#', 1]),
        publishFrame('a', 'x', { qos: 2, id: 1 }),
        publishFrame('b', 'x', { qos: 1, id: 2, isRetained: true }),
      ]);
      client.send(bytes.subarray(0, random.below(bytes.length + 1)));
      if (random.chance(0.5)) client.socket.resetAndDestroy();
      else client.destroy();
      await client.closed;
    }
    await expectHealthy();
  });
});
