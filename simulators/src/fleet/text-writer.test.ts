import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TextWriter } from './text-writer.ts';

it('prints integers as JavaScript does, with zeros in front up to a width', () => {
  const out = new TextWriter(1);
  const property = fc.property(fc.maxSafeInteger(), fc.integer({ min: 1, max: 20 }), (value, width) => {
    out.integer(value, width);
    const digits = String(Math.abs(value)).padStart(width, '0');
    expect(out.take()).toBe(value < 0 ? `-${digits}` : digits);
  });
  fc.assert(property, { numRuns: 2_000 });
  for (const value of [0, 9, 10, 999_999_999, 1e9, 1e9 + 1, 1e15, Number.MAX_SAFE_INTEGER]) {
    out.integer(value);
    expect(out.take()).toBe(String(value));
  }
});

it('prints decimals that read back as the nearest double, with all their digits', () => {
  const out = new TextWriter(1);
  const property = fc.property(
    fc.integer({ min: -(10 ** 12), max: 10 ** 12 }),
    fc.integer({ min: 0, max: 9 }),
    (scaled, decimals) => {
      out.decimal(scaled, decimals);
      const text = out.take();
      expect(Number(text) === scaled / 10 ** decimals).toBe(true);
      expect(text.split('.')[1]?.length ?? 0).toBe(decimals);
    },
  );
  fc.assert(property, { numRuns: 2_000 });
});

it('keeps what was written while it grows', () => {
  const out = new TextWriter(1);
  const long = 'é'.repeat(3_000);
  out.text('a');
  out.put(Buffer.from('bc'));
  out.text(long);
  out.copy(Buffer.from('xdefx'), 1, 4);
  out.byte(0x21);
  expect(out.take()).toBe(`abc${long}def!`);
  expect(out.at).toBe(0);
});
