import fc from 'fast-check';
import { expect, it } from 'vitest';
import { messageOf } from '../testing/take.ts';
import { FrameWriter } from './mqtt-frames.ts';
import type { Qos } from './wire.ts';

function publish(writer: FrameWriter, topic: string, payload: string, qos: Qos, packetId: number): Buffer {
  const from = writer.at;
  writer.beginPublish(qos);
  writer.text(topic);
  writer.endTopic(packetId);
  writer.text(payload);
  writer.endPublish();
  return Buffer.from(writer.bytes.subarray(from, writer.at));
}

it('writes publishes of any length one after the other, each with the shortest length field', () => {
  const writer = new FrameWriter();
  const qos = fc.constantFrom<Qos>(0, 1, 2);
  const property = fc.property(
    fc.string({ maxLength: 300, unit: 'grapheme' }),
    fc.nat(20_000),
    qos,
    (text, length, level) => {
      const topic = `t/${text}`;
      const payload = 'x'.repeat(length);
      const frame = publish(writer, topic, payload, level, 0x1234);
      const body = 2 + Buffer.byteLength(topic) + (level > 0 ? 2 : 0) + length;
      const header = body < 0x80 ? 2 : body < 0x4000 ? 3 : 4;
      expect(frame.length).toBe(header + body);
      expect(frame[0]).toBe(0x30 | (level << 1));
      expect(messageOf(frame)).toEqual({ topic, payload });
      if (level > 0) expect(frame.readUInt16BE(header + 2 + Buffer.byteLength(topic))).toBe(0x1234);
    },
  );
  fc.assert(property, { numRuns: 300 });
});

it.each([126, 127, 128, 129, 16_382, 16_383, 16_384, 2_097_151, 2_097_152])(
  'tells a remaining length of about %i to the byte',
  (length) => {
    const writer = new FrameWriter();
    for (const size of [length, 5, length]) {
      const frame = publish(writer, 't', 'x'.repeat(size - 3), 0, 0);
      let [told, at, factor] = [0, 1, 1];
      for (; (frame[at] ?? 0) >= 0x80; at++, factor *= 128) told += ((frame[at] ?? 0) & 0x7f) * factor;
      told += (frame[at] ?? 0) * factor;
      expect(told).toBe(size);
      expect(frame.length).toBe(at + 1 + size);
    }
  },
);

it('writes the other packets as the standard has them', () => {
  const bytesOf = (write: (writer: FrameWriter) => void): string => {
    const writer = new FrameWriter();
    write(writer);
    return writer.bytes.toString('hex', 0, writer.at);
  };
  expect(bytesOf((writer) => writer.connect({ clientId: 'ab', keepaliveSeconds: 10 }))).toBe(
    '100e00044d5154540402000a00026162',
  );
  expect(
    bytesOf((writer) => writer.connect({ clientId: 'a', username: 'u', password: 'pw', keepaliveSeconds: 0 })),
  ).toBe('101400044d51545404c2000000016100017500027077');
  expect(bytesOf((writer) => writer.subscribe(0xffff, ['a/+', 'b'], 1))).toBe('820cffff0003612f2b0100016201');
  expect(bytesOf((writer) => writer.puback(258))).toBe('40020102');
  expect(bytesOf((writer) => writer.pubrel(258))).toBe('62020102');
  expect(bytesOf((writer) => writer.ping())).toBe('c000');
  expect(bytesOf((writer) => writer.disconnect())).toBe('e000');
});
