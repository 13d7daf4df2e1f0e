/**
 * How an integer column will be stored: choices from statistics, no part of the format. A decoder does not need this file.
 */
import { bitLength, blockRowsMax, widthMax } from './bit-pack.ts';
import { type Predictor, predictorRows, predictSpanMax, residuals } from './predict.ts';

/** Rows looked at to choose a predictor: runs of consecutive rows spread over the block. */
const sampleRuns = 8;
const sampleRunRows = 14;
const fastRunRows = 8;

const sample = new Float64Array(sampleRuns * sampleRunRows);
const sampleRun = new Float64Array(sampleRunRows);
const counts = new Uint16Array(112);
const bitsOfCount = Float64Array.from({ length: blockRowsMax + 1 }, (_, c) => (c === 0 ? 0 : c * Math.log2(c)));

/** The predictor whose residuals look cheapest in a sample. The column spans at most `predictSpanMax`. */
export function choosePredictor(x: Float64Array, count: number, min: number, max: number, dense: boolean): Predictor {
  if (count < 3) return 0;
  const center = min + Math.floor((max - min) / 2);
  return dense ? chooseByEntropy(x, count, center) : chooseByWidth(x, count, center);
}

/** Whether the steps of the last column planned in fast mode go both ways alike, so that zigzag from 0 suits them. */
export let stepsAreBalanced = false;

/** None, delta or delta of delta, by the mean width of the zigzagged residuals. */
function chooseByWidth(x: Float64Array, count: number, center: number): Predictor {
  let own = 0;
  let delta = 0;
  let slope = 0;
  let drift = 0;
  let moved = 0;
  let taken = 0;
  const runs = count <= sampleRuns * fastRunRows ? 1 : sampleRuns;
  const runRows = runs === 1 ? count - 2 : fastRunRows;
  for (let run = 0; run < runs; run++) {
    const from = 2 + (runs === 1 ? 0 : Math.floor((run * (count - 2 - runRows)) / (runs - 1)));
    taken += runRows;
    for (let i = from; i < from + runRows; i++) {
      const value = x[i] as number;
      const before = x[i - 1] as number;
      const step = value - before;
      const bend = step - (before - (x[i - 2] as number));
      drift += step;
      moved += Math.abs(step);
      own += bitLength(value < center ? center - value : value - center);
      delta += bitLength(step < 0 ? -step : step);
      slope += bitLength(bend < 0 ? -bend : bend);
    }
  }
  stepsAreBalanced = Math.abs(drift) * 4 < moved;
  // Rows that a predictor stores apart cost some bytes each.
  const row = (12 * taken) / count;
  if (own <= delta + row && own <= slope + 2 * row) return 0;
  return delta <= slope + row ? 1 : 2;
}

function chooseByEntropy(x: Float64Array, count: number, center: number): Predictor {
  const bitsOf = (predictor: Predictor) =>
    entropyBits(takeSample(predictor, x, count), predictor === 0 ? center : 0) +
    (predictorRows[predictor] * 12) / count;
  const own = bitsOf(0);
  const delta = bitsOf(1);
  expectedBits = Math.min(own, delta);
  // Differences of independent values have half a bit more than the values, those of related ones less.
  if (delta > own + 0.25) return 0;
  const slope = bitsOf(2);
  // Steps that go on as before suit half of the slope, steps that turn back its opposite.
  const third: Predictor = slope < delta + 0.5 ? 3 : 4;
  const bits = Math.min(own, delta, slope);
  const thirdBits = bitsOf(third);
  expectedBits = Math.min(bits, thirdBits);
  if (thirdBits < bits) return third;
  return own === bits ? 0 : delta === bits ? 1 : 2;
}

/** Bits of a residual of the last column planned in dense mode. */
let expectedBits = 0;

/** About how many bits each row of a column takes in dense mode. */
export function denseBitsOf(x: Float64Array, count: number, min: number, max: number): number {
  if (max - min > predictSpanMax) return bitLength(max - min);
  choosePredictor(x, count, min, max, true);
  return expectedBits;
}

function takeSample(predictor: Predictor, x: Float64Array, count: number): number {
  const rows = predictorRows[predictor];
  if (count - rows <= sampleRuns * sampleRunRows) {
    residuals(predictor, x, rows, count, sample);
    return count - rows;
  }
  let taken = 0;
  for (let run = 0; run < sampleRuns; run++) {
    const from = rows + Math.floor((run * (count - rows - sampleRunRows)) / (sampleRuns - 1));
    residuals(predictor, x, from, from + sampleRunRows, sampleRun);
    for (let i = 0; i < sampleRunRows; i++) sample[taken++] = sampleRun[i] as number;
  }
  return taken;
}

/** Order-0 entropy of the sample in half-octave buckets, and the bits below them. */
function entropyBits(taken: number, center: number): number {
  counts.fill(0);
  let bits = bitsOfCount[taken] as number;
  for (let i = 0; i < taken; i++) {
    const off = (sample[i] as number) - center;
    let u = off < 0 ? -2 * off - 1 : 2 * off;
    let above = 0;
    // Of a wide one the upper half tells the bucket.
    if (u >= 0x8000_0000) {
      u = Math.floor(u / 0x100_0000);
      above = 24;
    }
    const length = 32 - Math.clz32(u);
    // The leading bit, the one below it, and the sign.
    const symbol = length < 2 ? length : 2 * length + ((u >>> (length - 2)) & 1);
    counts[symbol + 2 * above] = (counts[symbol + 2 * above] as number) + 1;
    bits += length < 3 ? 0 : length - 2 + above;
  }
  for (let s = 0; s < counts.length; s++) bits -= bitsOfCount[counts[s] as number] as number;
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
export function centerOf(values: Float64Array, count: number, predictor: Predictor, dense: boolean): number {
  if (predictor !== 0) return 0;
  const taken = Math.min(count, dense ? 31 : 7);
  const picked = sample.subarray(0, taken);
  for (let i = 0; i < taken; i++) picked[i] = values[Math.floor((i * count) / taken)] as number;
  picked.sort();
  return picked[taken >>> 1] as number;
}
