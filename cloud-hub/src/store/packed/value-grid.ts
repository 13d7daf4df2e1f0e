/**
 * The values of a block as integers. Most sensors send decimals of a few places, the rest float32 or halves: a grid is n / 10^scale,
 * rounded to float64, or exactly n · 2^−bits.
 */
import { lastPlaceOf } from '@fogline/shared/aggregate/float-parts';

export interface ValueGrid {
  /** Decimal places; 0 in a binary grid. */
  readonly scale: number;
  /** Binary places; 0 in a decimal grid. */
  readonly bits: number;
}

const scaleMax = 14;
/** Both ways exact, with room for differences of two. */
const integerMax = 2 ** 50;
const bitsMax = 1000;
const tens = Float64Array.from({ length: scaleMax + 1 }, (_, i) => Number(`1e${i}`));

/** The integer of a value on the grid; NaN when it is not on it. −0 is on none. */
export function integerOn(grid: ValueGrid, value: number): number {
  if (Object.is(value, -0)) return Number.NaN;
  const factor = grid.bits > 0 ? 2 ** grid.bits : (tens[grid.scale] as number);
  const integer = Math.round(value * factor);
  return Math.abs(integer) <= integerMax && integer / factor === value ? integer + 0 : Number.NaN;
}

export function valueOn(grid: ValueGrid, integer: number): number {
  return integer / (grid.bits > 0 ? 2 ** grid.bits : (tens[grid.scale] as number));
}

/** The grid that holds the most of the values; what it does not hold is kept as it is. */
export function gridFor(values: readonly number[]): ValueGrid {
  let scale = 0;
  let bits = 0;
  for (const value of values) {
    scale = Math.max(scale, scaleOf(value));
    bits = Math.max(bits, bitsOf(value));
  }
  const decimal = { scale, bits: 0 };
  if (bits === 0) return decimal;
  const binary = { scale: 0, bits };
  return held(binary, values) > held(decimal, values) ? binary : decimal;
}

function held(grid: ValueGrid, values: readonly number[]): number {
  let count = 0;
  for (const value of values) if (!Number.isNaN(integerOn(grid, value))) count++;
  return count;
}

/** Least decimal places; 0 where there are none within the limits, too. */
function scaleOf(value: number): number {
  for (let scale = 0; scale <= scaleMax; scale++) {
    if (!Number.isNaN(integerOn({ scale, bits: 0 }, value))) return scale;
  }
  return 0;
}

/** Least binary places; 0 where there are more than the limits. */
function bitsOf(value: number): number {
  if (value === 0 || Number.isInteger(value)) return 0;
  let bits = Math.min(bitsMax, -lastPlaceOf(value));
  if (bits >= bitsMax) return 0;
  while (bits > 0 && Number.isInteger(value * 2 ** (bits - 1))) bits--;
  return Number.isNaN(integerOn({ scale: 0, bits }, value)) ? 0 : bits;
}
