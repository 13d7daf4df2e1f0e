/**
 * The encoder of integer-column.ts: what needs no residuals, and the predictor for the rest, tried or chosen from a sample.
 * residual-encode.ts stores what the predictor leaves.
 */
import { bitLength, blockRowsMax, packBits } from './bit-pack.ts';
import { type ByteWriter, keepSmaller, signedMax } from './byte-io.ts';
import { coder, narrowSpanMax } from './integer-column.ts';
import { choosePredictor, stepsAreBalanced } from './integer-plan.ts';
import { type Predictor, predictorRows, predictSpanMax, residuals } from './predict.ts';
import { encodeResiduals, encodeSteps, writeHead } from './residual-encode.ts';

/** Columns this short are tried with every predictor worth it: it costs little, and their bytes are the fleet's. */
const triedRowsMax = 96;
const triedPredictors = [0, 1, 2] as const;

const scratch = new Float64Array(blockRowsMax);

let rangeMin = 0;
let rangeMax = 0;

function findRange(x: Float64Array, count: number): void {
  let min = x[0] as number;
  let max = min;
  for (let i = 1; i < count; i++) {
    const own = x[i] as number;
    if (own < min) min = own;
    if (own > max) max = own;
  }
  rangeMin = min;
  rangeMax = max;
}

/** Appends x[0 … count), count ≤ 4,096, |x| ≤ 2^53. `x` is not changed. */
export function encodeIntegers(out: ByteWriter, x: Float64Array, count: number, dense: boolean): void {
  encodeIntegersLess(out, x, count, 0, dense);
}

/** As `encodeIntegers` for rows that know nothing of each other: no predictor is looked for. */
export function encodeNoise(out: ByteWriter, x: Float64Array, count: number, dense: boolean): void {
  findRange(x, count);
  if (rangeMax - rangeMin < narrowSpanMax) encodePredicted(out, x, count, rangeMin, rangeMax, 0, 0, dense);
  else encodeIntegersWithin(out, x, count, rangeMin, rangeMax, 0, dense);
}

/** Appends x[i] − offset. */
export function encodeIntegersLess(
  out: ByteWriter,
  x: Float64Array,
  count: number,
  offset: number,
  dense: boolean,
): void {
  if (count === 0) return;
  if (count > 2 && isRegular(x, count)) {
    const first = (x[0] as number) - offset;
    const step = (x[1] as number) - (x[0] as number);
    if (canBeRegular(first, step)) {
      writeRegular(out, first, step);
      return;
    }
  }
  findRange(x, count);
  encodeIntegersWithin(out, x, count, rangeMin, rangeMax, offset, dense);
}

/** Appends x[i] − offset, where the smallest and largest x are known; count ≥ 1. */
export function encodeIntegersWithin(
  out: ByteWriter,
  x: Float64Array,
  count: number,
  min: number,
  max: number,
  offset: number,
  dense: boolean,
): void {
  if (min - offset < -signedMax || max - offset > signedMax) {
    out.u8(coder.raw << 3);
    for (let i = 0; i < count; i++) out.f64((x[i] as number) - offset);
    return;
  }
  if (min === max) {
    out.u8(coder.constant << 3);
    out.svarint(min - offset);
    return;
  }
  if (max - min > predictSpanMax) {
    writeHead(out, x, 0, coder.packed, false, min, offset);
    out.u8(bitLength(max - min));
    packBits(out, x, count, bitLength(max - min), min);
    return;
  }
  if (isRegular(x, count)) {
    writeRegular(out, (x[0] as number) - offset, (x[1] as number) - (x[0] as number));
    return;
  }
  if (count <= triedRowsMax) {
    const from = out.at;
    for (const tried of triedPredictors) {
      if (count > predictorRows[tried])
        keepSmaller(out, from, () => encodePredicted(out, x, count, min, max, tried, offset, dense));
    }
    return;
  }
  const predictor = choosePredictor(x, count, min, max, dense);
  if (predictor === 1 && (dense || stepsAreBalanced) && max - min < narrowSpanMax) {
    encodeSteps(out, x, count, offset, dense);
    return;
  }
  encodePredicted(out, x, count, min, max, predictor, offset, dense);
}

function encodePredicted(
  out: ByteWriter,
  x: Float64Array,
  count: number,
  min: number,
  max: number,
  predictor: Predictor,
  offset: number,
  dense: boolean,
): void {
  let left = x;
  let own = count;
  if (predictor === 0) {
    rangeMin = min;
    rangeMax = max;
  } else {
    const rows = predictorRows[predictor];
    left = scratch;
    own = count - rows;
    if (predictor === 1) {
      findDeltas(x, count);
    } else {
      residuals(predictor, x, rows, count, scratch);
      findRange(scratch, own);
    }
  }
  if (rangeMin === rangeMax) writeHead(out, x, predictor, coder.constant, false, rangeMin, offset);
  else encodeResiduals(out, x, left, own, rangeMin, rangeMax, predictor, offset, dense);
}

/** A column of equal steps; `canBeRegular` must hold. */
export function writeRegular(out: ByteWriter, first: number, step: number): void {
  if (step === 0) {
    out.u8(coder.constant << 3);
    out.svarint(first);
  } else {
    out.u8(1 | (coder.constant << 3));
    out.svarint(first);
    out.svarint(step);
  }
}

export function canBeRegular(first: number, step: number): boolean {
  return Math.abs(first) <= predictSpanMax && Math.abs(step) <= predictSpanMax;
}

/** Residuals of predictor delta and their range, in one pass. */
function findDeltas(x: Float64Array, count: number): void {
  let min = Infinity;
  let max = -Infinity;
  let before = x[0] as number;
  for (let i = 1; i < count; i++) {
    const own = x[i] as number;
    const delta = own - before;
    before = own;
    scratch[i - 1] = delta;
    if (delta < min) min = delta;
    if (delta > max) max = delta;
  }
  rangeMin = min;
  rangeMax = max;
}

/** Whether all steps are the same. */
function isRegular(x: Float64Array, count: number): boolean {
  let before = x[1] as number;
  const step = before - (x[0] as number);
  for (let i = 2; i < count; i++) {
    const own = x[i] as number;
    if (own - before !== step) return false;
    before = own;
  }
  return true;
}
