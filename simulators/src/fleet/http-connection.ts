/**
 * Line protocol by HTTP POST as a wire: one request at a time a lane, the lines that gathered meanwhile in the next. 2xx is the ack of all
 * lines of a request; 4xx (but 408 and 429) is a refusal, and anything else ends the connection, so that the lane tries again.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Session, SessionEvents, Wire } from './wire.ts';

export interface HttpWireOptions {
  readonly url: string;
  readonly token?: string;
}

const requestTimeoutMs = 30_000;

export function createHttpWire(options: HttpWireOptions): Wire {
  const url = new URL(options.url);
  const isTls = url.protocol === 'https:';
  const agent = new (isTls ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: Infinity });
  const send = isTls ? httpsRequest : httpRequest;
  return {
    framing: 'lines',
    connect: (_clientId, events) => new HttpSession({ url, agent, send, token: options.token }, events),
    close: () => agent.destroy(),
  };
}

interface Target {
  readonly url: URL;
  readonly agent: HttpAgent;
  readonly send: typeof httpRequest;
  readonly token: string | undefined;
}

class HttpSession implements Session {
  readonly #target: Target;
  readonly #events: SessionEvents;
  #waiting: Buffer[] = [];
  #mark = 0;
  #isBusy = false;
  #isEnded = false;

  constructor(target: Target, events: SessionEvents) {
    this.#target = target;
    this.#events = events;
    // There is nothing to connect before there is something to send.
    setImmediate(() => {
      if (!this.#isEnded) events.onOpen();
    });
  }

  write(bytes: Buffer, mark: number): void {
    this.#waiting.push(bytes);
    this.#mark = mark;
    if (!this.#isBusy) this.#post();
  }

  subscribe(): void {
    throw new Error('nothing is heard over HTTP');
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    setImmediate(() => this.#events.onClosed('closed'));
  }

  #post(): void {
    const { url, agent, send, token } = this.#target;
    const body = Buffer.concat(this.#waiting);
    const mark = this.#mark;
    this.#waiting = [];
    this.#isBusy = true;
    const headers = {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': body.length,
      ...(token === undefined ? {} : { authorization: `Token ${token}` }),
    };
    const request = send(url, { method: 'POST', agent, headers, timeout: requestTimeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        if (text.length < 300) text += piece;
      });
      response.on('end', () => this.#answered(mark, response.statusCode ?? 0, text));
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', (error) => this.#close(error.message));
    request.end(body);
  }

  #answered(mark: number, status: number, text: string): void {
    if (this.#isEnded) return;
    const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 429;
    if (status >= 200 && status < 300) this.#events.onWritten(mark);
    else if (isFinal) this.#events.onRefused(mark, `answered ${status}: ${text.slice(0, 200)}`);
    else {
      this.#close(`answered ${status}`);
      return;
    }
    this.#isBusy = false;
    if (this.#waiting.length > 0) this.#post();
  }

  #close(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#events.onClosed(reason);
  }
}
