/**
 * Viewers of a hub, as a process of their own: by turns server-sent events and WebSockets, each of the series of one agent. Some read
 * everything, the others are open and never read. Says `ready` when all are open and those that read have seen current values, counts from a
 * line `go` on, and says after a line `rest` what came.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { parseOptions } from '@fogline/shared/cli-options';
import { pause } from '../kit/running.ts';
import { liveMetric, senderNames } from '../load/batch-sender.ts';
import { fail } from '../load/publisher-process.ts';

const options = {
  port: { type: 'port', isRequired: true, help: 'of the API of the hub' },
  count: { type: 'integer', default: 200, help: 'viewers' },
  frozen: { type: 'integer', default: 100, help: 'of them, that never read' },
} as const;

const comeBackMs = 1_000;
const beatMs = 5_000;
const pollMs = 20;

export interface Viewed {
  /** Of viewers that read. */
  readonly bytes: number;
  /** Of the one that got least. */
  readonly leastBytes: number;
  /** Frozen ones that the hub cut off, and that came back. */
  readonly cutOff: number;
}

class Viewer {
  bytes = 0;
  cutOff = 0;

  /** Of a WebSocket: after its handshake it is sent what it subscribes. `isFrozen`: nothing is read after what opens it. */
  async open(port: number, path: string, isFrozen: boolean, subscribe?: string): Promise<void> {
    const upgrade =
      subscribe === undefined
        ? ''
        : 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${upgrade}\r\n`);
    await new Promise<void>((resolve) => {
      socket.once('data', (head: Buffer) => {
        const expected = subscribe === undefined ? 'HTTP/1.1 200' : 'HTTP/1.1 101';
        if (!head.toString('latin1').startsWith(expected)) fail(new Error(`${path}: ${head.toString('latin1')}`));
        if (subscribe !== undefined) socket.write(textFrame(subscribe));
        resolve();
      });
    });
    if (isFrozen) socket.pause();
    else socket.on('data', (piece: Buffer) => (this.bytes += piece.length));
    // A pong that nobody asked for tells the hub that this one is there, too.
    const beat = setInterval(() => subscribe !== undefined && !isFrozen && socket.write(pong), beatMs);
    socket.on('close', () => {
      clearInterval(beat);
      if (!isFrozen) fail(new Error(`${path}: the hub closed a viewer that reads`));
      this.cutOff++;
      setTimeout(() => void this.open(port, path, isFrozen, subscribe), comeBackMs);
    });
  }
}

/** Of a client: masked, here with zeros. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

const pong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

async function main(): Promise<void> {
  const { port, count, frozen } = parseOptions(process.argv.slice(2), options).values;
  const readers: Viewer[] = [];
  const others: Viewer[] = [];
  for (let index = 0; index < count; index++) {
    const viewer = new Viewer();
    const match = `${liveMetric}{agent="${senderNames[index % senderNames.length]}"}`;
    const isFrozen = index < frozen;
    const isSocket = index % 2 === 1;
    const path = isSocket ? '/api/v1/ws' : `/api/v1/stream?match=${encodeURIComponent(match)}`;
    await viewer.open(port, path, isFrozen, isSocket ? JSON.stringify({ subscribe: 'v', match }) : undefined);
    (isFrozen ? others : readers).push(viewer);
  }
  while (readers.some(({ bytes }) => bytes === 0)) await pause(pollMs);
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'go') for (const viewer of [...readers, ...others]) viewer.bytes = viewer.cutOff = 0;
    if (line !== 'rest') continue;
    const bytes = readers.map((viewer) => viewer.bytes);
    const viewed: Viewed = {
      bytes: bytes.reduce((sum, own) => sum + own, 0),
      leastBytes: Math.min(...bytes),
      cutOff: others.reduce((sum, { cutOff }) => sum + cutOff, 0),
    };
    console.log(`result ${JSON.stringify(viewed)}`);
  }
}

if (import.meta.main) await main();
