/**
 * Columns of up to 4,096 integers, |x| ≤ 2^53: the coder below times, scaled decimals, ids, counts, flags and dictionary
 * indices alike. The encoder picks the predictor and the cheapest of constant, bit packing, bit packing with patches
 * (PFOR), and, in dense mode, entropy coding. Layout, for count ≥ 1 (an empty column has no bytes):
 *
 *   byte     bits 0-2 predictor, bits 3-5 coder, bit 6 zigzag
 *   svarint  x[0] when the predictor has rows of its own; svarint x[1] − x[0] when it has two
 *   svarint  base; residual = base + u, or base + unzigzag(u)
 *   coder    0 constant: nothing, every u is 0
 *            1 packed: byte width, then u bit-packed
 *            2 patched: byte width, varint p, p × (varint gap, varint rest): u += rest · 2^width at the row `gap` after the
 *              one before (the first counts from −1, so gap ≥ 1); then the low bits packed
 *            3 entropy: a stream of tans.ts
 *            4 raw: float64 per row, with predictor none and no base
 */
import { bitLength, blockRowsMax, packBits, packInts, unpackBits, unpackInts, widthMax } from './bit-pack.ts';
import { planBuckets, planBucketsWide } from './buckets.ts';
import { type ByteReader, type ByteWriter, corrupt, integerMax, keepSmaller, signedMax } from './byte-io.ts';
import { centerOf, choosePredictor, planWidth, stepsAreBalanced, widthCounts, type WidthPlan } from './integer-plan.ts';
import { type Predictor, predictorRows, predictors, predictSpanMax, residuals, unpredict } from './predict.ts';
import { decodeSymbols, encodeSymbols, encodeSymbolsWide } from './tans.ts';

const coder = { constant: 0, packed: 1, patched: 2, entropy: 3, raw: 4 } as const;
const zigzagBit = 0x40;
/** Fewer residuals than this never pay for a symbol table. */
const entropyRowsMin = 24;
/** Residuals whose zigzag from any centre fits 31 bits are handled as 32-bit integers. */
const narrowSpanMax = 2 ** 30;

/** Columns this short are tried with every predictor worth it: it costs little, and their bytes are the fleet's. */
const triedRowsMax = 96;
const triedPredictors = [0, 1, 2] as const;

const scratch = new Float64Array(blockRowsMax);
const narrow = new Int32Array(blockRowsMax);
const wide = new Float64Array(blockRowsMax);
const otherCounts = new Uint32Array(33);
const patchRows = new Uint16Array(blockRowsMax);
const patchValues = new Float64Array(blockRowsMax);

let rangeMin = 0;
let rangeMax = 0;

function findRange(x: Float64Array, count: number): void {
  let min = x[0] as number;
  let max = min;
  for (let i = 1; i < count; i++) {
    const own = x[i] as number;
    min = Math.min(min, own);
    max = Math.max(max, own);
  }
  rangeMin = min;
  rangeMax = max;
}

/** Appends x[0 … count), count ≤ 4,096, |x| ≤ 2^53. `x` is not changed. */
export function encodeIntegers(out: ByteWriter, x: Float64Array, count: number, dense: boolean): void {
  encodeIntegersLess(out, x, count, 0, dense);
}

