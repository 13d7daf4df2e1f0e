/**
 * Integer columns of fast mode's hot path: 32-bit integers packed in one pass over the rows, differences, zigzag, patches
 * and bits together. Predictor and width come from samples instead of statistics of every row; where a sample does
 * not answer (steps that drift, a long tail below, too many patches) nothing is written and integer-encode.ts decides.
 *
 * Packed in pairs this costs about 1.5 ns a row, wide rows 2.5, where a pass for the differences, one for their widths and one for
 * the bits came to 4 (`npm run bench -- codec`, Stocks-DE).
 */
import { bitWords, blockRowsMax, packInts, writeBitWords } from './bit-pack.ts';
import type { ByteWriter } from './byte-io.ts';
import { coder, zigzagBit } from './integer-column.ts';
import { planWidth, widthCounts } from './integer-plan.ts';
import type { Predictor } from './predict.ts';

/** The integers of a column, less any number: only their differences and `min` count. */
export const quickInts = new Int32Array(blockRowsMax);
/** Fewer rows than this are not worth a sample. */
export const quickRowsMin = 97;
/** Spans below this keep the zigzag of a difference within 32 bits, and below the second that of a bend. */
export const quickSpanMax = 2 ** 31;
const bendSpanMax = 2 ** 29;

const sampleRuns = 8;
const predictorRunRows = 8;
const widthRunRows = 10;

const patchRows = new Uint16Array(blockRowsMax);
const patchHighs = new Int32Array(blockRowsMax);

/**
 * Appends quickInts[0 … count) − min, all within [min, max]; false, and nothing, when it cannot. From `quickSpanMax` the
 * integers are wrapped to 32 bits, but their differences are not, and the first is 0.
 */
export function encodeQuickIntegers(out: ByteWriter, count: number, min: number, max: number): boolean {
  const predictor = max - min < quickSpanMax ? choosePredictor(count, min, max) : 1;
  if (predictor < 0) return false;
  const rows = predictor as 0 | 1 | 2;
  let width = chooseWidth(count, rows, min, widthRunRows);
  let patches = pack(count, rows, width, min);
  if (patches * 8 > count) {
    // The sample was not like the rest.
    width = chooseWidth(count, rows, min, 0);
    patches = pack(count, rows, width, min);
  }
  const first = quickInts[0] as number;
  out.u8(rows | ((patches > 0 ? coder.patched : coder.packed) << 3) | (rows > 0 ? zigzagBit : 0));
  if (rows > 0) out.svarint(first - min);
  if (rows > 1) out.svarint((quickInts[1] as number) - first);
  out.svarint(0);
  out.u8(width);
  if (patches > 0) writePatches(out, patches);
  if (rows === 0) packInts(out, offsets, count, width);
  else writeBitWords(out, (count - rows) * width);
  return true;
}

/** None, delta or delta of delta, by the mean width of the residuals in a sample; −1 when packing from 0 suits none of them. */
function choosePredictor(count: number, min: number, max: number): Predictor | -1 {
  const center = (min + ((max - min) >>> 1)) | 0;
  let own = 0;
  let delta = 0;
  let slope = 0;
  let drift = 0;
  let moved = 0;
  let sum = 0;
  for (let run = 0; run < sampleRuns; run++) {
    const from = 2 + Math.floor((run * (count - 2 - predictorRunRows)) / (sampleRuns - 1));
    let before = quickInts[from - 1] as number;
    let stepBefore = (before - (quickInts[from - 2] as number)) | 0;
    for (let i = from; i < from + predictorRunRows; i++) {
      const value = quickInts[i] as number;
      const off = (value - center) | 0;
      const step = (value - before) | 0;
      const bend = (step - stepBefore) | 0;
      before = value;
      stepBefore = step;
      sum += off;
      drift += step;
      moved += step < 0 ? -step : step;
      own += Math.clz32(off ^ (off >> 31));
      delta += Math.clz32(step ^ (step >> 31));
      slope += Math.clz32(bend ^ (bend >> 31));
    }
  }
  // The more leading zeros the better; rows that a predictor stores apart cost some bytes each.
  const row = (12 * sampleRuns * predictorRunRows) / count;
  if (own >= delta - row && own >= slope - 2 * row) {
    // A mean well above the middle is a tail below: better seen from a centre than from the bottom.
    return sum > (center - min) * 0.25 * sampleRuns * predictorRunRows ? -1 : 0;
  }
  if (delta < slope - row && max - min < bendSpanMax) return 2;
  // Zigzag wastes a bit on steps that nearly all go one way.
  return Math.abs(drift) * 4 < moved * 3 ? 1 : -1;
}

