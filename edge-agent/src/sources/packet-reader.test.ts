import { frame, publishFrame } from '@fogline/shared/broker/client-frames';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PacketReader } from './packet-reader.ts';

const large = 100_000;

/** Feeds the bytes in pieces that end at `cuts`; the packets as type, length of the body, its first bytes, and whether it was cut. */
function read(bytes: Buffer, cuts: readonly number[]): { packets: unknown[][]; isMqtt: boolean } {
  const packets: unknown[][] = [];
  const reader = new PacketReader(large, ({ type, flags, body, isCut }) =>
    packets.push([type, flags, body.length, body.toString('latin1', 0, 20), isCut]),
  );
  let isMqtt = true;
  let from = 0;
  for (const to of [...cuts, bytes.length].sort((a, b) => a - b)) {
    isMqtt &&= reader.feed(bytes.subarray(from, to));
    from = to;
  }
  return { packets, isMqtt };
}

it('cuts the same packets out of whatever pieces the bytes come in, those beyond the limit to their head', () => {
  const topic = 't'.repeat(3_000);
  const bytes = Buffer.concat([
    frame(0x20, [0, 0]),
    publishFrame('a/b', 'x', { qos: 1, id: 7 }),
    publishFrame(topic, Buffer.alloc(large * 3, 0x79), { qos: 1, id: 8 }),
    frame(0xd0),
    publishFrame('a/b', Buffer.alloc(large - 5, 0x7a)),
    publishFrame('c', Buffer.alloc(large * 2), { qos: 1, id: 9 }),
    publishFrame('d', 'last'),
  ]);
  const whole = read(bytes, []);
  expect(whole.isMqtt).toBe(true);
  expect(whole.packets.map(([type, , , , isCut]) => [type, isCut])).toEqual([
    [2, false],
    [3, false],
    [3, true],
    [13, false],
    [3, false],
    [3, true],
    [3, false],
  ]);
  const cut = fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 });
  fc.assert(
    fc.property(cut, (cuts) => {
      expect(read(bytes, cuts)).toEqual(whole);
    }),
    { numRuns: 300 },
  );
});

it('says so when it is no MQTT, and takes any bytes otherwise', () => {
  expect(read(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 1]), [3]).isMqtt).toBe(false);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void read(Buffer.from(bytes), [5, 9])));
});
