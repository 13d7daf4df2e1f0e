/**
 * What the aggregates are checked against: rational arithmetic on BigInt, written from the definition of float64 and sharing
 * no code with what it checks; and inputs that hurt.
 */
import fc from 'fast-check';

const cell = new DataView(new ArrayBuffer(8));

/** A finite float64 in units of 2^-1074. */
export function unitsOf(value: number): bigint {
  cell.setFloat64(0, value);
  const bits = cell.getBigUint64(0);
  const biased = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const magnitude = biased === 0n ? fraction : (fraction | (1n << 52n)) << (biased - 1n);
  return bits >> 63n === 1n ? -magnitude : magnitude;
}

/** Exact sum, in units of 2^-1074. */
export function sumUnits(values: Iterable<number>): bigint {
  let sum = 0n;
  for (const value of values) sum += unitsOf(value);
  return sum;
}

/** Exact sum of squares, in units of 2^-2148. */
export function squareUnits(values: Iterable<number>): bigint {
  let sum = 0n;
  for (const value of values) sum += unitsOf(value) ** 2n;
  return sum;
}

function fromBits(bits: bigint): number {
  cell.setBigUint64(0, bits);
  return cell.getFloat64(0);
}

/** The float64 nearest to numerator / denominator units of 2^-1074, ties to even, by bisection over all of them. */
export function nearest(numerator: bigint, denominator: bigint): number {
  if (numerator < 0n) return -nearest(-numerator, denominator);
  // Half a unit in the last place above the greatest float64.
  if (numerator >= ((1n << 1024n) - (1n << 970n)) * (1n << 1074n) * denominator) return Infinity;
  let low = 0n;
  let high = 0x7fef_ffff_ffff_ffffn;
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (unitsOf(fromBits(middle)) * denominator <= numerator) low = middle;
    else high = middle - 1n;
  }
  const lower = fromBits(low);
  if (lower === Number.MAX_VALUE) return lower;
  const fromBelow = numerator - unitsOf(lower) * denominator;
  const toAbove = unitsOf(fromBits(low + 1n)) * denominator - numerator;
  return fromBelow < toAbove || (fromBelow === toAbove && (low & 1n) === 0n) ? lower : fromBits(low + 1n);
}

const anyBits = fc.tuple(fc.bigInt({ min: 0n, max: 0x7fefffffffffffffn }), fc.boolean()).map(([bits, isNegative]) => {
  cell.setBigUint64(0, bits);
  return isNegative ? -cell.getFloat64(0) : cell.getFloat64(0);
});

export const hurtful = [
  0,
  -0,
  1,
  -1,
  0.1,
  -0.1,
  2 ** 53,
  2 ** 53 - 1,
  -(2 ** 53),
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  Number.MIN_VALUE,
  -Number.MIN_VALUE,
  2 ** -1022,
  2 ** -1022 - 2 ** -1074,
  1e308,
  -1e308,
  1e16,
  -1e16,
  1e-300,
  2 ** 400,
  2 ** -400,
  2 ** 537,
  2 ** -537,
];

/** Finite float64 of every kind, sensors' decimals most of all. */
export const anyValue: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100) },
  { weight: 2, arbitrary: fc.constantFrom(...hurtful) },
  { weight: 2, arbitrary: anyBits },
  { weight: 1, arbitrary: fc.integer() },
);

/** Few enough times to make ties. */
export const anyTime: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 5 }).map((n) => 1_700_000_000_000 + n * 500) },
  { weight: 1, arbitrary: fc.maxSafeInteger() },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 53, -(2 ** 53), 0, 1000, -1000, 2 ** 52, 2 ** 52 + 1) },
);

/** Flips bits, cuts, doubles and inserts: what a decoder has to survive. */
export const mutation: fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> = fc
  .record({
    kind: fc.constantFrom('flip', 'cut', 'insert', 'set', 'splice'),
    at: fc.nat(),
    value: fc.nat(255),
    other: fc.nat(),
  })
  .map(({ kind, at, value, other }) => (bytes) => {
    const copy = [...bytes];
    const index = copy.length === 0 ? 0 : at % copy.length;
    if (kind === 'flip') copy[index] = (copy[index] ?? 0) ^ (1 << (value & 7));
    else if (kind === 'cut') copy.length = index;
    else if (kind === 'insert') copy.splice(index, 0, value);
    else if (kind === 'set') copy[index] = value;
    else copy.splice(index, 1 + (other % 4), ...copy.slice(other % (copy.length + 1)).slice(0, 6));
    return Uint8Array.from(copy);
  });

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}
