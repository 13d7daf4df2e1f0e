/**
 * How an integer column will be stored: choices from statistics, no part of the format. A decoder does not need this file.
 */
import { bitLength, blockRowsMax, widthMax } from './bit-pack.ts';
import { type Predictor, predictorRows, residuals } from './predict.ts';

/** Rows looked at to choose a predictor: runs of consecutive rows spread over the block. */
const sampleRuns = 8;
const sampleRunRowsFast = 10;
const sampleRunRowsDense = 24;

const sample = new Float64Array(sampleRuns * sampleRunRowsDense);
const sampleRun = new Float64Array(sampleRunRowsDense);
const counts = new Uint16Array(160);
const bitsOfCount = Float64Array.from({ length: blockRowsMax + 1 }, (_, c) => (c === 0 ? 0 : c * Math.log2(c)));

const fastPredictors = [0, 1, 2] as const;
const densePredictors = [0, 1, 2, 3, 4] as const;

/** The predictor whose residuals look cheapest in a sample. The column spans at most `predictSpanMax`. */
export function choosePredictor(x: Float64Array, count: number, min: number, max: number, dense: boolean): Predictor {
  if (count < 3) return 0;
  let best: Predictor = 0;
  let bestBits = Infinity;
  for (const predictor of dense ? densePredictors : fastPredictors) {
    const taken = takeSample(predictor, x, count, dense ? sampleRunRowsDense : sampleRunRowsFast);
    if (taken === 0) continue;
    const center = predictor === 0 ? min + Math.floor((max - min) / 2) : 0;
    // Rows that a predictor stores apart cost some bytes each.
    const bits = (dense ? entropyBits(taken, center) : widthBits(taken, center)) + (predictorRows[predictor] * 12) / count;
    if (bits < bestBits) {
      best = predictor;
      bestBits = bits;
    }
  }
  return best;
}

function takeSample(predictor: Predictor, x: Float64Array, count: number, runRows: number): number {
  const rows = predictorRows[predictor];
  if (count - rows <= sampleRuns * runRows) {
    residuals(predictor, x, rows, count, sample);
    return count - rows;
  }
  let taken = 0;
  for (let run = 0; run < sampleRuns; run++) {
    const from = rows + Math.floor((run * (count - rows - runRows)) / (sampleRuns - 1));
    residuals(predictor, x, from, from + runRows, sampleRun);
    for (let i = 0; i < runRows; i++) sample[taken++] = sampleRun[i] as number;
  }
  return taken;
}

/** Mean width of the sample, zigzagged. */
function widthBits(taken: number, center: number): number {
  let bits = 0;
  for (let i = 0; i < taken; i++) {
    const off = (sample[i] as number) - center;
    bits += bitLength(off < 0 ? -2 * off : 2 * off);
  }
  return bits / taken;
}

/** Order-0 entropy of the sample in half-octave buckets. */
function entropyBits(taken: number, center: number): number {
  counts.fill(0);
  let bits = bitsOfCount[taken] as number;
  for (let i = 0; i < taken; i++) {
    const off = (sample[i] as number) - center;
    const u = off < 0 ? -2 * off : 2 * off;
    const length = bitLength(u);
    // The bit below the leading one, and the sign.
    const symbol = length < 2 ? length : 2 * length + (u >= 1.5 * 2 ** (length - 1) ? 1 : 0);
    counts[symbol] = (counts[symbol] as number) + 1;
    bits += length < 3 ? 0 : length - 2;
  }
  for (let s = 0; s < 112; s++) bits -= bitsOfCount[counts[s] as number] as number;
  return bits / taken;
}

/** How many values of a column need exactly so many bits; filled by who plans. */
export const widthCounts = new Uint32Array(widthMax + 3);

export interface WidthPlan {
  width: number;
  /** Values wider than `width`. */
  patches: number;
  bits: number;
}

/** Best packing width for values counted in `widthCounts`. */
export function planWidth(count: number): WidthPlan {
  let top = widthMax + 1;
  while (top > 0 && widthCounts[top] === 0) top--;
  const best: WidthPlan = { width: top, patches: 0, bits: top * count };
  let patches = 0;
  for (let width = top - 1; width >= 0; width--) {
    patches += widthCounts[width + 1] as number;
    if (patches * 16 > best.bits) break;
    // A varint of the gap, a varint of what is above the width.
    const bits = width * count + 8 + patches * (8 + 8 * Math.ceil((top - width) / 7));
    if (bits < best.bits) {
      best.width = width;
      best.patches = patches;
      best.bits = bits;
    }
  }
  return best;
}

/** A value in the middle of the residuals: 0 where a predictor made them, else the median of a sample. */
export function centerOf(values: Float64Array, count: number, predictor: Predictor): number {
  if (predictor !== 0) return 0;
  const taken = Math.min(count, 31);
  const picked = sample.subarray(0, taken);
  for (let i = 0; i < taken; i++) picked[i] = values[Math.floor((i * count) / taken)] as number;
  picked.sort();
  return picked[taken >>> 1] as number;
}
