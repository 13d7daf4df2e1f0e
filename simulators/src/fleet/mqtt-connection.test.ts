import { createServer, type Socket } from 'node:net';
import { systemClock } from '@fogline/shared/clock';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, expect, it } from 'vitest';
import { createMqttWire } from './mqtt-connection.ts';
import type { Session } from './wire.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const connack = Buffer.from([0x20, 2, 0, 0]);

interface Peer {
  readonly heard: string[];
  readonly session: Session;
  readonly said: readonly string[];
  /** The broker's end, once the client is there. */
  readonly socket: Promise<Socket>;
  readonly closed: Promise<string>;
  until(condition: () => boolean): Promise<void>;
}

/** A broker that says only what the test lets it say; to CONNECT it answers `greeting`. */
async function connect(greeting: Buffer = connack, clock = systemClock): Promise<Peer> {
  const { promise: socket, resolve: accept } = Promise.withResolvers<Socket>();
  const waiting: (() => void)[] = [];
  const changed = (): void => waiting.splice(0).forEach((wake) => wake());
  const heard: string[] = [];
  const server = createServer((peer) => {
    peer.on('error', () => {});
    peer.on('data', (bytes: Buffer) => {
      if (heard.push(bytes.toString('hex')) === 1) peer.write(greeting);
      changed();
    });
    accept(peer);
    closers.push(() => peer.destroy());
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  closers.push(() => new Promise((resolve) => void server.close(resolve)));
  const address = server.address();
  const url = `mqtt://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const wire = createMqttWire({ url, keepaliveSeconds: 10, clock });
  closers.push(() => wire.close());
  const said: string[] = [];
  const { promise: closed, resolve: close } = Promise.withResolvers<string>();
  const note = (line: string): void => {
    said.push(line);
    changed();
  };
  const session = wire.connect('c', {
    onOpen: () => note('open'),
    onAck: (id) => note(`ack ${id}`),
    onWritten: (mark) => note(`written ${mark}`),
    onRefused: () => note('refused'),
    onMessage: (topic, payload) => note(`${topic} ${payload}`),
    onClosed: close,
  });
  closers.push(() => session.end());
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise<void>((resolve) => void waiting.push(resolve));
  };
  return { heard, session, said, socket, closed, until };
}

it('reports acks of all kinds, however the bytes are cut', async () => {
  const { session, said, socket, heard, until } = await connect();
  await until(() => said.includes('open'));
  session.write(Buffer.from('xyz'), 3);
  await until(() => said.includes('written 3'));
  const bytes = Buffer.from('400200075002000870020008d0004002ffff', 'hex');
  for (const byte of bytes) (await socket).write(Buffer.from([byte]));
  await until(() => said.includes('ack 65535'));
  expect(said).toEqual(['open', 'written 3', 'ack 7', 'ack 8', 'ack 65535']);
  await until(() => heard.join('').endsWith('62020008'));
});

it('hears what it subscribed to, and acks it', async () => {
  const { session, said, socket, heard, until } = await connect();
  await until(() => said.includes('open'));
  session.subscribe(['a/+']);
  await until(() => heard.join('').endsWith('8208ffff0003612f2b01'));
  (await socket).write(Buffer.from('9003ffff0130050001744f4e320700017401024f4e', 'hex'));
  await until(() => said.length === 3);
  expect(said.slice(1)).toEqual(['t ON', 't ON']);
  await until(() => heard.join('').endsWith('40020102'));
});

it.each([
  ['refuses the user', '20020005', /refused the connection: not authorised/],
  ['is no broker', '48545450', /is no MQTT broker/],
  ['sends a packet of 256 MB', '2002000030ffffff7f', /too long/],
  ['sends a length without end', '2002000030ffffffffff', /too long/],
  ['sends an ack of the wrong length', '200200004003000100', /malformed ack/],
  ['sends a topic that is longer than the packet', '200200003004ffff7400', /malformed message/],
  ['sends QoS 2 that nobody asked for', '2002000034050001740001', /malformed message/],
  ['sends what only a client may', '2002000082020001', /packet of type 8/],
  ['refuses a subscription', '200200009003ffff80', /refused a subscription/],
])('ends a connection whose other side %s', async (_what, hex, reason) => {
  const { closed } = await connect(Buffer.from(hex, 'hex'));
  expect(await closed).toMatch(reason);
});

it('pings while it is open, and gives up a broker that answers nothing', async () => {
  const clock = new ManualClock();
  const { said, heard, until, socket, closed } = await connect(connack, clock);
  await until(() => said.includes('open'));
  clock.advance(10_000);
  await until(() => heard.join('').endsWith('c000'));
  (await socket).write(Buffer.from('d00040020001', 'hex'));
  await until(() => said.includes('ack 1'));
  clock.advance(10_000);
  await until(() => heard.join('').endsWith('c000c000') || heard.filter((bytes) => bytes === 'c000').length === 2);
  clock.advance(10_000);
  expect(await closed).toMatch(/silent/);
});

it('gives up a broker that does not accept it in time', async () => {
  const clock = new ManualClock();
  const { heard, until, closed } = await connect(Buffer.alloc(0), clock);
  await until(() => heard.length > 0);
  clock.advance(11_000);
  expect(await closed).toMatch(/in time/);
});

it('says why it cannot connect, and refuses an address that is none', async () => {
  const wire = createMqttWire({ url: 'mqtt://127.0.0.1:1', keepaliveSeconds: 10, clock: systemClock });
  closers.push(() => wire.close());
  const nothing = (): void => {};
  const reason = new Promise<string>((resolve) => {
    wire.connect('c', {
      onOpen: nothing,
      onAck: nothing,
      onWritten: nothing,
      onRefused: nothing,
      onMessage: nothing,
      onClosed: resolve,
    });
  });
  expect(await reason).toMatch(/ECONNREFUSED/);
  for (const url of ['127.0.0.1', 'http://a', 'mqtt://a:b', 'mqtt://a/topic']) {
    expect(() => createMqttWire({ url, keepaliveSeconds: 10, clock: systemClock })).toThrow(/is not an MQTT address/);
  }
});
