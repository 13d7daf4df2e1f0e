import { afterEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../random.ts';
import { openWorld, type Received, type World } from './testing/broker-world.ts';
import {
  disconnectFrame,
  pingFrame,
  publishFrame,
  pubrelFrame,
  subscribeFrame,
  WireClient,
} from './testing/wire-client.ts';

let world: World;
const clients: WireClient[] = [];

async function open(...options: Parameters<typeof openWorld>): Promise<void> {
  world = await openWorld(...options);
  world.isAutomatic = false;
}

async function connect(
  ...[options]: Parameters<typeof WireClient.connect> extends [number, ...infer Rest] ? Rest : never
) {
  const client = await WireClient.connect(world.broker.port, options);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await world.broker.close();
});

const puback = 4;
const pubrec = 5;
const pubcomp = 7;
const pingresp = 13;

/** Everything the broker sent so far: a ping is answered at once, so what comes before its answer is all there is. */
async function framesUntilPong(client: WireClient): Promise<string[]> {
  const names: Record<number, string> = { 3: 'publish', [puback]: 'puback', [pubrec]: 'pubrec', [pubcomp]: 'pubcomp' };
  client.send(pingFrame);
  const seen: string[] = [];
  for (let frame = await client.next(); frame?.type !== pingresp; frame = await client.next()) {
    if (frame === undefined) throw new Error('the connection closed');
    seen.push(frame.type === 3 ? 'publish' : `${names[frame.type]} ${frame.body.readUInt16BE(0)}`);
  }
  return seen;
}

async function nextAck(client: WireClient): Promise<string> {
  const frame = await client.next();
  if (frame === undefined) return 'closed';
  return `${frame.type === puback ? 'puback' : frame.type === pubrec ? 'pubrec' : frame.type} ${frame.body.readUInt16BE(0)}`;
}

const at = (index: number): Received => world.received[index] as Received;

