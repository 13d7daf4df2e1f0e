import { createServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { frame, publishFrame, WireClient, type WireFrame } from '@fogline/shared/broker/testing/wire-client';
import { type Logger, silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { hasOpenssl, selfSigned } from '@fogline/shared/testing/certificates';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ParseConfig } from '../decoders/decoder.ts';
import type { SourceBatch } from './batch-port.ts';
import { batchWaitMsMax } from './door.ts';
import { type JoinedDoor, joinBroker, type MqttJoinOptions } from './mqtt-join.ts';

const clock = new ManualClock();
const batches: SourceBatch[] = [];
const said: string[] = [];
const log: Logger = {
  ...silentLogger,
  info: (_fields, message) => said.push(message),
  warn: ({ reason, filters }, message) => said.push(`${message}: ${String(reason ?? filters)}`),
};

let server: Server;
let port: number;
let member: JoinedDoor | undefined;
/** Connections that nobody took yet. */
let arrived: WireClient[] = [];
let waiting: ((connection: WireClient) => void)[] = [];
const all: WireClient[] = [];

beforeEach(async () => {
  server = createServer((socket) => {
    const connection = WireClient.over(socket);
    all.push(connection);
    const taker = waiting.shift();
    if (taker === undefined) arrived.push(connection);
    else taker(connection);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});

afterEach(async () => {
  await member?.close();
  for (const connection of all.splice(0)) connection.destroy();
  await new Promise((resolve) => server.close(resolve));
  batches.length = 0;
  said.length = 0;
  arrived = [];
  waiting = [];
});

const broker = (): MqttJoinOptions['broker'] => ({
  host: '127.0.0.1',
  port,
  isTls: false,
  clientId: 'pi-climate',
  username: 'pi',
  password: 'secret',
  answers: [],
});

function join(options: Partial<MqttJoinOptions> = {}): JoinedDoor {
  const parse: ParseConfig = { format: 'json', metrics: 'auto' };
  member = joinBroker({
    broker: broker(),
    source: { name: 'climate', topics: ['sensors/{device}/climate', 'other/#'], parse },
    ingest: { submit: (batch) => batches.push(structuredClone(batch)) },
    clock,
    random: new SeededRandom(1),
    log,
    ...options,
  });
  return member;
}

function next(): Promise<WireClient> {
  const connection = arrived.shift();
  if (connection !== undefined) return Promise.resolve(connection);
  return new Promise((resolve) => waiting.push(resolve));
}

const connackFrame = (code = 0): Buffer => frame(0x20, [0, code]);
const subackFrame = (...granted: number[]): Buffer => frame(0x90, [0, 1], granted);

/** Takes a connection, lets it in and grants what it subscribes to. */
async function accept(
  granted: readonly number[] = [1, 1],
): Promise<{ broker: WireClient; hello: WireFrame; filters: WireFrame }> {
  const broker = await next();
  const hello = (await broker.next()) as WireFrame;
  broker.send(connackFrame());
  const filters = (await broker.next()) as WireFrame;
  broker.send(subackFrame(...granted));
  return { broker, hello, filters };
}

const message = (id: number, value: number, more: Parameters<typeof publishFrame>[2] = {}): Buffer =>
  publishFrame('sensors/d/climate', `{"t":${value}}`, { qos: 1, id, ...more });

/** Only the next timer fires, which is that of the next attempt. */
function tryAgain(): void {
  clock.advance(clock.untilNextMs() ?? 0);
}

/** A batch with all that came so far. */
async function batch(rows: number): Promise<SourceBatch> {
  await expect.poll(() => member?.sourceCounters('climate').readings).toBe(rows);
  clock.advance(batchWaitMsMax);
  return batches.at(-1) as SourceBatch;
}

const pubackIds = async (broker: WireClient, count: number): Promise<number[]> => {
  const ids: number[] = [];
  while (ids.length < count) {
    const ack = (await broker.next()) as WireFrame;
    if (ack.type === 4) ids.push(ack.body.readUInt16BE(0));
  }
  return ids;
};

describe('joining', () => {
  it('asks for a session that lasts, and for QoS 1 on the filters of its topics', async () => {
    const door = join();
    const { hello, filters } = await accept();
    expect(hello.type).toBe(1);
    // Neither clean session nor will; user name and password.
    expect(hello.body[7]).toBe(0b1100_0000);
    expect(hello.body.toString('latin1')).toMatch(/pi-climate.*pi.*secret/s);
    expect([filters.type, filters.flags]).toEqual([8, 2]);
    expect(filters.body.subarray(2).toString('latin1')).toBe('\0\x11sensors/+/climate\x01\0\x07other/#\x01');
    await expect.poll(() => door.counters()).toEqual({ joined: 1, lost: 0, refused: 0, paused: 0, topic_unmatched: 0 });
    expect(said).toEqual(['joined the broker']);
  });

  it('is tried again, at growing distances, until the broker is there; each reason is told once', async () => {
    const door = join();
    (await next()).destroy();
    await expect.poll(() => door.counters()['refused']).toBe(1);
    for (let attempt = 2; attempt <= 4; attempt++) {
      tryAgain();
      const broker = await next();
      await broker.next();
      broker.send(connackFrame(5));
      await expect.poll(() => door.counters()['refused']).toBe(attempt);
    }
    tryAgain();
    const broker = await next();
    await broker.next();
    broker.send(connackFrame());
    await broker.next();
    broker.send(subackFrame(1, 0x80));
    await expect.poll(() => door.counters()['refused']).toBe(5);
    tryAgain();
    await accept();
    await expect.poll(() => door.counters()['joined']).toBe(1);
    expect(said.slice(1)).toEqual([
      'the broker is not there; trying again: no session: it does not allow this client',
      'the broker is not there; trying again: no session: it refuses the subscription to other/#',
      'joined the broker',
    ]);
  });

  it('to a broker that refuses what an actuator answers goes on without these answers, with a warning', async () => {
    const door = join({ broker: { ...broker(), answers: ['fans/+', 'lamps/+'] } });
    const { broker: peer } = await accept([1, 1, 0x80, 1]);
    await expect.poll(() => door.counters()).toMatchObject({ joined: 1, refused: 0 });
    expect(said).toEqual([
      'joined the broker',
      'the broker refuses the subscription to what an actuator answers: its alarms stay unconfirmed: fans/+',
    ]);
    peer.send(message(1, 1));
    expect((await batch(1)).columns.count).toBe(1);
  });

  it('to a broker that grants QoS 0 alone is warned of', async () => {
    join();
    await accept([1, 0]);
    await expect.poll(() => said.at(-1)).toMatch(/grants QoS 0 only/);
  });

  it.each([
    ['says nothing', Buffer.alloc(0)],
    ['speaks HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['sends a length without end', Buffer.from([0x20, 0xff, 0xff, 0xff, 0xff, 0xff])],
    ['sends a CONNACK that is none', frame(0x20, [0])],
  ])('a peer that %s is left', async (_what, bytes) => {
    const door = join();
    const peer = await next();
    await peer.next();
    peer.send(bytes);
    // Two of them may still become a packet.
    if (bytes.length === 0 || bytes.length > 20) clock.advance(10_000);
    await peer.closed;
    expect(door.counters()).toMatchObject({ joined: 0, refused: 1 });
  });
});

describe.skipIf(!hasOpenssl)('over TLS (needs the openssl command)', () => {
  it('a broker with a trusted certificate is joined, another one never', async () => {
    const [own, other] = [selfSigned(), selfSigned()];
    const secure = createTlsServer(own, (socket) => all.push(WireClient.over(socket)));
    secure.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const address = secure.address();
    const broker = {
      port: typeof address === 'object' && address !== null ? address.port : 0,
      isTls: true,
      clientId: 'pi',
      answers: [],
    };
    const stranger = join({ broker: { ...broker, host: 'localhost', ca: other.cert } });
    await expect.poll(() => stranger.counters()['refused']).toBe(1);
    expect(said.at(-1)).toMatch(/no session: self-signed certificate/);
    await stranger.close();
    const friend = join({ broker: { ...broker, host: 'localhost', ca: own.cert } });
    await expect.poll(() => all.length).toBe(1);
    const session = all[0] as WireClient;
    expect((await session.next())?.type).toBe(1);
    session.send(connackFrame());
    await session.next();
    session.send(subackFrame(1, 1));
    await expect.poll(() => friend.counters()['joined']).toBe(1);
    await friend.close();
    await session.closed;
    await new Promise((resolve) => secure.close(resolve));
  });
});

describe('an ack', () => {
  it('leaves when the readings are durable, in the order in which the messages came', async () => {
    const door = join();
    const { broker } = await accept();
    broker.send(message(7, 1), message(8, 2, { qos: 0 }), message(9, 3));
    const { tokens, columns } = await batch(3);
    expect([...columns.value]).toEqual([1, 2, 3]);
    // A message of nobody's is acked at once, and still in its order.
    broker.send(publishFrame('nobody', 'x', { qos: 1, id: 10 }), frame(0xd0));
    await expect.poll(() => door.counters()['topic_unmatched']).toBe(1);
    expect(broker.waiting).toBe(0);
    door.release('climate', tokens);
    expect(await pubackIds(broker, 3)).toEqual([7, 9, 10]);
  });

  it('of what became no reading leaves when that is counted for good', async () => {
    const door = join();
    const { broker } = await accept();
    broker.send(publishFrame('sensors/d/climate', 'junk', { qos: 1, id: 3 }));
    await expect.poll(() => door.sourceCounters('climate').rejected).toEqual({ junk_json: 1 });
    clock.advance(batchWaitMsMax);
    door.release('climate', batches[0]?.tokens ?? []);
    expect(await pubackIds(broker, 1)).toEqual([3]);
  });

  it('that was owed to a connection that is gone is not given to the next: the broker sends again', async () => {
    const door = join();
    const first = await accept();
    first.broker.send(message(1, 1));
    const { tokens } = await batch(1);
    first.broker.destroy();
    await expect.poll(() => door.counters()['lost']).toBe(1);
    tryAgain();
    const { broker, filters } = await accept();
    expect(filters.type).toBe(8);
    door.release('climate', tokens);
    broker.send(message(1, 1, { isDuplicate: true }), message(2, 2));
    const again = await batch(3);
    expect(broker.waiting).toBe(0);
    door.release('climate', again.tokens);
    expect(await pubackIds(broker, 2)).toEqual([1, 2]);
  });
});

describe('overload', () => {
  it('withholds acks, drops and counts QoS 0, and takes what waited when it is over', async () => {
    const door = join();
    const { broker } = await accept();
    door.pause();
    broker.send(message(1, 1), message(0, 9, { qos: 0 }), message(2, 2));
    await expect.poll(() => door.sourceCounters('climate').rejected).toEqual({ qos0_dropped_overload: 1 });
    door.resume();
    const { tokens, columns } = await batch(2);
    expect([...columns.value]).toEqual([1, 2]);
    door.release('climate', tokens);
    expect(await pubackIds(broker, 2)).toEqual([1, 2]);
  });

  it('is bounded: beyond the window the socket is not read, until half of it was acked', async () => {
    const door = join({ limits: { unackedMax: 4 } });
    const { broker } = await accept();
    broker.send(message(1, 1), message(2, 2), message(3, 3), message(4, 4));
    const { tokens } = await batch(4);
    expect(door.counters()['paused']).toBe(1);
    broker.send(message(5, 5));
    // Whoever is not read cannot be heard, and is not taken for dead.
    clock.advance(120_000);
    door.release('climate', tokens.slice(0, 2));
    expect(await pubackIds(broker, 2)).toEqual([1, 2]);
    expect(door.sourceCounters('climate').readings).toBe(4);
    door.release('climate', tokens.slice(2));
    const last = await batch(5);
    door.release('climate', last.tokens);
    expect(await pubackIds(broker, 3)).toEqual([3, 4, 5]);
    expect(door.counters()).toMatchObject({ lost: 0, paused: 1 });
  });

  it('of a broker that takes no acks ends in a socket that is not read, and then in its end', {
    timeout: 60_000,
  }, async () => {
    const door = join();
    const { broker: peer } = await accept();
    await expect.poll(() => door.counters()['joined']).toBe(1);
    peer.socket.pause();
    // Nobody's, so each is acked at once.
    const flood = Buffer.concat(new Array<Buffer>(3_500_000).fill(frame(0x32, [0, 1, 0x78, 0, 1])));
    peer.send(flood);
    let seen = 0;
    const isStill = (): boolean => seen === (seen = door.counters()['topic_unmatched'] ?? 0) && seen > 0;
    await expect.poll(isStill, { interval: 500, timeout: 50_000 }).toBe(true);
    expect(seen).toBeLessThan(3_500_000);
    expect(door.counters()['paused']).toBeGreaterThan(0);
    clock.advance(90_000);
    expect(said).toContainEqual(expect.stringMatching(/it takes nothing/));
  });

  it('lets go of what a lost connection wanted to hand over: its redelivery counts once', async () => {
    const door = join();
    door.pause();
    for (let attempt = 1; attempt <= 3; attempt++) {
      const { broker } = await accept();
      broker.send(message(1, 1), message(0, 9, { qos: 0 }));
      await expect.poll(() => door.sourceCounters('climate').rejected['qos0_dropped_overload']).toBe(attempt);
      if (attempt === 3) break;
      broker.destroy();
      await expect.poll(() => door.counters()['lost']).toBe(attempt);
      tryAgain();
    }
    door.resume();
    expect([...(await batch(1)).columns.value]).toEqual([1]);
  });
});

describe('a message', () => {
  it('that is too large is let go by, counted and acked, and blocks nothing', async () => {
    const door = join();
    const { broker } = await accept();
    const big = publishFrame('sensors/d/climate', Buffer.alloc(3_000_000, 0x20), { qos: 1, id: 1 });
    broker.send(big, message(2, 2));
    const { tokens } = await batch(1);
    door.release('climate', tokens);
    expect(await pubackIds(broker, 2)).toEqual([1, 2]);
    expect(door.sourceCounters('climate').rejected).toEqual({ payload_too_large: 1 });
  });

  it('that the broker kept is taken only where it tells its time', async () => {
    const door = join();
    const { broker } = await accept();
    broker.send(message(1, 1, { isRetained: true }), message(2, 2));
    const { tokens, columns } = await batch(1);
    expect([...columns.value]).toEqual([2]);
    door.release('climate', tokens);
    expect(await pubackIds(broker, 2)).toEqual([1, 2]);
    expect(door.sourceCounters('climate').rejected).toEqual({ retained_without_time: 1 });
    await door.close();
    const time = { fields: ['ts'], unit: 'ms', maxSkewMs: 0 } as const;
    join({
      source: { name: 'climate', topics: ['sensors/#', 'other'], parse: { format: 'json', metrics: 'auto', time } },
    });
    const timed = await accept();
    timed.broker.send(publishFrame('sensors/d', `{"ts":${clock.now()},"t":5}`, { qos: 1, id: 1, isRetained: true }));
    expect((await batch(1)).columns.count).toBe(1);
  });

  it.each([
    ['QoS 2', publishFrame('sensors/d/climate', '{}', { qos: 2 })],
    ['no topic', frame(0x32, [0, 9, 1])],
    ['no packet id', frame(0x32, [0, 1, 65])],
  ])('with %s ends the connection', async (_what, bytes) => {
    const door = join();
    const { broker } = await accept();
    broker.send(bytes);
    await broker.closed;
    expect(door.counters()).toMatchObject({ lost: 1 });
  });
});

describe('a command', () => {
  const how = { qos: 1, isRetained: false, timeoutMs: 10_000 } as const;
  const ends: boolean[] = [];
  const command = (door: JoinedDoor, payload: string, isRetained = false): void =>
    door.command('fans/oven/set', payload, { ...how, isRetained }, (isDone) => ends.push(isDone));
  const idOf = ({ body }: WireFrame): number => body.readUInt16BE(2 + body.readUInt16BE(0));

  afterEach(() => void ends.splice(0));

  it('is done when the broker has acked it, whatever order that comes in, and not without a session', async () => {
    const door = join();
    command(door, 'EARLY');
    expect(ends).toEqual([false]);
    const { broker: peer } = await accept();
    await expect.poll(() => door.counters()['joined']).toBe(1);
    command(door, 'ON');
    command(door, 'OFF', true);
    const [first, second] = [(await peer.next()) as WireFrame, (await peer.next()) as WireFrame];
    expect([first.type, first.flags, second.flags]).toEqual([3, 2, 3]);
    expect(first.body.toString('latin1')).toMatch(/fans\/oven\/set.*ON$/s);
    expect(ends).toEqual([false]);
    peer.send(frame(0x40, [0, idOf(second)]), frame(0x40, [0, idOf(first)]));
    await expect.poll(() => ends).toEqual([false, true, true]);
  });

  it('is not known to be done when the connection ends, or the ack takes too long', async () => {
    const door = join();
    const { broker: peer } = await accept();
    await expect.poll(() => door.counters()['joined']).toBe(1);
    command(door, 'ON');
    await peer.next();
    clock.advance(10_000);
    expect(ends).toEqual([false]);
    command(door, 'ON');
    peer.destroy();
    await expect.poll(() => ends).toEqual([false, false]);
  });

  it('has its answer from a topic of its own; what the broker had kept answers nothing', async () => {
    const seen: [topic: string, payload: string][] = [];
    const durable: (() => void)[] = [];
    const door = join({
      broker: { ...broker(), answers: ['fans/+'] },
      observer: (topic, payload, onDurable) => {
        seen.push([topic, Buffer.from(payload).toString()]);
        durable.push(onDurable);
        return true;
      },
    });
    const { broker: peer, filters } = await accept([1, 1, 1]);
    expect(filters.body.toString('latin1')).toContain('fans/+\x01');
    peer.send(publishFrame('fans/oven', 'OLD', { qos: 1, id: 1, isRetained: true }));
    peer.send(publishFrame('fans/oven', 'ON', { qos: 1, id: 2 }));
    expect(await pubackIds(peer, 1)).toEqual([1]);
    await expect.poll(() => seen).toEqual([['fans/oven', 'ON']]);
    expect(peer.waiting).toBe(0);
    // Acked once the answer is on disk.
    durable[0]?.();
    expect(await pubackIds(peer, 1)).toEqual([2]);
    expect(door.counters()['topic_unmatched']).toBe(0);
  });
});

describe('a broker', () => {
  it('that is silent is left; one that answers pings is kept', async () => {
    const door = join();
    const { broker } = await accept();
    await expect.poll(() => door.counters()['joined']).toBe(1);
    for (let pings = 1; pings <= 3; pings++) {
      clock.advance(30_000);
      expect((await broker.next())?.type).toBe(12);
      // A message is a sign of life as well.
      broker.send(pings === 1 ? message(1, 1) : frame(0xd0));
      if (pings === 1) await batch(1);
      else {
        broker.send(message(pings, pings));
        await batch(pings);
      }
    }
    clock.advance(30_000);
    expect((await broker.next())?.type).toBe(12);
    clock.advance(30_000);
    await broker.closed;
    expect(said.at(-1)).toMatch(/it is silent/);
  });

  it('is left politely at the end', async () => {
    const door = join();
    const { broker } = await accept();
    await expect.poll(() => door.counters()['joined']).toBe(1);
    await door.close();
    expect((await broker.next())?.type).toBe(14);
    await broker.closed;
    clock.advance(60_000);
    expect(arrived).toEqual([]);
  });
});
