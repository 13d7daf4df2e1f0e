import { expect, test } from 'vitest';
import { connectFrame, FrameRing } from './frames.ts';

/** A reader of its own: fixed header, topic, packet id, payload. */
function read(frame: Buffer): { topic: string; id: number; payload: unknown } {
  expect(frame[0]).toBe(0x32);
  expect(frame[1]).toBe(frame.length - 2);
  const topicEnd = 4 + frame.readUInt16BE(2);
  const payload: unknown = JSON.parse(frame.toString('utf8', topicEnd + 2));
  return { topic: frame.toString('utf8', 4, topicEnd), id: frame.readUInt16BE(topicEnd), payload };
}

test('a patched frame carries exactly the id, value and time it was given', () => {
  const ring = new FrameRing(['mote-0007'], 3);
  for (const hundredths of [0, 1, 5, 99, 100, 999, 1000, 1234, 9999, 10_000, 99_999, -1, -99, -100, -999, -9999]) {
    for (const timeMs of [1_000_000_000_000, 1_795_159_166_018, 9_999_999_999_999]) {
      ring.patch(1, 65_535, hundredths, timeMs);
      expect(read(ring.frames[1] as Buffer)).toEqual({
        topic: 'sensors/mote-0007/climate',
        id: 65_535,
        payload: { device: 'mote-0007', temperature: hundredths / 100, ts: timeMs },
      });
    }
  }
});

test('patching one slot leaves its neighbours as they were', () => {
  const ring = new FrameRing(['a1', 'a2'], 4);
  for (let slot = 0; slot < 4; slot++) ring.patch(slot, slot + 1, slot * 111, 1_700_000_000_000 + slot);
  const before = Buffer.from(ring.span(0, 4));
  ring.patch(2, 9, 9, 1_700_000_000_009);
  const { frameBytes } = ring;
  expect(ring.span(0, 2)).toEqual(before.subarray(0, 2 * frameBytes));
  expect(ring.span(3, 1)).toEqual(before.subarray(3 * frameBytes));
});

test('the slots of a ring belong to its devices in turn', () => {
  const ring = new FrameRing(['a1', 'a2'], 4);
  for (let slot = 0; slot < 4; slot++) ring.patch(slot, 1, 0, 1_700_000_000_000);
  const topics = ring.frames.map((frame) => read(frame).topic);
  expect(topics).toEqual(['sensors/a1/climate', 'sensors/a2/climate', 'sensors/a1/climate', 'sensors/a2/climate']);
});

test('names that would make frames of different length are refused', () => {
  expect(() => new FrameRing(['a1', 'a22'], 2)).toThrow(RangeError);
});

test('a CONNECT tells the length of what follows and of the client id', () => {
  const frame = connectFrame('mote-1');
  expect(frame[1]).toBe(frame.length - 2);
  expect(frame.toString('utf8', frame.length - 6)).toBe('mote-1');
  expect(frame.readUInt16BE(frame.length - 8)).toBe(6);
});
