/** The order of doubles: IEEE's, but with −0 before +0, so that bounds are the same whatever the order of the rows. */

export interface ValueBounds {
  readonly min: number;
  readonly max: number;
}

/** Numeric order with −0 before +0. */
function compareDoubles(a: number, b: number): number {
  if (a !== b) return a - b;
  return (Object.is(a, -0) ? 0 : 1) - (Object.is(b, -0) ? 0 : 1);
}

/** Smallest and largest of values[0 … count) and `within`, −0 before +0. */
export function boundsOf(values: Float64Array, count: number, within: ValueBounds | undefined): ValueBounds {
  let min = within?.min ?? values[0] ?? 0;
  let max = within?.max ?? min;
  for (let i = 0; i < count; i++) {
    const own = values[i] as number;
    if (own < min) min = own;
    if (own > max) max = own;
  }
  // Zeros are equal, and yet in order.
  if (min !== 0 && max !== 0) return { min, max };
  for (let i = 0; i < count; i++) {
    const own = values[i] as number;
    if (compareDoubles(own, min) < 0) min = own;
    if (compareDoubles(own, max) > 0) max = own;
  }
  return { min, max };
}
