import fc from 'fast-check';
import { pack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { nestingMax, plainProblem, valuesMax } from './plain.ts';

const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: nestingMax - 1 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.string(),
    fc.string({ minLength: 250, maxLength: 260 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20 }),
  ),
})).value;

describe('a plain value', () => {
  it('passes whole, and neither shortened nor with more behind it', () => {
    fc.assert(
      fc.property(plain, fc.nat(), (value, at) => {
        const bytes = pack(value);
        expect(plainProblem(bytes)).toBeUndefined();
        expect(plainProblem(bytes.subarray(0, at % bytes.length))).toBe('it ends too early');
        expect(plainProblem(Buffer.concat([bytes, bytes]))).toBe(`${bytes.length} bytes too many`);
      }),
    );
  });

  it.each([
    ['string of 2^16', 'x'.repeat(70_000)],
    ['binary of 2^16', new Uint8Array(70_000)],
    ['array of as many values as there may be', Array.from({ length: valuesMax - 1 }, () => 1)],
    ['binary of 2^8', new Uint8Array(300)],
    ['array of 16', Array.from({ length: 16 }, () => 'x')],
  ])('%s passes', (_what, value) => {
    expect(plainProblem(pack(value))).toBeUndefined();
  });
});

describe('refused', () => {
  it.each([
    ['nothing', [], 'it ends too early'],
    ['a map', [0x81, 1, 1], 'a value begins with 0x81, which is no plain type'],
    ['a map of 2^32', [0xdf, 255, 255, 255, 255], 'a value begins with 0xdf, which is no plain type'],
    ['the byte that MessagePack never uses', [0xc1], 'a value begins with 0xc1, which is no plain type'],
    ['a time', [0xd6, 0xff, 0, 0, 0, 0], 'a value begins with 0xd6, which is no plain type'],
    ['a record definition', [0x92, 0xd4, 0x72, 0x40, 0x90, 1], 'a value begins with 0xd4, which is no plain type'],
    ['a long extension', [0xc9, 0, 0, 0, 1, 0x78, 0], 'a value begins with 0xc9, which is no plain type'],
    ['a string that is no UTF-8', [0xa2, 0xc3, 0x28], 'a string is not UTF-8'],
    ['a longer string that is no UTF-8', [0xd9, 1, 0xff], 'a string is not UTF-8'],
    ['an array of 2^32 entries', [0xdd, 255, 255, 255, 255, 1], 'it ends too early'],
    ['a string of 2^32 bytes', [0xdb, 255, 255, 255, 255, 65], 'it ends too early'],
    [
      'more values than there may be',
      pack(Array.from({ length: valuesMax }, () => 1)),
      `more than ${valuesMax} values`,
    ],
    ['deep nesting', [...Array.from({ length: nestingMax + 1 }, () => 0x91), 1], 'arrays nest deeper than 8'],
  ])('%s', (_what, bytes, problem) => {
    expect(plainProblem(Uint8Array.from(bytes))).toBe(problem);
  });
});
