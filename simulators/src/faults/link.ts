/**
 * A TCP link between two real processes that can be made as bad as real ones are. What is forwarded is forwarded unchanged
 * and in order; every byte is counted when it is handed to the far side. Faults are commands, so that a script, a seed or a
 * test decides when they happen. MQTT is understood as far as it takes to hit inside a packet; other protocols pass as well. Memory is bounded: a direction that cannot get rid of its bytes stops reading.
 */
import { createServer, type Server, connect as tcpConnect } from 'node:net';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { LinkConnection } from './link-connection.ts';
import { type CutMode, type Direction, LinkWeather, type PacketCut } from './link-weather.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface LinkOptions {
  /** Port 0 lets the system choose. */
  readonly listen: Endpoint;
  readonly to: Endpoint;
  readonly clock: Clock;
}

export interface LinkStats {
  /** Bytes of TCP payload handed to the target. */
  readonly bytesUp: number;
  /** Bytes of TCP payload handed to the clients. */
  readonly bytesDown: number;
  /** Connections accepted so far. */
  readonly accepted: number;
  readonly refused: number;
  /** Connections cut by a command. */
  readonly cut: number;
  /** Connections that are open now, silenced ones included. */
  readonly open: number;
}

export interface Link {
  readonly port: number;
  stats(): LinkStats;
  /** Ends all connections now: `rst` resets both sides, `fin` closes them as a process that ends would. */
  cut(mode: CutMode): void;
  /** Ends the connection over which, from now on, byte number `bytes` of this direction passes; that byte still arrives, the next does not. */
  cutAfter(direction: Direction, bytes: number, mode: CutMode): void;
  /** Ends the connection in the middle of a packet, the n-th of its kind from now on over all connections. */
  cutInside(direction: Direction, cut: PacketCut): void;
  /** Forwards nothing in either direction for so long. Connections stay, buffers fill, nothing is lost. */
  stall(ms: number): void;
  /** The connections of this moment go silent for ever: what arrives is swallowed, no side is told. New ones work. */
  halfOpen(): void;
  /** Resets every new connection for so long. */
  refuse(ms: number): void;
  /** One-way delay of every byte from now on. */
  setDelay(ms: number): void;
  /** Hands over at most so many bytes at once, each piece by itself, from now on; Infinity = as they come. */
  setSlices(bytes: number): void;
  /** Bytes per second in each direction, over all connections; Infinity = unlimited. */
  setRate(bytesPerSecond: number): void;
  close(): Promise<void>;
}

/** Throws `address_in_use` when it cannot listen. */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { clock } = options;
  const weather = new LinkWeather(clock);
  const connections = new Set<LinkConnection>();
  const counts = { accepted: 0, refused: 0, cut: 0 };
  let isRefusing = false;
  let refuseTimer: { cancel(): void } | undefined;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (isRefusing) {
      counts.refused++;
      client.on('error', () => client.destroy());
      client.resetAndDestroy();
      return;
    }
    counts.accepted++;
    const target = tcpConnect({ ...options.to, allowHalfOpen: true, noDelay: true });
    const connection = new LinkConnection(client, target, weather, {
      onCut: () => counts.cut++,
      onClosed: () => connections.delete(connection),
    });
    connections.add(connection);
  });
  const port = await listen(server, options.listen);
  return {
    port,
    stats: () => ({ ...counts, bytesUp: weather.up.bytes, bytesDown: weather.down.bytes, open: connections.size }),
    cut(mode) {
      for (const connection of connections) connection.cut(mode);
    },
    cutAfter: (direction, bytes, mode) => weather.armCut(direction, bytes, mode),
    cutInside: (direction, cut) => weather.armPacketCut(direction, cut),
    stall: (ms) => weather.stall(ms),
    halfOpen() {
      for (const connection of connections) connection.silence();
    },
    refuse(ms) {
      isRefusing = true;
      refuseTimer?.cancel();
      refuseTimer = clock.after('link refuse', ms, () => {
        isRefusing = false;
      });
    },
    setDelay: (ms) => weather.setDelay(ms),
    setSlices: (bytes) => weather.setSlices(bytes),
    setRate: (bytesPerSecond) => weather.setRate(bytesPerSecond),
    async close() {
      refuseTimer?.cancel();
      weather.close();
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      for (const connection of connections) connection.destroy();
      await closed;
    },
  };
}

async function listen(server: Server, { host, port }: Endpoint): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'address_in_use' : 'unavailable';
      reject(new FoglineError(code, `cannot listen on ${host}:${port}: ${messageOf(error)}`, { cause: error }));
    });
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
