/** MessagePack that no agent sends: what a decoder must refuse at once, whatever it claims to be. */

const u32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

/** Extensions 0x69 and 0x70 of msgpackr: an array of arrays, each holding the one before twice. Anything that prints it takes 2^levels steps. */
function sharedReferences(levels: number): Uint8Array {
  const bytes = [0xdc, (levels + 1) >> 8, (levels + 1) & 255, 0xd6, 0x69, ...u32(0), 0x91, 1];
  for (let level = 1; level <= levels; level++) {
    const pointer = [0xd6, 0x70, ...u32(level - 1)];
    bytes.push(0xd6, 0x69, ...u32(level), 0x92, ...pointer, ...pointer);
  }
  // One value too many: the reader says what it has read.
  return Uint8Array.from([...bytes, 1]);
}

const filled = (head: readonly number[], byte: number, count: number): Uint8Array =>
  Buffer.concat([Uint8Array.from(head), Buffer.alloc(count, byte)]);

/** By what they are. */
export const hostileMessages: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(0),
  text: Buffer.from('{"temp":1}'),
  'a number': Uint8Array.of(1),
  'an empty array': Uint8Array.of(0x90),
  'a map': Uint8Array.of(0x81, 0xa1, 0x61, 1),
  'a map that names __proto__': Buffer.concat([
    Uint8Array.of(0x81, 0xa9),
    Buffer.from('__proto__'),
    Uint8Array.of(0x81, 0xa1, 0x61, 1),
  ]),
  'a map in place of the agent, with a toString of its own': Buffer.concat([
    Uint8Array.of(0x92, 1, 0x81, 0xa8),
    Buffer.from('toString'),
    Uint8Array.of(1),
  ]),
  'an array of 2^32 entries': Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1),
  'an array of 2^24 entries': filled([0xdd, 0x01, 0, 0, 0], 0xc0, 10),
  'text of 2^32 bytes': Uint8Array.of(0x92, 1, 0xdb, 0xff, 0xff, 0xff, 0xff, 65),
  'binary of 2^32 bytes': Uint8Array.of(0x92, 1, 0xc6, 0xff, 0xff, 0xff, 0xff, 65),
  'nesting of a million': filled([0x92, 1], 0x91, 1_000_000),
  'a million empty arrays': filled([0xdd, ...u32(1_000_000)], 0x90, 1_000_000),
  'a million empty maps': filled([0xdd, ...u32(1_000_000)], 0x80, 1_000_000),
  'shared references': sharedReferences(60),
  'a reference to nothing': Uint8Array.of(0x92, 1, 0xd6, 0x70, ...u32(7)),
  'a reference to itself': Uint8Array.of(0x92, 1, 0xd6, 0x69, ...u32(0), 0x91, 0xd6, 0x70, ...u32(0)),
  'a record definition': Uint8Array.of(0x92, 1, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1),
  'a record of 500,000 fields': Buffer.concat([
    filled([0x92, 1, 0xd4, 0x72, 0x40, 0xdd, ...u32(500_000)], 0xa0, 500_000),
    Buffer.alloc(500_000, 1),
  ]),
  'bundled strings that reach backwards': Uint8Array.of(0x92, 1, 0xd6, 0x62, 0xff, 0xff, 0xff, 0xff, 0xa0, 0xa0),
  'a bigint of a megabyte': filled([0x92, 1, 0xc9, ...u32(1_000_000), 0x42], 0xff, 1_000_000),
  'a regular expression': Buffer.concat([
    Uint8Array.of(0x92, 1, 0xd4, 0x78, 0, 0x92, 0xab),
    Buffer.from('(a+)+(a+)+$'),
    Uint8Array.of(0xa0),
  ]),
  'a date': Uint8Array.of(0x92, 1, 0xd6, 0xff, ...u32(1)),
  'a set': Uint8Array.of(0x92, 1, 0xd4, 0x73, 0, 0x91, 1),
  'an error': Uint8Array.of(0x92, 1, 0xd4, 0x65, 0, 0x92, 0xa1, 0x61, 0xa1, 0x62),
  'an unknown extension': Uint8Array.of(0x92, 1, 0xd4, 0x01, 0),
  'a version to come': Uint8Array.of(0x92, 2, 0xa1, 0x61),
  'a version of NaN': Uint8Array.of(0x92, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0, 0xa1, 0x61),
  'more than a megabyte': filled([0x92, 1, 0xc6, ...u32(1024 * 1024)], 0, 1024 * 1024),
};
