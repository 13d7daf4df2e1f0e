import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../random.ts';
import { FrameCutter } from './frame-cutter.ts';
import {
  connectFrame,
  disconnectFrame,
  frame,
  pingFrame,
  publishFrame,
  subscribeFrame,
} from './testing/wire-client.ts';

/** Feeds the pieces and returns the frames, and the status at which it stopped. */
function cut(pieces: readonly Buffer[], frameBytesMax = 10_000): { frames: string[]; status: string } {
  const cutter = new FrameCutter(frameBytesMax);
  const frames: string[] = [];
  let status: string = 'more';
  for (const piece of pieces) {
    cutter.feed(piece);
    for (status = cutter.peek(); status === 'frame'; status = cutter.peek()) {
      frames.push(cutter.buffer.toString('hex', cutter.start, cutter.end));
      cutter.consume();
    }
  }
  return { frames, status };
}

const anyFrame = fc.oneof(
  fc.constant(pingFrame),
  fc.constant(disconnectFrame),
  fc.string({ maxLength: 20 }).map((clientId) => connectFrame({ clientId })),
  fc.constant(subscribeFrame(3, ['a/#', 1])),
  fc
    .tuple(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(0 as const, 1 as const, 2 as const))
    .map(([payload, qos]) => publishFrame('a/b', Buffer.from(payload), { qos, id: 7 })),
);

describe('FrameCutter', () => {
  it('finds the same frames however the bytes are cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 90 })), (frames, sizes) => {
        const bytes = Buffer.concat(frames);
        const pieces: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % Math.max(1, sizes.length)] ?? 1;
          pieces.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(cut(pieces)).toEqual({ frames: frames.map((one) => one.toString('hex')), status: 'more' });
      }),
      { numRuns: 300 },
    );
  });

  it('hands out every frame of pieces that were queued before it was asked', () => {
    const cutter = new FrameCutter(1_000);
    const bytes = Buffer.concat([publishFrame('t', 'one'), publishFrame('t', 'two'), pingFrame]);
    for (const byte of bytes) cutter.feed(Buffer.from([byte]));
    let count = 0;
    while (cutter.peek() === 'frame') {
      count++;
      cutter.consume();
    }
    expect(count).toBe(3);
    expect(cutter.bufferedBytes).toBe(0);
  });

  it('refuses an oversized frame from its fixed header, before any of its body came', () => {
    expect(cut([Buffer.from([0x30, 0xff, 0xff, 0x7f])], 256 * 1_024).status).toBe('frame_too_large');
    expect(cut([Buffer.from([0x30, 0xff]), Buffer.from([0xff]), Buffer.from([0x7f])], 1_024).status).toBe(
      'frame_too_large',
    );
    const largest = publishFrame('t', 'x'.repeat(1_000));
    expect(cut([largest], largest.length)).toMatchObject({ status: 'more', frames: [largest.toString('hex')] });
    expect(cut([largest], largest.length - 1)).toEqual({ frames: [], status: 'frame_too_large' });
  });

  it.each([
    ['five length bytes', [0x30, 0xff, 0xff, 0xff, 0xff], 'malformed_length'],
    ['QoS 3', [0x36], 'malformed_header'],
    ['DUP without QoS', [0x38], 'malformed_header'],
    ['a server packet', [0x20], 'malformed_header'],
    ['AUTH', [0xf0], 'malformed_header'],
    ['SUBSCRIBE with wrong flags', [0x80], 'malformed_header'],
    ['PINGREQ with flags', [0xc1], 'malformed_header'],
    ['PINGREQ with a body', [0xc0, 1], 'malformed_length'],
    ['PUBACK with three bytes', [0x40, 3], 'malformed_length'],
    ['an HTTP request', [...Buffer.from('GET / HTTP/1.1\r\n\r\n')], 'malformed_header'],
    ['a TLS hello', [0x16, 3, 1, 2, 0], 'malformed_header'],
  ])('refuses %s', (_what, bytes, status) => {
    expect(cut([Buffer.from(bytes)]).status).toBe(status);
    expect(cut(bytes.map((byte) => Buffer.from([byte]))).status).toBe(status);
  });

  it('keeps memory in proportion to what came, not to what a header announces', () => {
    const cutter = new FrameCutter(268_435_460);
    cutter.feed(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0]));
    expect(cutter.peek()).toBe('more');
    expect(cutter.bufferedBytes).toBe(6);
  });

  it('survives seeded garbage in random pieces: only whole frames within the limit, or a refusal that stays', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = new SeededRandom(seed);
      const cutter = new FrameCutter(300);
      let isRefused = false;
      for (let piece = 0; piece < 40; piece++) {
        const bytes = Buffer.from(random.bytes(random.below(60)));
        // Half of the garbage begins like a packet.
        if (bytes.length > 1 && random.chance(0.5)) bytes.set(frame(0x32, [0, 1, 97, 0, 1]).subarray(0, bytes.length));
        cutter.feed(bytes);
        let status = cutter.peek();
        while (status === 'frame') {
          expect(isRefused, `seed ${seed}`).toBe(false);
          expect(cutter.end - cutter.start, `seed ${seed}`).toBeLessThanOrEqual(300);
          expect(cutter.bodyStart, `seed ${seed}`).toBeLessThanOrEqual(cutter.end);
          cutter.consume();
          status = cutter.peek();
        }
        isRefused ||= status !== 'more';
        if (!isRefused) expect(cutter.bufferedBytes, `seed ${seed}`).toBeLessThanOrEqual(300);
      }
    }
  });
});
