import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '@fogline/shared/clock';
import { systemClock } from '@fogline/shared/clock';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, expect, it } from 'vitest';
import { type Link, openLink } from './link.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A socket whose fate is written down. */
class Peer {
  readonly socket: Socket;
  fate = '';
  /** Bytes received so far. */
  count = 0;
  readonly #pieces: Buffer[] = [];
  #wake: (() => void)[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#pieces.push(bytes);
      this.count += bytes.length;
      this.#changed();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.fate = error.code ?? 'error';
    });
    socket.on('end', () => {
      this.fate ||= 'end';
      this.#changed();
    });
    socket.on('close', () => {
      this.fate ||= 'close';
      this.#changed();
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  got(bytes: number): Promise<void> {
    return this.until(() => this.count >= bytes);
  }

  gone(): Promise<void> {
    return this.until(() => this.socket.closed);
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

interface World {
  readonly link: Link;
  readonly accepted: Peer[];
  /** A connection through the link; resolves when the target has it. */
  join(): Promise<{ client: Peer; target: Peer }>;
  dial(): Peer;
  /** Lets everything that can happen without time passing happen: many turns of the event loop with real I/O. */
  settle(): Promise<void>;
}

async function open(clock: Clock = systemClock): Promise<World> {
  const accepted: Peer[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(new Peer(socket));
    server.emit('joined');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const to = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const link = await openLink({ listen: { host: '127.0.0.1', port: 0 }, to, clock });
  const echo = createServer((socket) => void socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const probe = connect((echo.address() as AddressInfo).port, '127.0.0.1');
  closers.push(async () => {
    await link.close();
    probe.destroy();
    for (const peer of accepted) peer.socket.destroy();
    for (const one of [server, echo]) await new Promise((resolve) => void one.close(resolve));
  });
  const dial = (): Peer => new Peer(connect({ port: link.port, host: '127.0.0.1', allowHalfOpen: false }));
  return {
    link,
    accepted,
    dial,
    async join() {
      const joined = once(server, 'joined');
      const client = dial();
      await joined;
      return { client, target: accepted.at(-1)! };
    },
    async settle() {
      for (let turn = 0; turn < 30; turn++) {
        probe.write('x');
        await once(probe, 'data');
      }
    },
  };
}

it('forwards both ways unchanged and in order, counts every byte, and passes an orderly end on', async () => {
  const { link, join } = await open();
  const { client, target } = await join();
  const sent = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 31) % 251));
  client.socket.write(sent);
  target.socket.write('answer');
  await Promise.all([target.got(sent.length), client.got(6)]);
  expect(target.received.equals(sent)).toBe(true);
  expect(client.received.toString()).toBe('answer');
  client.socket.end();
  await target.until(() => target.fate === 'end');
  target.socket.end();
  await Promise.all([client.gone(), target.gone()]);
  expect([client.fate, target.fate]).toEqual(['end', 'end']);
  expect(link.stats()).toMatchObject({ bytesUp: sent.length, bytesDown: 6, accepted: 1, cut: 0 });
});

it.each([
  ['rst', 'ECONNRESET'],
  ['fin', 'end'],
] as const)('cuts with %s, which both sides see as %s', async (mode, fate) => {
  const { link, join } = await open();
  const [one, two] = [await join(), await join()];
  link.cut(mode);
  for (const { client, target } of [one, two]) {
    if (mode === 'fin') target.socket.end();
    await Promise.all([client.gone(), target.gone()]);
    expect([client.fate, target.fate]).toEqual([fate, fate]);
  }
  expect(link.stats()).toMatchObject({ cut: 2 });
  const again = await join();
  again.client.socket.write('x');
  await again.target.got(1);
});

it.each([1, 5, 999, 1_000])('cuts after byte %i: it arrives, the next does not', async (bytes) => {
  const { link, join } = await open();
  const { client, target } = await join();
  client.socket.write('before');
  await target.got(6);
  link.cutAfter('up', bytes, 'fin');
  client.socket.write(Buffer.alloc(1_000, 7));
  client.socket.write(Buffer.alloc(1_000, 8));
  await target.until(() => target.fate === 'end');
  target.socket.end();
  await Promise.all([client.gone(), target.gone()]);
  expect(target.count).toBe(6 + bytes);
  expect(link.stats()).toMatchObject({ bytesUp: 6 + bytes, cut: 1 });
});

it('cuts the answers after a byte as well', async () => {
  const { link, join } = await open();
  const { client, target } = await join();
  link.cutAfter('down', 3, 'rst');
  target.socket.write('abcdef');
  await Promise.all([client.gone(), target.gone()]);
  expect(client.received.toString()).toBe('abc');
  expect(link.stats()).toMatchObject({ bytesDown: 3 });
});

const puback = (id: number): Buffer => Buffer.from([0x40, 2, 0, id]);
const publish = (id: number, bytes: number): Buffer =>
  Buffer.concat([Buffer.from([0x32, 5 + bytes, 0, 1, 0x74, 0, id]), Buffer.alloc(bytes, id)]);

it.each([1, 2, 3])('cuts inside the n-th PUBACK after %i of its bytes, whatever comes before it', async (bytes) => {
  const { link, join } = await open();
  const { client, target } = await join();
  link.cutInside('down', { packet: 'puback', nth: 3, bytes, mode: 'rst' });
  // Split where it hurts, with another packet in between.
  const answers = Buffer.concat([puback(1), publish(9, 50), puback(2), puback(3), puback(4)]);
  target.socket.write(answers.subarray(0, 3));
  target.socket.write(answers.subarray(3));
  await Promise.all([client.gone(), target.gone()]);
  const until = 4 + 57 + 4 + bytes;
  expect(client.received.equals(answers.subarray(0, until))).toBe(true);
  expect(link.stats()).toMatchObject({ bytesDown: until, cut: 1 });
});

it('counts packets over all connections, and of the named direction only', async () => {
  const { link, join } = await open();
  link.cutInside('up', { packet: 'publish', nth: 2, bytes: undefined, mode: 'fin' });
  const [one, two] = [await join(), await join()];
  one.client.socket.write(publish(1, 20));
  await one.target.got(27);
  two.target.socket.write(publish(2, 20));
  await two.client.got(27);
  two.client.socket.write(publish(3, 20));
  await two.target.until(() => two.target.fate === 'end');
  expect(two.target.count).toBe(13);
  one.client.socket.write(publish(4, 20));
  await one.target.got(54);
});

it('passes what is no MQTT, also in the middle of what looked like it', async () => {
  const { join } = await open();
  const { client, target } = await join();
  // The beginning of a PUBLISH that is never whole, then the end of the stream.
  const bytes = Buffer.concat([publish(1, 10), Buffer.from([0x32, 100, 0, 1])]);
  client.socket.write(bytes);
  client.socket.end();
  target.socket.write('HTTP/1.1 200 OK');
  await Promise.all([target.until(() => target.fate === 'end'), client.got(15)]);
  expect(target.received.equals(bytes)).toBe(true);
  expect(client.received.toString()).toBe('HTTP/1.1 200 OK');
});

it('slices: every piece comes by itself, in order', async () => {
  const { link, join } = await open();
  const { client, target } = await join();
  link.setSlices(1);
  const pieces: number[] = [];
  target.socket.on('data', (piece: Buffer) => pieces.push(piece.length));
  const sent = publish(1, 40);
  client.socket.write(sent);
  await target.got(sent.length);
  expect(target.received.equals(sent)).toBe(true);
  expect(pieces.length).toBeGreaterThan(sent.length / 2);
  link.setSlices(Infinity);
});

it('stalls both ways without losing anything, and goes on when the time is over', async () => {
  const clock = new ManualClock();
  const { link, join, settle } = await open(clock);
  const { client, target } = await join();
  link.stall(1_000);
  client.socket.write('up');
  target.socket.write('down');
  await settle();
  clock.advance(999);
  await settle();
  expect([target.count, client.count]).toEqual([0, 0]);
  clock.advance(1);
  await Promise.all([target.got(2), client.got(4)]);
  expect(client.fate).toBe('');
});

it('holds a stalled sender back instead of buffering without bound', async () => {
  const clock = new ManualClock();
  const { link, join, settle } = await open(clock);
  const { client, target } = await join();
  link.stall(1_000);
  const bytes = 32 * 1024 * 1024;
  let isTaken = false;
  client.socket.write(Buffer.alloc(bytes), () => {
    isTaken = true;
  });
  await settle();
  expect(isTaken).toBe(false);
  clock.advance(1_000);
  await target.got(bytes);
});

it('goes half-open: both sides stay connected and hear nothing, new connections work', async () => {
  const { link, join, settle } = await open();
  const { client, target } = await join();
  link.halfOpen();
  client.socket.write('into the void');
  target.socket.write('into the void');
  await settle();
  expect([client.count, target.count]).toEqual([0, 0]);
  expect([client.fate, target.fate]).toEqual(['', '']);
  const fresh = await join();
  fresh.client.socket.write('x');
  await fresh.target.got(1);
  client.socket.destroy();
  await settle();
  expect(target.fate).toBe('');
});

it('resets new connections while it refuses, and only those', async () => {
  const clock = new ManualClock();
  const { link, join, dial } = await open(clock);
  const { client, target } = await join();
  link.refuse(5_000);
  const refused = dial();
  await refused.gone();
  expect(refused.fate).toBe('ECONNRESET');
  client.socket.write('x');
  await target.got(1);
  clock.advance(5_000);
  await join();
  expect(link.stats()).toMatchObject({ refused: 1, accepted: 2 });
});

it('delays every byte, keeping order', async () => {
  const clock = new ManualClock();
  const { link, join, settle } = await open(clock);
  const { client, target } = await join();
  link.setDelay(200);
  client.socket.write('a');
  await settle();
  clock.advance(100);
  client.socket.write('b');
  await settle();
  clock.advance(99);
  await settle();
  expect(target.received.toString()).toBe('');
  clock.advance(1);
  await target.got(1);
  expect(target.received.toString()).toBe('a');
  clock.advance(100);
  await target.got(2);
  expect(target.received.toString()).toBe('ab');
});

it('lets through no more than the rate', async () => {
  const clock = new ManualClock();
  const { link, join, settle } = await open(clock);
  const { client, target } = await join();
  link.setRate(1_000);
  client.socket.write(Buffer.alloc(5_000));
  await settle();
  for (let second = 1; second <= 3; second++) {
    for (let step = 0; step < 20; step++) clock.advance(50);
    expect(link.stats().bytesUp).toBeGreaterThanOrEqual(second * 1_000);
    expect(link.stats().bytesUp).toBeLessThanOrEqual(second * 1_000 + 50);
  }
  link.setRate(Infinity);
  clock.advance(50);
  await target.got(5_000);
});

it('resets a client whose target cannot be reached', async () => {
  const nobody = createServer().listen(0, '127.0.0.1');
  await once(nobody, 'listening');
  const { port } = nobody.address() as AddressInfo;
  await new Promise((resolve) => void nobody.close(resolve));
  const link = await openLink({
    listen: { host: '127.0.0.1', port: 0 },
    to: { host: '127.0.0.1', port },
    clock: systemClock,
  });
  closers.push(() => link.close());
  const client = new Peer(connect(link.port, '127.0.0.1'));
  await client.gone();
  expect(client.fate).toBe('ECONNRESET');
});

it('says which port is taken', async () => {
  const { link } = await open();
  const again = openLink({
    listen: { host: '127.0.0.1', port: link.port },
    to: { host: '127.0.0.1', port: 1 },
    clock: systemClock,
  });
  await expect(again).rejects.toMatchObject({
    code: 'address_in_use',
    message: expect.stringContaining(String(link.port)),
  });
});
