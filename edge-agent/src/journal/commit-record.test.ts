import { describe, expect, it } from 'vitest';
import { blockOf, type CommitRecord, decodeCommit, encodeCommit } from './commit-record.ts';

const record: CommitRecord = {
  epochId: 3,
  now: 1_767_225_600_123,
  inputs: [{ source: 'climate', hasSourceTime: true, bytes: Uint8Array.of(1, 2, 3) }],
  outputs: [
    { lane: 2, kind: 'readings', first: 7, last: 9, hours: [490_896, 3], input: 0, bytes: null },
    { lane: 1, kind: 'windows', first: 1, last: 1, hours: [490_896, 1], input: -1, bytes: Uint8Array.of(9) },
  ],
  seals: [{ lane: 2, first: 5, last: 9, crc: 0xdeadbeef }],
  counted: [['repeat', 2]],
  actions: [
    {
      id: 4,
      alarm: 'overheat',
      device: 'd1',
      tags: [['room', 'a']],
      step: 0,
      phase: 'active',
      at: 1_767_225_600_123,
      expiresAt: 1_767_225_630_123,
      call: { kind: 'publish', via: 'climate', topic: 'fans/d1/set', payload: 'ON', qos: 1, retain: false },
    },
  ],
  outcomes: [
    [2, 'done'],
    [3, 'expired'],
  ],
};

const plain = (value: CommitRecord): unknown =>
  JSON.parse(JSON.stringify(value, (_key, v: unknown) => (v instanceof Uint8Array ? [...v] : v)));

describe('a commit record', () => {
  it('comes back as it was written', () => {
    expect(plain(decodeCommit(encodeCommit(record), 1))).toEqual(plain(record));
  });

  it('stores a pass-through block once: the output is the input', () => {
    const decoded = decodeCommit(encodeCommit(record), 1);
    const [live, stats] = decoded.outputs;
    expect(live && [...blockOf(decoded, live)]).toEqual([1, 2, 3]);
    expect(stats && [...blockOf(decoded, stats)]).toEqual([9]);
  });

  it('is refused when any bit of it flipped', () => {
    const bytes = encodeCommit(record);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeCommit(damaged, 42)).toThrow('commit 42 does not match its checksum');
    }
  });

  it('is refused when it was cut short', () => {
    const bytes = encodeCommit(record);
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeCommit(bytes.subarray(0, length), 1)).toThrow(/checksum/);
  });
});
