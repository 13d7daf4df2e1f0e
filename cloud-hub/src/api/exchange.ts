/**
 * Answers that stay open. An upgrade to WebSocket is routed as any other request, so it passes the same gate and is refused in the same
 * words; what takes the connection over answers for it from then on.
 */
import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { EventPort } from '../live/events.ts';

export interface Exchange {
  readonly lastEventId: string | undefined;
  /** Whether the caller would be let in now. */
  mayStay(): boolean;
  /** The connection, for server-sent events. It is taken over with the first write. */
  events(): EventPort;
  /** The connection, for what it is to become; undefined when the client did not ask for that. Taken over by `take`. */
  readonly upgrade: Upgrade | undefined;
  take(): void;
}

export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>();

export const isWebSocketUpgrade = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket';

/** Upgrades become requests like all others. */
export function routeUpgrades(
  server: Server,
  route: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // The other end may go away at any moment.
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(request);
    response.assignSocket(request.socket);
    response.shouldKeepAlive = false;
    response.on('finish', () => socket.end());
    upgrades.set(request, { request, socket, head });
    route(request, response);
  });
}

export function exchangeOf(
  request: IncomingMessage,
  response: ServerResponse,
  hooks: { take(): void; mayStay(): boolean },
): Exchange {
  const lastEventId = request.headers['last-event-id'];
  return {
    lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
    mayStay: () => hooks.mayStay(),
    events: () => eventPort(response, () => hooks.take()),
    upgrade: upgrades.get(request),
    take: () => hooks.take(),
  };
}

const eventHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // A proxy that gathered the answer would hold back what is live.
  'x-accel-buffering': 'no',
};

function eventPort(response: ServerResponse, take: () => void): EventPort {
  let isTaken = false;
  return {
    get isFull() {
      return response.writableNeedDrain;
    },
    get isClosed() {
      return response.destroyed || response.writableEnded;
    },
    write(text) {
      if (!isTaken) {
        isTaken = true;
        take();
        response.writeHead(200, eventHeaders);
      }
      response.write(text);
    },
    end() {
      if (isTaken) response.end();
    },
    onDrained: (listener) => void response.on('drain', listener),
    onClosed: (listener) => void response.once('close', listener),
  };
}