describe('an ack means done (P1)', () => {
  it.each([
    [1 as const, 'puback 7'],
    [2 as const, 'pubrec 7'],
  ])('QoS %d is acked after done and not before, while pings are answered', async (qos, ack) => {
    await open();
    const client = await connect();
    client.send(publishFrame('t', 'x', { qos, id: 7 }));
    await world.receivedAtLeast(1);
    expect(await framesUntilPong(client)).toEqual([]);
    at(0).done('ok');
    expect(await nextAck(client)).toBe(ack);
  });

  it('what follows a held publish goes on: a SUBSCRIBE is granted, further publishes reach the consumer', async () => {
    await open();
    const client = await connect();
    client.send(publishFrame('t', '1', { qos: 1, id: 1 }));
    await world.receivedAtLeast(1);
    client.send(subscribeFrame(2, ['a', 0]), publishFrame('t', '2', { qos: 1, id: 3 }));
    expect((await client.next())?.type).toBe(9);
    await world.receivedAtLeast(2);
    client.send(publishFrame('t', '3', { qos: 0 }));
    await world.receivedAtLeast(3);
  });

  it('acks of one connection leave in order of arrival, in whatever order they are done, QoS 1 and 2 mixed', async () => {
    await open();
    const client = await connect();
    const random = new SeededRandom(5);
    const count = 2_000;
    const expected: string[] = [];
    for (let id = 1; id <= count; id++) {
      const qos = random.chance(0.3) ? 2 : 1;
      expected.push(`${qos === 1 ? 'puback' : 'pubrec'} ${id}`);
      client.send(publishFrame('t', `payload ${id}`, { qos, id }));
    }
    await world.receivedAtLeast(count);
    const left = [...world.received];
    while (left.length > 0) left.splice(random.below(left.length), 1)[0]?.done('ok');
    const acks: string[] = [];
    for (let i = 0; i < count; i++) acks.push(await nextAck(client));
    expect(acks).toEqual(expected);
  });

  it('local subscribers get a message after done and not before', async () => {
    await open();
    const [sender, reader] = [await connect({ clientId: 'a' }), await connect({ clientId: 'b' })];
    reader.send(subscribeFrame(1, ['t', 0]));
    await reader.next();
    sender.send(publishFrame('t', 'x', { qos: 1 }));
    await world.receivedAtLeast(1);
    expect(await framesUntilPong(reader)).toEqual([]);
    at(0).done('ok');
    expect((await reader.next())?.type).toBe(3);
  });

  it('"close" closes the connection without ack, and the redelivery comes to the consumer again', async () => {
    await open();
    const first = await connect({ isClean: false });
    first.send(publishFrame('t', 'x', { qos: 2, id: 4 }));
    await world.receivedAtLeast(1);
    at(0).done('close');
    expect(await first.next()).toBeUndefined();
    const second = await connect({ isClean: false });
    second.send(publishFrame('t', 'x', { qos: 2, id: 4, isDuplicate: true }));
    await world.receivedAtLeast(2);
    at(1).done('ok');
    expect(await nextAck(second)).toBe('pubrec 4');
    expect(world.broker.counters()).toMatchObject({ publish_refused: 1 });
  });

  it('done after the connection is gone hurts nobody', async () => {
    await open();
    const client = await connect();
    for (const qos of [0, 1, 2] as const) client.send(publishFrame('t', 'x', { qos, id: 4 }));
    await world.receivedAtLeast(3);
    client.destroy();
    await world.until(() => world.disconnected.length === 1);
    for (const message of world.received) message.done('ok');
    const next = await connect();
    expect(await framesUntilPong(next)).toEqual([]);
  });

  it('a client that says DISCONNECT behind a publish left in order: the message is delivered, its will is not', async () => {
    await open();
    const reader = await connect({ clientId: 'reader' });
    reader.send(subscribeFrame(1, ['#', 0]));
    await reader.next();
    const client = await connect({ will: { topic: 'will', payload: 'dead' } });
    client.send(publishFrame('t', 'last words', { qos: 1, id: 1 }), disconnectFrame);
    client.socket.end();
    await world.receivedAtLeast(1);
    await client.closed;
    at(0).done('ok');
    const delivered = await reader.next();
    expect(delivered?.body.toString()).toContain('last words');
    await world.until(() => world.disconnected.length === 1);
    expect(world.received.length).toBe(1);
  });
});