/** Appends x[i] − offset. */
export function encodeIntegersLess(out: ByteWriter, x: Float64Array, count: number, offset: number, dense: boolean): void {
  if (count === 0) return;
  if (count > 2 && isRegular(x, count) && Math.abs((x[0] as number) - offset) <= predictSpanMax) {
    writeRegular(out, x, offset);
    return;
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
    writeRegular(out, x, offset);
    return;
  }
  if (count <= triedRowsMax) {
    const from = out.at;
    for (const tried of triedPredictors) {
      if (count > predictorRows[tried]) keepSmaller(out, from, () => encodePredicted(out, x, count, min, max, tried, offset, dense));
    }
    return;
  }
  const predictor = choosePredictor(x, count, min, max, dense);
  if (!dense && predictor === 1 && stepsAreBalanced && max - min < narrowSpanMax) {
    encodeSteps(out, x, count, offset);
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
  else if (rangeMax - rangeMin < narrowSpanMax) encodeNarrow(out, x, left, own, predictor, offset, dense);
  else encodeWide(out, x, left, own, predictor, offset, dense);
}

function writeRegular(out: ByteWriter, x: Float64Array, offset: number): void {
  const step = (x[1] as number) - (x[0] as number);
  if (step === 0) {
    out.u8(coder.constant << 3);
    out.svarint((x[0] as number) - offset);
  } else {
    writeHead(out, x, 1, coder.constant, false, step, offset);
  }
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
    min = Math.min(min, delta);
    max = Math.max(max, delta);
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

/** The common case of fast mode in one pass less: narrow deltas that go both ways alike, zigzagged from 0. */
function encodeSteps(out: ByteWriter, x: Float64Array, count: number, offset: number): void {
  widthCounts.fill(0);
  otherCounts.fill(0);
  let before = x[0] as number;
  let i = 1;
  // Two rows at a time and two counters: a counter that was just written is slow to read.
  for (; i + 1 < count; i += 2) {
    const own = x[i] as number;
    const next = x[i + 1] as number;
    const step = (own - before) | 0;
    const nextStep = (next - own) | 0;
    before = next;
    const u = (step << 1) ^ (step >> 31);
    const v = (nextStep << 1) ^ (nextStep >> 31);
    narrow[i - 1] = u;
    narrow[i] = v;
    const width = 32 - Math.clz32(u);
    const nextWidth = 32 - Math.clz32(v);
    widthCounts[width] = (widthCounts[width] as number) + 1;
    otherCounts[nextWidth] = (otherCounts[nextWidth] as number) + 1;
  }
  if (i < count) {
    const step = ((x[i] as number) - before) | 0;
    const u = (step << 1) ^ (step >> 31);
    narrow[i - 1] = u;
    otherCounts[32 - Math.clz32(u)] = (otherCounts[32 - Math.clz32(u)] as number) + 1;
  }
  for (let width = 0; width <= 32; width++) {
    widthCounts[width] = (widthCounts[width] as number) + (otherCounts[width] as number);
  }
  writeNarrow(out, x, count - 1, 1, planWidth(count - 1), true, 0, offset);
}

/** Packs `narrow` as planned. */
function writeNarrow(
  out: ByteWriter,
  x: Float64Array,
  count: number,
  predictor: Predictor,
  plan: WidthPlan,
  zigzag: boolean,
  base: number,
  offset: number,
): void {
  writeHead(out, x, predictor, plan.patches > 0 ? coder.patched : coder.packed, zigzag, base, offset);
  out.u8(plan.width);
  if (plan.patches > 0) writePatches(out, plan.width, plan.patches);
  packInts(out, narrow, count, plan.width);
}

/** Residuals within [rangeMin, rangeMax] that fit 32-bit integers. */
function encodeNarrow(
  out: ByteWriter,
  x: Float64Array,
  left: Float64Array,
  count: number,
  predictor: Predictor,
  offset: number,
  dense: boolean,
): void {
  const min = rangeMin;
  const max = rangeMax;
  // Two views of the residuals: upwards from the smallest, and both ways from a centre.
  const center = centerOf(left, count, predictor);
  const spanWidth = bitLength(max - min);
  let width = spanWidth;
  let patches = 0;
  let bits = spanWidth * count;
  let zigzag = false;
  let mantissa = -1;
  const mayEntropy = dense && count >= entropyRowsMin;
  if (predictor === 0) {
    narrowUpwards(left, count, min);
    const plan = planWidth(count);
    if (plan.bits < bits) ({ width, patches, bits } = plan);
    if (mayEntropy) {
      const buckets = planBuckets(narrow, count, max - min);
      if (buckets.bits < bits) ({ mantissa, bits } = buckets);
    }
  }
  // Around a centre only where it may help: differences, and columns with a long tail below.
  if (predictor > 0 || mayEntropy || center - min > max - center) {
    narrowAround(left, count, center);
    const plan = planWidth(count);
    if (plan.bits < bits) {
      ({ width, patches, bits } = plan);
      zigzag = true;
      mantissa = -1;
    }
    if (mayEntropy) {
      const buckets = planBuckets(narrow, count, Math.max(2 * (max - center), 2 * (center - min) - 1));
      if (buckets.bits < bits) {
        ({ mantissa, bits } = buckets);
        zigzag = true;
      }
    }
    if (!zigzag) narrowUpwards(left, count, min);
  }
  const base = zigzag ? center : min;
  if (mantissa >= 0) {
    writeHead(out, x, predictor, coder.entropy, zigzag, base, offset);
    encodeSymbols(out, narrow, count, mantissa);
    return;
  }
  writeNarrow(out, x, count, predictor, { width, patches, bits }, zigzag, base, offset);
}

/** As `encodeNarrow` for residuals of any size, zigzagged around a centre. */
function encodeWide(
  out: ByteWriter,
  x: Float64Array,
  left: Float64Array,
  count: number,
  predictor: Predictor,
  offset: number,
  dense: boolean,
): void {
  const center = centerOf(left, count, predictor);
  const valueMax = Math.max(2 * (rangeMax - center), 2 * (center - rangeMin) - 1);
  widthCounts.fill(0);
  for (let i = 0; i < count; i++) {
    const off = (left[i] as number) - center;
    const u = off < 0 ? -2 * off - 1 : 2 * off;
    wide[i] = u;
    const length = bitLength(u);
    widthCounts[length] = (widthCounts[length] as number) + 1;
  }
  const plan = planWidth(count);
  const spanWidth = bitLength(rangeMax - rangeMin);
  if (dense && count >= entropyRowsMin) {
    const buckets = planBucketsWide(wide, count, valueMax);
    if (buckets.bits < plan.bits && buckets.bits < spanWidth * count) {
      writeHead(out, x, predictor, coder.entropy, true, center, offset);
      encodeSymbolsWide(out, wide, count, buckets.mantissa);
      return;
    }
  }
  if (spanWidth * count <= plan.bits) {
    writeHead(out, x, predictor, coder.packed, false, rangeMin, offset);
    out.u8(spanWidth);
    packBits(out, left, count, spanWidth, rangeMin);
    return;
  }
  writeHead(out, x, predictor, plan.patches > 0 ? coder.patched : coder.packed, true, center, offset);
  out.u8(plan.width);
  if (plan.patches > 0) writePatchesWide(out, plan.width, plan.patches);
  packBits(out, wide, count, plan.width, 0);
}

/** Fills `narrow` with residual − base, and `widthCounts` with their widths. */
function narrowUpwards(left: Float64Array, count: number, base: number): void {
  widthCounts.fill(0);
  for (let i = 0; i < count; i++) {
    const u = ((left[i] as number) - base) | 0;
    narrow[i] = u;
    const length = 32 - Math.clz32(u);
    widthCounts[length] = (widthCounts[length] as number) + 1;
  }
}

/** Fills `narrow` with the zigzag of residual − center, and `widthCounts` with their widths. */
function narrowAround(left: Float64Array, count: number, center: number): void {
  widthCounts.fill(0);
  for (let i = 0; i < count; i++) {
    const off = ((left[i] as number) - center) | 0;
    const u = (off << 1) ^ (off >> 31);
    narrow[i] = u;
    const length = 32 - Math.clz32(u);
    widthCounts[length] = (widthCounts[length] as number) + 1;
  }
}

function writeHead(
  out: ByteWriter,
  x: Float64Array,
  predictor: Predictor,
  kind: number,
  zigzag: boolean,
  base: number,
  offset: number,
): void {
  out.u8(predictor | (kind << 3) | (zigzag ? zigzagBit : 0));
  const rows = predictorRows[predictor];
  if (rows > 0) out.svarint((x[0] as number) - offset);
  if (rows > 1) out.svarint((x[1] as number) - (x[0] as number));
  out.svarint(rows === 0 ? base - offset : base);
}

/** Of `narrow`: the number of values wider than `width`, and what each has above it. */
function writePatches(out: ByteWriter, width: number, patches: number): void {
  out.varint(patches);
  let before = -1;
  for (let left = patches, i = 0; left > 0; i++) {
    const high = (narrow[i] as number) >>> width;
    if (high === 0) continue;
    out.varint(i - before);
    out.varint(high);
    before = i;
    left--;
  }
}

/** The same of `wide`. */
function writePatchesWide(out: ByteWriter, width: number, patches: number): void {
  const scale = 2 ** width;
  out.varint(patches);
  let before = -1;
  for (let left = patches, i = 0; left > 0; i++) {
    const value = wide[i] as number;
    if (value < scale) continue;
    out.varint(i - before);
    out.varint(Math.floor(value / scale));
    before = i;
    left--;
  }
}

/** Reads x[0 … count), count ≤ 4,096. Throws `codec_corrupt`. Every result is an integer, |x| < 2^70, or float64 of `raw`. */
export function decodeIntegers(from: ByteReader, x: Float64Array, count: number): void {
  if (count === 0) return;
  const head = from.u8();
  const kind = (head >>> 3) & 7;
  const predictor = head & 7;
  if (head >= 0x80 || predictor >= predictors.length) corrupt('unknown integer column');
  const zigzag = (head & zigzagBit) !== 0;
  if (kind === coder.raw) {
    if (head !== coder.raw << 3) corrupt('unknown integer column');
    for (let i = 0; i < count; i++) {
      const own = from.f64();
      if (!Number.isInteger(own) || Math.abs(own) > integerMax) corrupt('integer out of range');
      x[i] = own;
    }
    return;
  }
  const rows = predictorRows[predictor as Predictor];
  if (count < rows) corrupt('predictor of more rows than the column has');
  const first = rows > 0 ? from.svarint() : 0;
  const second = rows > 1 ? first + from.svarint() : 0;
  const base = from.svarint();
  const left = count - rows;
  const target = rows === 0 ? x : x.subarray(rows);
  switch (kind) {
    case coder.constant:
      target.fill(base, 0, left);
      break;
    case coder.packed:
    case coder.patched:
      decodePacked(from, target, left, kind === coder.patched);
      break;
    case coder.entropy:
      if (left > 0) decodeSymbols(from, target, left);
      break;
    default:
      corrupt('unknown integer column');
  }
  if (rows > 0) x[0] = first;
  if (rows > 1) x[1] = second;
  if (kind !== coder.constant) {
    if (predictor === 1 && zigzag) {
      sumZigzag(x, count, base);
      return;
    }
    addBase(target, left, base, zigzag);
  }
  unpredict(predictor as Predictor, x, count);
}

function decodePacked(from: ByteReader, x: Float64Array, count: number, patched: boolean): void {
  const width = from.u8();
  if (width > widthMax) corrupt('width out of range');
  if (!patched) {
    unpackBits(from, x, count, width);
    return;
  }
  const patches = readPatches(from, count, width);
  unpackBits(from, x, count, width);
  for (let i = 0; i < patches; i++) {
    const at = patchRows[i] as number;
    x[at] = (x[at] as number) + (patchValues[i] as number);
  }
}

/** Reads `patchRows` and `patchValues`; gives their number. */
function readPatches(from: ByteReader, count: number, width: number): number {
  const patches = from.bounded(count, 'patch count');
  const scale = 2 ** width;
  let row = -1;
  for (let i = 0; i < patches; i++) {
    const gap = from.varint();
    row += gap;
    if (gap === 0 || row >= count) corrupt('patch out of range');
    patchRows[i] = row;
    patchValues[i] = from.bounded(Math.floor(integerMax / scale), 'patch') * scale;
  }
  return patches;
}

/**
 * As `decodeIntegers` of a column within [0, range], then x = (x + min) / power: the form that most blocks of values have,
 * in one pass less and in 32-bit integers where those suffice.
 */
export function decodeScaled(
  from: ByteReader,
  x: Float64Array,
  count: number,
  min: number,
  range: number,
  power: number,
): void {
  const start = from.at;
  if (range < 2 ** 31 && decodeScaledNarrow(from, x, count, min, power)) return;
  from.at = start;
  decodeIntegers(from, x, count);
  for (let i = 0; i < count; i++) x[i] = ((x[i] as number) + min) / power;
}

/** False when the column is no packing of small integers, plain or as deltas. */
function decodeScaledNarrow(from: ByteReader, x: Float64Array, count: number, min: number, power: number): boolean {
  const head = from.peek();
  const kind = (head >>> 3) & 7;
  const predictor = head & 7;
  if (head >= 0x80 || predictor > 1 || (kind !== coder.packed && kind !== coder.patched)) return false;
  from.u8();
  const first = predictor === 1 ? from.svarint() : 0;
  const base = from.svarint();
  const width = from.u8();
  if (width > 30 || Math.abs(base) >= narrowSpanMax || Math.abs(first) >= narrowSpanMax || count <= predictor) return false;
  const left = count - predictor;
  const patches = kind === coder.patched ? readPatches(from, left, width) : 0;
  for (let i = 0; i < patches; i++) if ((patchValues[i] as number) >= narrowSpanMax) return false;
  unpackInts(from, narrow, left, width);
  for (let i = 0; i < patches; i++) {
    const row = patchRows[i] as number;
    narrow[row] = (narrow[row] as number) + (patchValues[i] as number);
  }
  const zigzag = (head & zigzagBit) !== 0;
  if (predictor === 1) {
    x[0] = (first + min) / power;
    if (zigzag) scaleZigzagSums(x, left, first, base, min, power);
    else scaleSums(x, left, first, base, min, power);
  } else if (zigzag) {
    for (let i = 0; i < left; i++) {
      const u = narrow[i] as number;
      x[i] = (((u >>> 1) ^ -(u & 1)) + base + min) / power;
    }
  } else {
    for (let i = 0; i < left; i++) x[i] = ((narrow[i] as number) + base + min) / power;
  }
  return true;
}

/** Sums wrap at 32 bits only in columns that no encoder writes. */
function scaleZigzagSums(x: Float64Array, left: number, first: number, base: number, min: number, power: number): void {
  let sum = first | 0;
  const step = base | 0;
  for (let i = 0; i < left; i++) {
    const u = narrow[i] as number;
    sum = (sum + ((u >>> 1) ^ -(u & 1)) + step) | 0;
    x[i + 1] = (sum + min) / power;
  }
}

function scaleSums(x: Float64Array, left: number, first: number, base: number, min: number, power: number): void {
  let sum = first | 0;
  const step = base | 0;
  for (let i = 0; i < left; i++) {
    sum = (sum + (narrow[i] as number) + step) | 0;
    x[i + 1] = (sum + min) / power;
  }
}

function addBase(x: Float64Array, count: number, base: number, zigzag: boolean): void {
  if (zigzag) {
    for (let i = 0; i < count; i++) x[i] = base + unzigzag(x[i] as number);
  } else if (base !== 0) {
    for (let i = 0; i < count; i++) x[i] = (x[i] as number) + base;
  }
}

/** `addBase` and the inverse of predictor delta in one pass: x[0] is given, x[1 … count) hold zigzagged u. */
function sumZigzag(x: Float64Array, count: number, base: number): void {
  let value = x[0] as number;
  for (let i = 1; i < count; i++) {
    value += base + unzigzag(x[i] as number);
    x[i] = value;
  }
}

/** 0, 1, 2, 3 … → 0, −1, 1, −2 …; the common case by integers. */
function unzigzag(u: number): number {
  if (u < 0x4000_0000) return (u >>> 1) ^ -(u & 1);
  const half = Math.floor(u / 2);
  return u - 2 * half === 0 ? half : -half - 1;
}
