/**
 * Bodies of requests, inflated, within a limit each and a limit together. What is too large is refused from its header or as soon as it is
 * seen, and the rest of it is let go by unread, so that the client hears why.
 */
import type { IncomingMessage } from 'node:http';
import { gunzip } from 'node:zlib';
import { BodyBuffers, sharedBodyBytesMax } from './body-buffers.ts';

export type BodyProblem = 'too_large' | 'busy' | 'junk_gzip' | 'unknown_encoding' | 'gone';
export type Body = { readonly bytes: Buffer } | { readonly problem: BodyProblem };

/** Of what is too large, so much more is read and let go by; beyond it the connection is closed. */
const unreadBytesMax = 256 * 1024 * 1024;

export interface BodyLimits {
  /** Of one body, inflated. */
  readonly bodyBytesMax: number;
  /** Of all that are being received, inflated or read; beyond it a body is refused as `busy`. */
  readonly bodiesBytesMax: number;
}

export class BodyReader {
  readonly #limits: BodyLimits;
  readonly #buffers = new BodyBuffers();
  #heldBytes = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** Bytes that are held for bodies; each is held until `release`. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Never rejects. What it yields is held until `release`. */
  async read(request: IncomingMessage): Promise<Body> {
    const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
    if (encoding !== 'identity' && encoding !== 'gzip') return this.#refuse(request, 'unknown_encoding');
    const { bodyBytesMax } = this.#limits;
    if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax) return this.#refuse(request, 'too_large');
    const received = await this.#receive(request);
    if (!('bytes' in received) || encoding === 'identity') return received;
    return this.#inflate(received.bytes);
  }

  release(bytes: Buffer): void {
    this.#heldBytes -= bytes.length;
    this.#buffers.give(bytes);
  }

  #receive(request: IncomingMessage): Promise<Body> {
    const { bodyBytesMax, bodiesBytesMax } = this.#limits;
    const announced = Number(request.headers['content-length'] ?? Number.NaN);
    return new Promise((resolve) => {
      const whole = announced <= sharedBodyBytesMax ? this.#buffers.take(announced) : undefined;
      const chunks: Buffer[] = [];
      let length = 0;
      const settle = (body: Body): void => {
        request.off('data', take).off('end', end).off('close', close);
        if (!('bytes' in body)) {
          this.#heldBytes -= length;
          if (whole !== undefined) this.#buffers.give(whole);
        }
        resolve(body);
      };
      const take = (chunk: Buffer): void => {
        if (whole === undefined) chunks.push(chunk);
        else chunk.copy(whole, length);
        length += chunk.length;
        this.#heldBytes += chunk.length;
        const problem = length > bodyBytesMax ? 'too_large' : this.#heldBytes > bodiesBytesMax ? 'busy' : undefined;
        if (problem === undefined) return;
        settle({ problem });
        passBy(request);
      };
      const end = (): void => settle({ bytes: whole ?? Buffer.concat(chunks, length) });
      const close = (): void => settle({ problem: 'gone' });
      request.on('data', take).on('end', end).on('close', close);
    });
  }

  #inflate(bytes: Buffer): Promise<Body> {
    const { bodyBytesMax, bodiesBytesMax } = this.#limits;
    // What it may become is held while it is not known what it becomes.
    if (this.#heldBytes + bodyBytesMax > bodiesBytesMax + bytes.length) {
      this.#heldBytes -= bytes.length;
      return Promise.resolve({ problem: 'busy' });
    }
    this.#heldBytes += bodyBytesMax;
    return new Promise((resolve) => {
      gunzip(bytes, { maxOutputLength: bodyBytesMax }, (error, inflated) => {
        this.#heldBytes += (error === null ? inflated.length : 0) - bodyBytesMax - bytes.length;
        this.#buffers.give(bytes);
        if (error === null) resolve({ bytes: inflated });
        else resolve({ problem: codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'junk_gzip' });
      });
    });
  }

  #refuse(request: IncomingMessage, problem: BodyProblem): Promise<Body> {
    passBy(request);
    return Promise.resolve({ problem });
  }
}

/** Reads what is left of a request and keeps nothing, so that the client, which may still be sending, comes to hear the answer. */
export function passBy(request: IncomingMessage): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > unreadBytesMax) request.destroy();
  });
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