/** The best packing width for a sample of the residuals, runs of `runRows` rows; of 0 rows: for all. */
function chooseWidth(count: number, predictor: 0 | 1 | 2, min: number, runRows: number): number {
  const ints = quickInts;
  widthCounts.fill(0);
  const runs = runRows === 0 ? 1 : sampleRuns;
  const rows = runRows === 0 ? count - 2 : runRows;
  for (let run = 0; run < runs; run++) {
    const from = 2 + (run === 0 ? 0 : Math.floor((run * (count - 2 - rows)) / (runs - 1)));
    for (let i = from; i < from + rows; i++) {
      const own = ints[i] as number;
      const before = ints[i - 1] as number;
      let residual = (own - min) | 0;
      if (predictor > 0) {
        residual = (own - before) | 0;
        if (predictor === 2) residual = (residual - before + (ints[i - 2] as number)) | 0;
        residual = (residual << 1) ^ (residual >> 31);
      }
      const width = 32 - Math.clz32(residual);
      widthCounts[width] = (widthCounts[width] as number) + 1;
    }
  }
  return Math.max(1, planWidth(runs * rows).width);
}

/**
 * Packs the residuals into `bitWords` (of predictor none: puts them into `offsets`), lists in `patchRows` those wider than `width`,
 * and gives their number.
 */
function pack(count: number, rows: 0 | 1 | 2, width: number, min: number): number {
  if (rows === 0) return listOffsets(count, width, min);
  if (rows === 1) return packSteps(quickInts, 1, count, width);
  // Bends are the steps of the steps.
  let before = quickInts[0] as number;
  for (let i = 1; i < count; i++) {
    const own = quickInts[i] as number;
    steps[i] = (own - before) | 0;
    before = own;
  }
  return packSteps(steps, 2, count, width);
}

const steps = new Int32Array(blockRowsMax);
const offsets = new Int32Array(blockRowsMax);

/** ints[i] − ints[i−1] from row `first` on, zigzagged. */
function packSteps(ints: Int32Array, first: number, count: number, width: number): number {
  // Imported arrays cost a look-up at each access in a loop: locals do not.
  const words = bitWords;
  const mask = width === 32 ? -1 : (1 << width) - 1;
  const two = 2 * width;
  let before = ints[first - 1] as number;
  let patches = 0;
  let word = 0;
  let used = 0;
  let at = 0;
  let i = first;
  // Two at a time while they fit one word: half as many decisions.
  const pairEnd = width <= 16 ? count - 1 : 0;
  for (; i < pairEnd; i += 2) {
    const own = ints[i] as number;
    const next = ints[i + 1] as number;
    const step = (own - before) | 0;
    const nextStep = (next - own) | 0;
    before = next;
    const u = (step << 1) ^ (step >> 31);
    const v = (nextStep << 1) ^ (nextStep >> 31);
    if (((u | v) & ~mask) !== 0) {
      patches = notePatch(patches, i - first, u, width);
      patches = notePatch(patches, i + 1 - first, v, width);
    }
    const pair = (u & mask) | ((v & mask) << width);
    word |= pair << used;
    used += two;
    if (used >= 32) {
      words[at++] = word;
      used -= 32;
      word = used === 0 ? 0 : pair >>> (two - used);
    }
  }
  // Here words fill up at every turn or nearly so, and a decision costs more than a store.
  for (; i < count; i++) {
    const own = ints[i] as number;
    const step = (own - before) | 0;
    before = own;
    const u = (step << 1) ^ (step >> 31);
    if ((u & ~mask) !== 0) patches = notePatch(patches, i - first, u, width);
    const value = u & mask;
    word |= value << used;
    words[at] = word;
    const end = used + width;
    const isFull = end >>> 5;
    word = (word & (isFull - 1)) | (((value >>> 1) >>> (31 - used)) & -isFull);
    at += isFull;
    used = end & 31;
  }
  words[at] = word;
  return patches;
}

/** Lists a residual when it is wider than `width`, and gives the number of patches. */
function notePatch(patches: number, row: number, u: number, width: number): number {
  const high = width === 32 ? 0 : u >>> width;
  if (high === 0) return patches;
  patchRows[patches] = row;
  patchHighs[patches] = high;
  return patches + 1;
}

/** Fills `offsets` with ints − min, and lists as `packSteps` does. */
function listOffsets(count: number, width: number, min: number): number {
  const ints = quickInts;
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let patches = 0;
  for (let i = 0; i < count; i++) {
    const u = ((ints[i] as number) - min) | 0;
    offsets[i] = u;
    if ((u & ~mask) !== 0) patches = notePatch(patches, i, u, width);
  }
  return patches;
}

function writePatches(out: ByteWriter, patches: number): void {
  out.varint(patches);
  let before = -1;
  for (let i = 0; i < patches; i++) {
    const row = patchRows[i] as number;
    out.varint(row - before);
    out.varint(patchHighs[i] as number);
    before = row;
  }
}
