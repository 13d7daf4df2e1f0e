/** As much of the NATS protocol as a consumer of JetStream needs: https://docs.nats.io/reference/reference-protocols/nats-protocol */
import { connect, type Socket } from 'node:net';
import { fail } from '../load/publisher-process.ts';

const lineEnd = 13;

export class NatsClient {
  readonly #socket: Socket;
  readonly #onMessage: (subject: string, reply: string, payload: string) => void;
  readonly #replies = new Map<string, (payload: string) => void>();
  #rest: Buffer = Buffer.alloc(0);
  #nextReply = 1;

  constructor(port: number, onMessage: (subject: string, reply: string, payload: string) => void) {
    this.#onMessage = onMessage;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', fail);
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.write('CONNECT {"verbose":false,"pedantic":false,"protocol":1}\r\nSUB reply.> 1\r\n');
  }

  subscribe(subject: string): void {
    this.#socket.write(`SUB ${subject} 2\r\n`);
  }

  publish(subject: string, payload: string, reply = ''): void {
    this.#socket.write(
      `PUB ${subject} ${reply}${reply === '' ? '' : ' '}${Buffer.byteLength(payload)}\r\n${payload}\r\n`,
    );
  }

  /** Throws when the answer is an error of JetStream. */
  async request(subject: string, body: object | null): Promise<Readonly<Record<string, unknown>>> {
    const reply = `reply.${this.#nextReply++}`;
    const answer = new Promise<string>((resolve) => void this.#replies.set(reply, resolve));
    this.publish(subject, body === null ? '' : JSON.stringify(body), reply);
    const parsed = JSON.parse(await answer) as Record<string, unknown>;
    if (parsed['error'] !== undefined) throw new Error(`${subject}: ${JSON.stringify(parsed['error'])}`);
    return parsed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const end = bytes.indexOf(lineEnd, at);
      if (end < 0 || end + 2 > bytes.length) break;
      const line = bytes.toString('latin1', at, end);
      if (!line.startsWith('MSG ')) {
        this.#control(line);
        at = end + 2;
        continue;
      }
      const words = line.split(' ');
      const payloadBytes = Number(words.at(-1));
      const next = end + 2 + payloadBytes + 2;
      if (next > bytes.length) break;
      this.#take(words, bytes.toString('latin1', end + 2, next - 2));
      at = next;
    }
    this.#rest = bytes.subarray(at);
  }

  #control(line: string): void {
    if (line === 'PING') this.#socket.write('PONG\r\n');
    else if (line.startsWith('-ERR')) fail(new Error(line));
  }

  /** MSG subject sid [reply] size */
  #take(words: readonly string[], payload: string): void {
    const subject = words[1] ?? '';
    const waiting = this.#replies.get(subject);
    if (waiting === undefined) this.#onMessage(subject, words.length === 5 ? (words[3] ?? '') : '', payload);
    else {
      this.#replies.delete(subject);
      waiting(payload);
    }
  }
}
