/**
 * Memory of bodies of requests, used again. A body that is gathered from chunks keeps them alive until it is whole, long enough to be taken for
 * old by the collector, which then lets tens of megabytes of them lie. Copied into a buffer as they come, chunks die young.
 */

/** A longer body gets memory of its own. */
export const sharedBodyBytesMax = 128 * 1024;
const freeBuffersMax = 32;

export class BodyBuffers {
  readonly #free: ArrayBufferLike[] = [];

  /** Of `length` bytes, at most `sharedBodyBytesMax`; with what was in it before. */
  take(length: number): Buffer {
    return Buffer.from(this.#free.pop() ?? Buffer.allocUnsafeSlow(sharedBodyBytesMax).buffer, 0, length);
  }

  /** Nobody looks at it any more. Takes buffers of other origin as well. */
  give(bytes: Buffer): void {
    const isOurs = bytes.buffer.byteLength === sharedBodyBytesMax && bytes.byteOffset === 0;
    if (isOurs && this.#free.length < freeBuffersMax) this.#free.push(bytes.buffer);
  }
}
