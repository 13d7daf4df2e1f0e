import { createServer } from 'node:http';
import { openWorld, type World } from '@fogline/shared/broker/testing/broker-world';
import { systemClock } from '@fogline/shared/clock';
import { SeededRandom } from '@fogline/shared/random';
import { afterEach, expect, it } from 'vitest';
import { createFleetSource } from '../devices/fleet-source.ts';
import { planOf } from '../testing/plan.ts';
import { createHttpWire } from './http-connection.ts';
import { createMqttWire } from './mqtt-connection.ts';
import { openSender, type SenderOptions } from './sender.ts';
import type { Wire } from './wire.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const startMs = Date.UTC(2026, 0, 1);
const metrics = { temperature: { like: 'temperature' } };

function send(document: object, wire: Wire, options: Partial<SenderOptions> = {}) {
  const source = createFleetSource({ plan: planOf(document), startMs });
  const random = new SeededRandom(1);
  const sender = openSender({
    source,
    wire,
    window: 100,
    clock: systemClock,
    random,
    startMs,
    speed: 0,
    clientPrefix: 'dev',
    ...options,
  });
  closers.push(() => sender.stop(0));
  return { sender, source };
}

async function broker(): Promise<{ world: World; wire: Wire }> {
  const world = await openWorld();
  closers.push(() => world.broker.close());
  const wire = createMqttWire({
    url: `mqtt://127.0.0.1:${world.broker.port}`,
    keepaliveSeconds: 10,
    clock: systemClock,
  });
  return { world, wire };
}

it('connects a device when it is there, and lets it go after its last message', async () => {
  const { world, wire } = await broker();
  const stages = [
    { over: '100s', devices: '100%' },
    { over: '100s', devices: '0%' },
  ];
  const document = { stages, connections: 20, devices: { dev: { count: 20, interval: '2s', metrics } } };
  const { sender } = send(document, wire, { speed: 200 });
  await world.until(() => world.connected.length === 5);
  expect(sender.stats().openMax).toBeLessThan(20);
  await sender.done;
  await world.until(() => world.disconnected.length === 20);
  const { sent, settled, open, waiting, disconnects } = sender.stats();
  expect({ open, waiting, disconnects, unsettled: sent - settled }).toEqual({
    open: 0,
    waiting: 0,
    disconnects: 0,
    unsettled: 0,
  });
  expect(sent).toBeGreaterThan(900);
});

it('mixes qualities of service on one connection', async () => {
  const { world, wire } = await broker();
  const type = (qos: number) => ({ count: 3, qos, metrics });
  const { sender } = send({ duration: '20s', connections: 2, devices: { a: type(0), b: type(1), c: type(2) } }, wire);
  await Promise.all([sender.done, world.receivedAtLeast(180)]);
  const byQos = Map.groupBy(world.received, ({ qos }) => qos);
  expect([0, 1, 2].map((qos) => byQos.get(qos as 0)?.length)).toEqual([60, 60, 60]);
  expect(sender.stats()).toMatchObject({ sent: 180, settled: 180, resent: 0 });
});

it('hears commands as long as anybody sends, and its devices answer them', async () => {
  const { world, wire } = await broker();
  const fan = { command: 'actuators/{device}/fan/set', state: 'actuators/{device}/fan', takes: '0s' };
  const devices = { room: { count: 3, metrics, actuators: { fan } } };
  const { sender, source } = send({ duration: '10m', connections: 3, devices }, wire, { speed: 60 });
  await world.receivedAtLeast(9);
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const nothing = (): void => {};
  const commander = wire.connect('commander', {
    onOpen: open,
    onAck: nothing,
    onWritten: nothing,
    onRefused: nothing,
    onMessage: nothing,
    onClosed: nothing,
  });
  await opened;
  const topic = Buffer.from('actuators/room-0002/fan/set');
  commander.write(Buffer.concat([Buffer.from([0x30, topic.length + 4, 0, topic.length]), topic, Buffer.from('ON')]), 1);
  await world.until(() => world.received.some((message) => message.topic === 'actuators/room-0002/fan'));
  expect(world.received.find((message) => message.topic === 'actuators/room-0002/fan')?.payload.toString()).toBe('ON');
  expect(source.commands).toEqual({ commands: 1, ignored: 0 });
  commander.end();
  await sender.done;
  expect(sender.stats()).toMatchObject({ sent: 1_801, settled: 1_801 });
});

/** A server that takes line protocol, and answers with these codes first. */
async function lineServer(codes: readonly number[]) {
  const bodies: string[] = [];
  const waiting = [...codes];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    request.on('end', () => {
      const code = waiting.shift() ?? 204;
      if (code === 204) bodies.push(body);
      response.writeHead(code).end(code === 204 ? '' : 'no');
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  closers.push(() => new Promise((resolve) => void server.close(resolve)));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/write`;
  return { bodies, wire: createHttpWire({ url, token: 'secret' }) };
}

const lines = { duration: '50s', connections: 2, devices: { dev: { count: 4, format: 'line', metrics } } };

it('posts line protocol, sends again what the server could not take, and settles with its answer', async () => {
  const { bodies, wire } = await lineServer([503, 429]);
  const { sender } = send(lines, wire);
  await sender.done;
  const got = bodies.join('').trimEnd().split('\n');
  expect(got).toHaveLength(200);
  expect(new Set(got).size).toBe(200);
  expect(got.every((line) => /^dev,device=dev-000\d temp=\d+\.\d\d \d{19}$/.test(line))).toBe(true);
  expect(sender.stats()).toMatchObject({ sent: 200, settled: 200, dropped: 0, disconnects: 2 });
  expect(sender.ackMs.count).toBe(200);
});

it('does not knock for ever with what the server refuses', async () => {
  const { bodies, wire } = await lineServer([400]);
  const { sender } = send({ ...lines, connections: 1 }, wire, { window: 50 });
  await sender.done;
  expect(bodies.join('').trimEnd().split('\n')).toHaveLength(150);
  expect(sender.stats()).toMatchObject({ sent: 200, settled: 150, dropped: 50, lastReason: 'answered 400: no' });
});