describe('a QoS 2 message reaches the consumer once', () => {
  it('when it is sent again on the same connection before done', async () => {
    await open();
    const client = await connect();
    const publish = publishFrame('t', 'x', { qos: 2, id: 9 });
    client.send(publish);
    await world.receivedAtLeast(1);
    client.send(publishFrame('t', 'x', { qos: 2, id: 9, isDuplicate: true }));
    expect(await framesUntilPong(client)).toEqual([]);
    at(0).done('ok');
    expect([await nextAck(client), await nextAck(client)]).toEqual(['pubrec 9', 'pubrec 9']);
    expect(world.received.length).toBe(1);
    expect(world.broker.counters()).toMatchObject({ qos2_redelivery: 1 });
  });

  it('when it is sent again after its PUBREC, until its PUBREL; then the id is free', async () => {
    await open();
    world.isAutomatic = true;
    const client = await connect();
    const publish = publishFrame('t', 'x', { qos: 2, id: 9 });
    client.send(publish);
    expect(await nextAck(client)).toBe('pubrec 9');
    client.send(publish);
    expect(await nextAck(client)).toBe('pubrec 9');
    expect(world.received.length).toBe(1);
    client.send(pubrelFrame(9));
    expect((await client.next())?.type).toBe(pubcomp);
    client.send(publish);
    expect(await nextAck(client)).toBe('pubrec 9');
    expect(world.received.length).toBe(2);
  });

  it('and its redeliveries leave nothing pending: any number of them is answered', async () => {
    await open({ gate: { pendingBytesMax: 1_000 } });
    world.isAutomatic = true;
    const client = await connect();
    for (let times = 0; times < 200; times++) client.send(publishFrame('t', 'x'.repeat(100), { qos: 2, id: 9 }));
    for (let times = 0; times < 200; times++) expect(await nextAck(client)).toBe('pubrec 9');
    expect(world.received.length).toBe(1);
  });

  it('when its persistent session comes back before done: done answers on the new connection, subscribers get it once', async () => {
    await open();
    const reader = await connect({ clientId: 'reader' });
    reader.send(subscribeFrame(1, ['t', 0]));
    await reader.next();
    const first = await connect({ isClean: false });
    first.send(publishFrame('t', 'x', { qos: 2, id: 9 }));
    await world.receivedAtLeast(1);
    first.destroy();
    await world.until(() => world.disconnected.length === 1);
    const second = await connect({ isClean: false });
    second.send(publishFrame('t', 'x', { qos: 2, id: 9, isDuplicate: true }));
    expect(await framesUntilPong(second)).toEqual([]);
    at(0).done('ok');
    expect(await nextAck(second)).toBe('pubrec 9');
    expect(world.received.length).toBe(1);
    expect(await framesUntilPong(reader)).toEqual(['publish']);
  });

  it('when its persistent session comes back after its PUBREC was lost', async () => {
    await open();
    world.isAutomatic = true;
    const first = await connect({ isClean: false });
    first.send(publishFrame('t', 'x', { qos: 2, id: 9 }));
    await nextAck(first);
    first.destroy();
    const second = await connect({ isClean: false });
    second.send(publishFrame('t', 'x', { qos: 2, id: 9, isDuplicate: true }));
    expect(await nextAck(second)).toBe('pubrec 9');
    expect(world.received.length).toBe(1);
  });

  it('but a clean session forgets: the same id is a new message', async () => {
    await open();
    world.isAutomatic = true;
    for (let round = 1; round <= 2; round++) {
      const client = await connect({ isClean: true });
      client.send(publishFrame('t', 'x', { qos: 2, id: 9 }));
      expect(await nextAck(client)).toBe('pubrec 9');
      expect(world.received.length).toBe(round);
      client.destroy();
    }
  });

  it('and another message under an id that was never released is no redelivery: a rebooted device loses nothing', async () => {
    await open();
    world.isAutomatic = true;
    const first = await connect({ isClean: false });
    first.send(publishFrame('t', 'before the reboot', { qos: 2, id: 1 }));
    await nextAck(first);
    first.destroy();
    const second = await connect({ isClean: false });
    second.send(publishFrame('t', 'after the reboot', { qos: 2, id: 1 }));
    expect(await nextAck(second)).toBe('pubrec 1');
    expect(world.received.map(({ payload }) => payload.toString())).toEqual(['before the reboot', 'after the reboot']);
    expect(world.broker.counters()).toMatchObject({ qos2_id_reused: 1 });
  });

  it('and an id that was released before its PUBREC is free again', async () => {
    await open();
    const client = await connect();
    client.send(publishFrame('t', 'x', { qos: 2, id: 3 }));
    await world.receivedAtLeast(1);
    client.send(pubrelFrame(3));
    expect((await client.next())?.type).toBe(pubcomp);
    client.send(publishFrame('t', 'x', { qos: 2, id: 3 }));
    await world.receivedAtLeast(2);
  });

  it('and ids never released are bounded: one more closes the connection', async () => {
    await open({ gate: { unreleasedMax: 3 } });
    world.isAutomatic = true;
    const client = await connect();
    for (let id = 1; id <= 4; id++) client.send(publishFrame('t', 'x', { qos: 2, id }));
    await client.closed;
    expect(world.received.length).toBe(3);
    expect(world.broker.counters()).toMatchObject({ unreleased_max: 1 });
  });
});
