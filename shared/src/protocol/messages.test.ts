import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasCode } from '../errors.ts';
import { codecs, vectorsIn } from './testing/vectors.ts';

const vectors = vectorsIn(readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8'));
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('PROTOCOL.md', () => {
  it('has a golden vector of every message', () => {
    expect(new Set(vectors.map(({ kind }) => kind))).toEqual(new Set(Object.keys(codecs)));
  });

  it.each(vectors)('$kind is encoded to the bytes of its vector, and decoded from them', ({ kind, json, hex }) => {
    const value: unknown = JSON.parse(json);
    const codec = codecs[kind];
    expect(Buffer.from(codec?.encode(value) ?? []).toString('hex')).toBe(hex);
    expect(plain(codec?.decode(Buffer.from(hex, 'hex')))).toEqual(value);
  });
});

describe('a decoder', () => {
  it.each(vectors)('of $kind refuses every truncation and every surplus byte', ({ kind, hex }) => {
    const bytes = Buffer.from(hex, 'hex');
    for (let length = 0; length < bytes.length; length++)
      expect(() => codecs[kind]?.decode(bytes.subarray(0, length))).toThrow(/^\w+/);
    expect(() => codecs[kind]?.decode(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(/^\w+/);
  });

  it.each(vectors)('of $kind says so when the version is not its own', ({ kind, hex }) => {
    const bytes = Buffer.from(hex, 'hex');
    bytes[1] = 2;
    try {
      codecs[kind]?.decode(bytes);
      expect.unreachable();
    } catch (error) {
      expect(hasCode(error, 'message_version')).toBe(true);
      expect(String(error)).toContain('version 2, this build speaks version 1');
    }
  });

  it.each(vectors)('of $kind throws nothing but its own errors on flipped bits', ({ kind, hex }) => {
    const bytes = Buffer.from(hex, 'hex');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        codecs[kind]?.decode(damaged);
      } catch (error) {
        expect(hasCode(error, 'message_invalid', 'message_version')).toBe(true);
      }
    }
  });
});

it('a definition takes as many tags as the page allows, and no more', () => {
  const [vector] = vectors.filter(({ kind }) => kind === 'series');
  const value = JSON.parse(vector?.json ?? '') as { definitions: { tags: string[][] }[] };
  const withTags = (count: number): unknown => ({
    ...value,
    definitions: value.definitions.map((definition) => ({
      ...definition,
      tags: Array.from({ length: count }, (_, i) => [`key${i}`, 'value']),
    })),
  });
  const there = (count: number): unknown => plain(codecs.series?.decode(codecs.series.encode(withTags(count))));
  expect(there(16)).toEqual(withTags(16));
  expect(() => there(17)).toThrow(/tags/);
});
