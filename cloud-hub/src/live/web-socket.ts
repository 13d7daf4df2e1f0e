/**
 * The only file that imports `ws`. Messages are small and uncompressed; a client that does not read is not written to beyond a few
 * frames; one that does not answer a farewell is cut off.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '@fogline/shared/clock';
import { WebSocketServer } from 'ws';
import type { SocketPort } from './socket-session.ts';

const limits = {
  messageBytesMax: 16 * 1024,
  /** Above it a client counts as slow, below the other as reading again. */
  fullBytes: 64 * 1024,
  drainedBytes: 16 * 1024,
  farewellMs: 2_000,
} as const;

/** Browsers cannot send a header with a WebSocket: they offer this, and `fogline.bearer.TOKEN` beside it. */
export const subprotocol = 'fogline.v1';

export class WebSockets {
  readonly #clock: Clock;
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    maxPayload: limits.messageBytesMax,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Answers the handshake; `onOpen` gets the socket, unless the handshake was malformed, which is answered too. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, onOpen: (port: SocketPort) => void): void {
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      let isFull = false;
      let drained: () => void = () => undefined;
      const sent = (): void => {
        if (!isFull || ws.bufferedAmount > limits.drainedBytes) return;
        isFull = false;
        drained();
      };
      // What is wrong with a frame closes the socket; there is nothing else to do.
      ws.on('error', () => undefined);
      onOpen({
        get isFull() {
          return isFull || ws.readyState !== ws.OPEN;
        },
        send(text) {
          if (ws.readyState !== ws.OPEN) return;
          ws.send(text, sent);
          if (ws.bufferedAmount > limits.fullBytes) isFull = true;
        },
        ping: () => {
          if (ws.readyState === ws.OPEN) ws.ping();
        },
        close: (code, reason) => {
          ws.close(code, reason.slice(0, 120));
          const cut = this.#clock.after('live.farewell', limits.farewellMs, () => ws.terminate());
          ws.once('close', () => cut.cancel());
        },
        terminate: () => ws.terminate(),
        onMessage: (listener) =>
          void ws.on('message', (data) => listener(Buffer.from(data as Buffer).toString('utf8'))),
        onPong: (listener) => void ws.on('pong', listener),
        onDrained: (listener) => {
          drained = listener;
        },
        onClosed: (listener) => void ws.once('close', listener),
      });
    });
  }

  /** At once. */
  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }
}
