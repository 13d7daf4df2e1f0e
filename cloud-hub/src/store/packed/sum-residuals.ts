/**
 * Exact sums as small integers, both ways without loss whatever the sums are.
 *
 * A decimal value is d / 10^s rounded to m · 2^−e. Written as such, a sum of squares has a hundred bits that look like noise; they are not: with
 * D1 = Σd, D2 = Σd², Q = Σd·m they follow up to a few units:
 *
 *   Σm  = D1·2^e / 10^s + k1                    k1 some units: the roundings of the values
 *   Q   = D2·2^e / 10^s + k3                    k3 likewise, weighted; mostly D1 · (the same of Σm) / count
 *   Σm² = (2·Q·2^e·10^s − D2·2^2e) / 10^2s + k2     k2 a unit or two
 *
 * and D1, D2 have few bits beyond what count, min, max, first and last say. So an encoder finds D1, D2, Q by rounding, and stores what remains.
 * On a binary grid d = m, and D1, D2 are all.
 */
import type { Dyadic } from '@fogline/shared/aggregate/dyadic';
import { lastPlaceOf } from '@fogline/shared/aggregate/float-parts';
import type { ValueGrid } from './value-grid.ts';

/** Count and extents of a row, on the grid. */
export interface GridRow {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly first: number;
  readonly last: number;
}

export interface SumResiduals {
  readonly d1: bigint;
  readonly d2: bigint;
  /** 0 on a binary grid. */
  readonly k1: bigint;
  readonly k2: bigint;
  readonly k3: bigint;
}

/** An integer in units of 2^−places; undefined when it is none. */
export function integerIn({ mantissa, exponent }: Dyadic, places: number): bigint | undefined {
  const shift = exponent + places;
  if (shift >= 0) return mantissa << BigInt(shift);
  const cut = BigInt(-shift);
  const integer = mantissa >> cut;
  return integer << cut === mantissa ? integer : undefined;
}

/** Least binary places in which it is an integer, at least 0. */
export function placesOf({ mantissa, exponent }: Dyadic): number {
  if (mantissa === 0n) return 0;
  let places = -exponent;
  let rest = mantissa;
  for (const step of [256, 64, 16, 4, 1]) {
    const unit = BigInt(step);
    while ((rest >> unit) << unit === rest) {
      rest >>= unit;
      places -= step;
    }
  }
  return Math.max(0, places);
}

/** Binary places of the finest value of a row; undefined when only its sums tell, because it has zeros or both signs. */
export function placesFrom(min: number, max: number): number | undefined {
  if (min > 0) return Math.max(0, -lastPlaceOf(min));
  if (max < 0) return Math.max(0, -lastPlaceOf(max));
  return undefined;
}

export function residualsOf(
  sum: bigint,
  sumSq: bigint,
  places: number,
  { scale }: ValueGrid,
  row: GridRow,
): SumResiduals {
  const e = BigInt(places);
  const ten = 10n ** BigInt(scale);
  const isDecimal = scale > 0;
  const d1 = isDecimal ? divide(sum * ten, 1n << e) : sum;
  const d2 = isDecimal ? divide(sumSq * ten * ten, 1n << (2n * e)) : sumSq;
  const about1 = expected1(row);
  const about2 = expected2(d1, row.count);
  if (!isDecimal) return { d1: d1 - about1, d2: d2 - about2, k1: 0n, k2: 0n, k3: 0n };
  const k1 = sum - divide(d1 << e, ten);
  const rest = sumSq * ten * ten - (d2 << (2n * e));
  const q = divide((rest >> (e + 1n)) + (d2 << e), ten);
  const k3 = q - divide(d2 << e, ten) - expected3(d1, sum, e, ten, row.count);
  const k2 = sumSq - divide(2n * ((q * ten) << e) - (d2 << (2n * e)), ten * ten);
  return { d1: d1 - about1, d2: d2 - about2, k1, k2, k3 };
}

/** The sum in units of 2^−places, and on the grid. */
export function sumFrom(
  { d1, k1 }: Pick<SumResiduals, 'd1' | 'k1'>,
  places: number,
  { scale }: Pick<ValueGrid, 'scale'>,
  row: GridRow,
): { sum: bigint; d1: bigint } {
  const onGrid = d1 + expected1(row);
  if (scale === 0) return { sum: onGrid, d1: onGrid };
  return { sum: divide(onGrid << BigInt(places), 10n ** BigInt(scale)) + k1, d1: onGrid };
}

/** In units of 2^−places and 2^−2·places. */
export function sumsFrom(
  residuals: SumResiduals,
  places: number,
  { scale }: ValueGrid,
  row: GridRow,
): { sum: bigint; sumSq: bigint } {
  const { sum, d1 } = sumFrom(residuals, places, { scale }, row);
  const d2 = residuals.d2 + expected2(d1, row.count);
  if (scale === 0) return { sum, sumSq: d2 };
  const e = BigInt(places);
  const ten = 10n ** BigInt(scale);
  const q = divide(d2 << e, ten) + residuals.k3 + expected3(d1, sum, e, ten, row.count);
  const sumSq = divide(2n * ((q * ten) << e) - (d2 << (2n * e)), ten * ten) + residuals.k2;
  return { sum, sumSq };
}

/** The integral of held values, likewise: Σ d·ms, and the rounding of the values. `mean` is what was held, about, on the grid. */
export function heldResidualsOf(
  integral: bigint,
  places: number,
  { scale }: ValueGrid,
  about: bigint,
): { dh: bigint; kh: bigint } {
  if (scale === 0) return { dh: integral - about, kh: 0n };
  const e = BigInt(places);
  const ten = 10n ** BigInt(scale);
  const dh = divide(integral * ten, 1n << e);
  return { dh: dh - about, kh: integral - divide(dh << e, ten) };
}

export function heldFrom(dh: bigint, kh: bigint, places: number, { scale }: ValueGrid, about: bigint): bigint {
  const exact = dh + about;
  return scale === 0 ? exact : divide(exact << BigInt(places), 10n ** BigInt(scale)) + kh;
}

function expected1({ count, min, max, first, last }: GridRow): bigint {
  return (BigInt(count) * BigInt(min + max + (first + last))) >> 2n;
}

/** The least that squares of this sum can add up to. */
function expected2(d1: bigint, count: number): bigint {
  return (d1 * d1) / BigInt(count);
}

function expected3(d1: bigint, sum: bigint, e: bigint, ten: bigint, count: number): bigint {
  const roundings = sum * ten - (d1 << e);
  return divide(d1 * roundings, ten * BigInt(count));
}

/** The nearest integer; halves go up. The divisor is positive. */
function divide(dividend: bigint, divisor: bigint): bigint {
  const doubled = 2n * dividend + divisor;
  const by = 2n * divisor;
  const quotient = doubled / by;
  return doubled < 0n && quotient * by !== doubled ? quotient - 1n : quotient;
}
