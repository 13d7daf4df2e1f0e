/**
 * Predictors of integer columns and their inverses. The residual of row i is what must be stored once the rows before it
 * are known:
 *
 *   none    x[i]
 *   delta   x[i] − x[i−1]
 *   slope q x[i] − x[i−1] − floor((x[i−1] − x[i−2]) · q / 4), q = 4 (delta of delta), 2, −2 (mean of the last two)
 *
 * All arithmetic is on doubles that hold integers; exact while the column spans at most `predictSpanMax`.
 */

export const predictors = ['none', 'delta', 'deltaOfDelta', 'halfSlope', 'meanOfTwo'] as const;
export type Predictor = 0 | 1 | 2 | 3 | 4;
/** Rows stored apart before the first residual. */
export const predictorRows = [0, 1, 2, 2, 2] as const;
const slopes = [0, 0, 4, 2, -2] as const;

/** Largest max − min of a column for which any predictor but `none` is exact (and its residuals zigzag). */
export const predictSpanMax = 2 ** 49;

/** Residuals of x[from … to) into out[0 …), from ≥ the predictor's rows. */
export function residuals(predictor: Predictor, x: Float64Array, from: number, to: number, out: Float64Array): void {
  if (predictor === 0) {
    for (let i = from; i < to; i++) out[i - from] = x[i] as number;
  } else if (predictor === 1) {
    let before = x[from - 1] as number;
    for (let i = from; i < to; i++) {
      const own = x[i] as number;
      out[i - from] = own - before;
      before = own;
    }
  } else if (predictor === 2) {
    let before = x[from - 1] as number;
    let deltaBefore = before - (x[from - 2] as number);
    for (let i = from; i < to; i++) {
      const own = x[i] as number;
      const delta = own - before;
      out[i - from] = delta - deltaBefore;
      before = own;
      deltaBefore = delta;
    }
  } else {
    const quarter = slopes[predictor] / 4;
    for (let i = from; i < to; i++) {
      const before = x[i - 1] as number;
      out[i - from] = (x[i] as number) - before - Math.floor((before - (x[i - 2] as number)) * quarter);
    }
  }
}

/** The inverse, in place: x[0 … rows) are given, x[rows … count) hold residuals and become values. */
export function unpredict(predictor: Predictor, x: Float64Array, count: number): void {
  const rows = predictorRows[predictor];
  if (predictor === 0 || count <= rows) return;
  let value = x[rows - 1] as number;
  if (predictor === 1) {
    for (let i = 1; i < count; i++) {
      value += x[i] as number;
      x[i] = value;
    }
    return;
  }
  let delta = value - (x[0] as number);
  if (predictor === 2) {
    for (let i = 2; i < count; i++) {
      delta += x[i] as number;
      value += delta;
      x[i] = value;
    }
    return;
  }
  const quarter = slopes[predictor] / 4;
  for (let i = 2; i < count; i++) {
    delta = Math.floor(delta * quarter) + (x[i] as number);
    value += delta;
    x[i] = value;
  }
}
