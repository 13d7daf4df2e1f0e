import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecimalMark, parseNumber } from './number-text.ts';

function parse(text: string, mark?: DecimalMark): number {
  const bytes = Buffer.from(`x${text}y`);
  return parseNumber(bytes, 1, bytes.length - 1, mark);
}

function expectSame(text: string): void {
  expect(Object.is(parse(text), Number(text)), text).toBe(true);
}

describe('parseNumber', () => {
  it.each([
    '0',
    '-0',
    '+1',
    '1.',
    '.5',
    '-.5',
    '007',
    '1e5',
    '1E+5',
    '1e-5',
    '0.1',
    '13.599999904633',
    '9007199254740992',
    '9007199254740993',
    '-9007199254740993',
    '18446744073709551615',
    '4.9e-324',
    '2.4703282292062327e-324',
    '1.7976931348623157e308',
    '1.7976931348623159e308',
    '1e999',
    '1e-999',
    '1e00000000000000000000000000001',
    `0.${'0'.repeat(400)}1`,
    `${'9'.repeat(400)}`,
    `1${'0'.repeat(400)}e-400`,
    `0e${'9'.repeat(40)}`,
    '123456789012345678901234567890.1234567890',
    '48.87500000000000000000',
  ])('%s is Number(%s)', expectSame);

  it.each([
    '',
    '-',
    '+',
    '.',
    '-.',
    'e5',
    '1e',
    '1e+',
    '1e5.0',
    '1..2',
    '1.2.3',
    '0x10',
    'NaN',
    'Infinity',
    '1_000',
    '--1',
    ' 1',
    '1 ',
    '1,5',
    '1i',
    '١',
  ])('%j is no number', (text) => {
    expect(parse(text)).toBeNaN();
  });

  it('takes a comma for the decimal mark where that is the convention, and then no point', () => {
    expect(parse('21,21', ',')).toBe(21.21);
    expect(parse('-1234567890123456789,25', ',')).toBe(-1234567890123456789.25);
    expect(parse('21.21', ',')).toBeNaN();
  });

  it('equals Number for every float64 as JavaScript writes it, and for any digits with any exponent', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => expectSame(`${value}`)),
      {
        numRuns: 20_000,
      },
    );
    const digits = fc.stringMatching(/^[0-9]{1,25}$/);
    fc.assert(
      fc.property(digits, fc.option(digits), fc.integer({ min: -40, max: 40 }), (whole, fraction, exponent) => {
        expectSame(`${whole}${fraction === null ? '' : `.${fraction}`}`);
        expectSame(`-${whole}${fraction === null ? '' : `.${fraction}`}e${exponent}`);
      }),
      { numRuns: 20_000 },
    );
  });

  it('decides any text as Number does, but for what only JavaScript calls a number', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789.+-eE'), maxLength: 12 });
    fc.assert(
      fc.property(text, (candidate) => {
        expect(parse(candidate)).toEqual(candidate === '' ? Number.NaN : Number(candidate));
      }),
      { numRuns: 20_000 },
    );
  });
});
