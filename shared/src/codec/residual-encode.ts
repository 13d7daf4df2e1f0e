/**
 * How the residuals of an integer column are stored (integer-column.ts): the cheapest of bit packing, bit packing with patches
 * and, in dense mode, entropy coding, upwards from the smallest or zigzagged around a centre. Which predictor made them is
 * the affair of integer-encode.ts.
 */
import { bitLength, blockRowsMax, packBits, packInts } from './bit-pack.ts';
import { planBuckets, planBucketsWide, symbolsMax } from './buckets.ts';
import type { ByteWriter } from './byte-io.ts';
import { coder, narrowSpanMax, zigzagBit } from './integer-column.ts';
import { centerOf, planWidth, type WidthPlan, widthCounts } from './integer-plan.ts';
import { type Predictor, predictorRows } from './predict.ts';
import { encodeSymbols, encodeSymbolsWide } from './tans.ts';

/** Fewer residuals than this never pay for a symbol table. */
const entropyRowsMin = 24;

const narrow = new Int32Array(blockRowsMax);
const wide = new Float64Array(blockRowsMax);
const otherCounts = new Uint32Array(33);

/** Appends the residuals left[0 … count) of column x, all within [min, max], min < max. */
export function encodeResiduals(
  out: ByteWriter,
  x: Float64Array,
  left: Float64Array,
  count: number,
  min: number,
  max: number,
  predictor: Predictor,
  offset: number,
  dense: boolean,
): void {
  if (max - min < narrowSpanMax) encodeNarrow(out, x, left, count, min, max, predictor, offset, dense);
  else encodeWide(out, x, left, count, min, max, predictor, offset, dense);
}

/** The common case in one pass less: narrow deltas that go both ways alike, or will be entropy-coded, zigzagged from 0. */
export function encodeSteps(out: ByteWriter, x: Float64Array, count: number, offset: number, dense: boolean): void {
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
  const plan = planWidth(count - 1);
  if (dense && count > entropyRowsMin) {
    const buckets = planBuckets(narrow, count - 1, topOf(widthCounts));
    if (buckets.bits < plan.bits) {
      writeHead(out, x, 1, coder.entropy, true, 0, offset);
      encodeSymbols(out, narrow, count - 1, buckets.mantissa);
      return;
    }
  }
  writeNarrow(out, x, count - 1, 1, plan, true, 0, offset);
}

/** The greatest integer of the greatest width counted. */
function topOf(counts: Uint32Array): number {
  let width = 32;
  while (width > 0 && counts[width] === 0) width--;
  return 2 ** width - 1;
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

/** Residuals that fit 32-bit integers. */
function encodeNarrow(
  out: ByteWriter,
  x: Float64Array,
  left: Float64Array,
  count: number,
  min: number,
  max: number,
  predictor: Predictor,
  offset: number,
  dense: boolean,
): void {
  // Two views of the residuals: upwards from the smallest, and both ways from a centre. Of few different ones the tail tells
  // which suits an entropy coder, of many only trying both.
  const center = centerOf(left, count, predictor, dense);
  const spanWidth = bitLength(max - min);
  let width = spanWidth;
  let patches = 0;
  let bits = spanWidth * count;
  let zigzag = false;
  let mantissa = -1;
  const mayEntropy = dense && count >= entropyRowsMin;
  const isFew = mayEntropy && max - min < symbolsMax;
  const isSkewed = (center - min) * 3 < max - center;
  if (predictor === 0 && (!isFew || isSkewed)) {
    narrowUpwards(left, count, min);
    const plan = planWidth(count);
    if (plan.bits < bits) ({ width, patches, bits } = plan);
    if (mayEntropy) {
      const buckets = planBuckets(narrow, count, max - min);
      if (buckets.bits < bits) ({ mantissa, bits } = buckets);
    }
  }
  // Around a centre only where it may help: differences, and columns with a long tail below.
  if (predictor > 0 || (mayEntropy && !(isFew && isSkewed)) || center - min > max - center) {
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
  min: number,
  max: number,
  predictor: Predictor,
  offset: number,
  dense: boolean,
): void {
  const center = centerOf(left, count, predictor, dense);
  const valueMax = Math.max(2 * (max - center), 2 * (center - min) - 1);
  widthCounts.fill(0);
  for (let i = 0; i < count; i++) {
    const off = (left[i] as number) - center;
    const u = off < 0 ? -2 * off - 1 : 2 * off;
    wide[i] = u;
    const length = bitLength(u);
    widthCounts[length] = (widthCounts[length] as number) + 1;
  }
  const plan = planWidth(count);
  const spanWidth = bitLength(max - min);
  if (dense && count >= entropyRowsMin) {
    const buckets = planBucketsWide(wide, count, valueMax);
    if (buckets.bits < plan.bits && buckets.bits < spanWidth * count) {
      writeHead(out, x, predictor, coder.entropy, true, center, offset);
      encodeSymbolsWide(out, wide, count, buckets.mantissa);
      return;
    }
  }
  if (spanWidth * count <= plan.bits) {
    writeHead(out, x, predictor, coder.packed, false, min, offset);
    out.u8(spanWidth);
    packBits(out, left, count, spanWidth, min);
    return;
  }
  writeHead(out, x, predictor, plan.patches > 0 ? coder.patched : coder.packed, true, center, offset);
  out.u8(plan.width);
  if (plan.patches > 0) writePatchesWide(out, plan.width, plan.patches);
  packBits(out, wide, count, plan.width, 0);
}

/** Fills `narrow` with residual − base, and `widthCounts` with their widths. */
function narrowUpwards(left: Float64Array, count: number, base: number): void {
  const widths = widthCounts;
  widths.fill(0);
  for (let i = 0; i < count; i++) {
    const u = ((left[i] as number) - base) | 0;
    narrow[i] = u;
    const length = 32 - Math.clz32(u);
    widths[length] = (widths[length] as number) + 1;
  }
}

/** Fills `narrow` with the zigzag of residual − center, and `widthCounts` with their widths. */
function narrowAround(left: Float64Array, count: number, center: number): void {
  const widths = widthCounts;
  widths.fill(0);
  for (let i = 0; i < count; i++) {
    const off = ((left[i] as number) - center) | 0;
    const u = (off << 1) ^ (off >> 31);
    narrow[i] = u;
    const length = 32 - Math.clz32(u);
    widths[length] = (widths[length] as number) + 1;
  }
}

export function writeHead(
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
