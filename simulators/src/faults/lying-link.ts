/**
 * A planted bug: something between agent and hub that swallows batches and acks them in the hub's name. No ack of the real hub means
 * that, so a harness that does not notice what is missing proves nothing.
 */
import { createServer, type Socket, connect as tcpConnect } from 'node:net';
import { loopback } from '../demo/ports.ts';

export interface LyingLink {
  readonly port: number;
  /** Batches swallowed so far. */
  readonly swallowed: number;
  /** Swallows so many more batches. */
  swallow(batches: number): void;
  /** Swallows no more from here on. */
  beHonest(): void;
  close(): Promise<void>;
}

const publish = 3;

/** Swallows the first `batches` batches, then is honest. */
export async function openLyingLink(hubPort: number, batches: number): Promise<LyingLink> {
  let toSwallow = batches;
  let swallowed = 0;
  const sockets = new Set<Socket>();
  const server = createServer((agent) => {
    const hub = tcpConnect(hubPort, loopback);
    let rest: Buffer = Buffer.alloc(0);
    for (const [socket, other] of [
      [agent, hub],
      [hub, agent],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    hub.on('data', (bytes: Buffer) => agent.write(bytes));
    agent.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      for (let packet = firstPacket(rest); packet !== undefined; packet = firstPacket(rest)) {
        rest = rest.subarray(packet.length);
        const id = toSwallow > 0 ? batchId(packet) : undefined;
        if (id === undefined) {
          hub.write(packet);
          continue;
        }
        toSwallow--;
        swallowed++;
        agent.write(Buffer.from([0x40, 2, id >> 8, id & 0xff]));
      }
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, loopback, resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get swallowed() {
      return swallowed;
    },
    swallow(batches) {
      toSwallow += batches;
    },
    beHonest() {
      toSwallow = 0;
    },
    async close() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A whole MQTT packet at the beginning of `bytes`. */
function firstPacket(bytes: Buffer): Buffer | undefined {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const digit = bytes[at];
    if (digit === undefined) return undefined;
    length += (digit & 0x7f) * 128 ** (at - 1);
    if (digit < 0x80) return bytes.length < at + 1 + length ? undefined : bytes.subarray(0, at + 1 + length);
  }
  throw new Error('this is not MQTT');
}

/** The packet id of a PUBLISH of a batch. */
function batchId(packet: Buffer): number | undefined {
  if ((packet[0] ?? 0) >> 4 !== publish) return undefined;
  let at = 1;
  while ((packet[at] ?? 0) >= 0x80) at++;
  const topicEnd = at + 3 + packet.readUInt16BE(at + 1);
  return packet.toString('utf8', at + 3, topicEnd).endsWith('/batch') ? packet.readUInt16BE(topicEnd) : undefined;
}
