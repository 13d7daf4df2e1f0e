import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { ManualClock } from '../testing/manual-clock.ts';
import { connectFrame, pingFrame } from './client-frames.ts';
import { ConnectPace } from './connect-pace.ts';
import type { LaneTaker } from './fast-lane.ts';
import { defaultGateLimits } from './gate-limits.ts';
import { type CloseReason, GateStream } from './gate-stream.ts';
import { publishFrame } from './testing/wire-client.ts';

const outboundBytesMax = 20_000;
const acking: LaneTaker = { isOpen: true, take: (_bytes, _start, _end, settle, ticket) => settle?.(ticket) };

/** A client that does not read: what is written to it waits for ever. */
class Mute extends Duplex {
  override _read(): void {}
  override _write(): void {}
  setNoDelay(): void {}
  setKeepAlive(): void {}
  destroySoon(): void {
    this.destroy();
  }
}

it.each([
  ['acks of the fast lane', publishFrame('a', '', { qos: 1, id: 9 })],
  ['answers to its pings', pingFrame],
])('a client that never reads is disconnected before it has filled the memory with %s', async (_what, frame) => {
  const socket = new Mute();
  const closed: CloseReason[] = [];
  const stream = new GateStream({
    socket: socket as unknown as Socket,
    limits: { ...defaultGateLimits, outboundBytesMax },
    budget: { bytesMax: 1_000_000, bytes: 0, waiting: new Set() },
    clock: new ManualClock(),
    pace: new ConnectPace(1),
    attach: (broker) => broker.on('readable', () => broker.read()),
    paused: () => undefined,
    closed: (reason) => closed.push(reason),
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  socket.push(connectFrame({ clientId: 'mute', isClean: true, keepaliveSeconds: 0 }));
  await turn();
  stream.accept({ taker: () => acking });
  for (let sent = 0; sent < 100_000 && closed.length === 0; sent += 100) {
    socket.push(Buffer.concat(new Array<Buffer>(100).fill(frame)));
    await turn();
    expect(socket.writableLength).toBeLessThan(2 * outboundBytesMax);
  }
  expect(closed).toEqual(['slow_reader']);
});
