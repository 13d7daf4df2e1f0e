/**
 * tANS over the symbols of `buckets.ts` (Duda 2013; table construction as in zstd's FSE). A stream is self-contained:
 *
 *   byte     index into `mantissaChoices`
 *   varint   lowest symbol present
 *   varint   number of symbols from the lowest to the highest present, less one
 *   varint   bytes that follow
 *   bits     2: Rice parameter k; 5: class of the lowest symbol; per further symbol the zigzagged difference of its class
 *            to the one before, Rice(k); then the first state (tableLog bits); then per value its offset bits and, except
 *            after the last, the bits of the next state.
 *
 * Class c ≥ 1 is the weight `classWeights[c]`; frequencies are the weights scaled to 2^tableLog (`normalise`), with
 * tableLog = the bit length of the number of values, held between 6 and 11. All of it is integer arithmetic, so every
 * implementation builds the same tables.
 */
import { bitWords, blockRowsMax, readBitWords, writeBitWords } from './bit-pack.ts';
import {
  bucketBits,
  bucketLow,
  bucketOf,
  bucketOfWide,
  countClass,
  mantissaChoices,
  symbolsMax,
  tableLogOf,
} from './buckets.ts';
import { type ByteReader, type ByteWriter, corrupt } from './byte-io.ts';

const statesMax = 1 << 11;
/** Weight of class c ≥ 1: 2^((c+1)/2), rounded. */
const classWeights = [
  0, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096, 5793, 8192,
];
const two24 = 0x100_0000;
const classMax = classWeights.length - 1;

const classes = new Uint8Array(symbolsMax);
const frequencies = new Uint16Array(symbolsMax);
const cursors = new Uint16Array(symbolsMax);
const spread = new Uint16Array(statesMax);

const symbolOf = new Uint16Array(blockRowsMax);
const stepBits = new Uint8Array(blockRowsMax);
const stepValues = new Uint16Array(blockRowsMax);
const encodeStates = new Uint16Array(statesMax);
const encodeBits = new Int32Array(symbolsMax);
const encodeFind = new Int32Array(symbolsMax);
const symbolCounts = new Uint16Array(symbolsMax);

const decodeNext = new Uint16Array(statesMax);
const decodeBits = new Uint8Array(statesMax);
const decodeOffsetBits = new Uint8Array(statesMax);
const decodeLow = new Float64Array(statesMax);

/** Scales weights[0 … symbols) to sum to 2^tableLog, every present symbol at least 1. */
function normalise(symbols: number, tableLog: number): void {
  const total = 1 << tableLog;
  let weight = 0;
  for (let s = 0; s < symbols; s++) weight += classWeights[classes[s] as number] as number;
  let sum = 0;
  for (let s = 0; s < symbols; s++) {
    const own = classWeights[classes[s] as number] as number;
    const scaled = own === 0 ? 0 : Math.max(1, Math.floor((2 * own * total + weight) / (2 * weight)));
    frequencies[s] = scaled;
    sum += scaled;
  }
  while (sum !== total) {
    let largest = 0;
    for (let s = 1; s < symbols; s++) {
      if ((frequencies[s] as number) > (frequencies[largest] as number)) largest = s;
    }
    const step = sum < total ? 1 : -1;
    frequencies[largest] = (frequencies[largest] as number) + step;
    sum += step;
  }
}

/** Fills `spread`: which symbol each state emits. */
function spreadSymbols(symbols: number, tableLog: number): void {
  const total = 1 << tableLog;
  const step = (total >>> 1) + (total >>> 3) + 3;
  let at = 0;
  for (let s = 0; s < symbols; s++) {
    for (let i = frequencies[s] as number; i > 0; i--) {
      spread[at] = s;
      at = (at + step) & (total - 1);
    }
  }
}

let bitAt = 0;

function putBits(value: number, bits: number): void {
  if (bits === 0) return;
  const word = bitAt >>> 5;
  const used = bitAt & 31;
  bitWords[word] = (used === 0 ? 0 : (bitWords[word] as number)) | (value << used);
  if (used + bits > 32) bitWords[word + 1] = value >>> (32 - used);
  bitAt += bits;
}

/** bits ≤ 24. */
function getBits(bits: number): number {
  if (bits === 0) return 0;
  const word = bitAt >>> 5;
  const used = bitAt & 31;
  let value = (bitWords[word] as number) >>> used;
  if (used + bits > 32) value |= (bitWords[word + 1] as number) << (32 - used);
  bitAt += bits;
  return value & ((1 << bits) - 1);
}

function zigzagStep(s: number): number {
  const step = (classes[s] as number) - (classes[s - 1] as number);
  return step < 0 ? -2 * step - 1 : 2 * step;
}

function riceBits(symbols: number, k: number): number {
  let bits = 0;
  for (let s = 1; s < symbols; s++) bits += (zigzagStep(s) >>> k) + 1 + k;
  return bits;
}

function writeClasses(symbols: number): void {
  let k = 0;
  for (let other = 1; other < 4; other++) if (riceBits(symbols, other) < riceBits(symbols, k)) k = other;
  putBits(k, 2);
  putBits(classes[0] as number, 5);
  for (let s = 1; s < symbols; s++) {
    const zigzag = zigzagStep(s);
    let ones = zigzag >>> k;
    for (; ones >= 16; ones -= 16) putBits(0xffff, 16);
    putBits((1 << ones) - 1, ones + 1);
    putBits(zigzag & ((1 << k) - 1), k);
  }
}

/** Throws unless the classes are in range and between 1 and 2^tableLog symbols are present. */
function readClasses(symbols: number, tableLog: number, bitsEnd: number): void {
  const k = getBits(2);
  let klass = 0;
  let present = 0;
  for (let s = 0; s < symbols; s++) {
    if (s === 0) {
      klass = getBits(5);
    } else {
      let ones = 0;
      while (ones <= 2 * classMax && getBits(1) === 1) ones++;
      const zigzag = (ones << k) | getBits(k);
      klass += zigzag & 1 ? -((zigzag + 1) >>> 1) : zigzag >>> 1;
    }
    if (bitAt > bitsEnd) corrupt('truncated');
    if (klass < 0 || klass > classMax) corrupt('symbol class out of range');
    classes[s] = klass;
    if (klass > 0) present++;
  }
  if (present === 0 || present > 1 << tableLog) corrupt('symbol table out of range');
}

function buildEncoder(symbols: number, tableLog: number): void {
  const total = 1 << tableLog;
  let before = 0;
  for (let s = 0; s < symbols; s++) {
    const own = frequencies[s] as number;
    cursors[s] = before;
    encodeFind[s] = before - own;
    const bits = own < 2 ? tableLog : tableLog - (31 - Math.clz32(own - 1));
    encodeBits[s] = (bits << 16) - (own << bits);
    before += own;
  }
  for (let i = 0; i < total; i++) {
    const s = spread[i] as number;
    const cursor = cursors[s] as number;
    cursors[s] = cursor + 1;
    encodeStates[cursor] = total + i;
  }
}

/** Encodes values[0 … count), count ≥ 1, with buckets of the planned mantissa. */
export function encodeSymbols(out: ByteWriter, values: Int32Array, count: number, mantissa: number): void {
  findSymbols(values, count, mantissa);
  encodeSteps(out, count, mantissa);
  putSteps(values, count, mantissa);
  out.varint((bitAt + 7) >>> 3);
  writeBitWords(out, bitAt);
}

/** Fills `symbolOf` and `symbolCounts`. */
function findSymbols(values: Int32Array, count: number, mantissa: number): void {
  const symbols = symbolOf;
  const counts = symbolCounts;
  counts.fill(0);
  for (let i = 0; i < count; i++) {
    const symbol = bucketOf(values[i] as number, mantissa);
    symbols[i] = symbol;
    counts[symbol] = (counts[symbol] as number) + 1;
  }
}

/** Puts offset and step of each value as one number, stored whether it fills a word or not: when it does is a coin toss. */
function putSteps(values: Int32Array, count: number, mantissa: number): void {
  const words = bitWords;
  let at = bitAt >>> 5;
  let used = bitAt & 31;
  let word = used === 0 ? 0 : (words[at] as number) | 0;
  for (let i = 0; i < count; i++) {
    // `bucketBits` without a decision.
    const octave = ((symbolOf[i] as number) >>> mantissa) - 1;
    const offsetBits = octave & ~(octave >> 31);
    let bits = stepBits[i] as number;
    let own = stepValues[i] as number;
    const offset = (values[i] as number) & ((1 << offsetBits) - 1);
    if (offsetBits + bits > 31) {
      words[at] = word;
      bitAt = at * 32 + used;
      putBits(offset, offsetBits);
      at = bitAt >>> 5;
      used = bitAt & 31;
      word = used === 0 ? 0 : (words[at] as number) | 0;
    } else {
      own = offset | (own << offsetBits);
      bits += offsetBits;
    }
    word |= own << used;
    words[at] = word;
    const end = used + bits;
    const isFull = end >>> 5;
    word = (word & (isFull - 1)) | (((own >>> 1) >>> (31 - used)) & -isFull);
    at += isFull;
    used = end & 31;
  }
  words[at] = word;
  bitAt = at * 32 + used;
}

/** As `encodeSymbols` for values up to 2^53. */
export function encodeSymbolsWide(out: ByteWriter, values: Float64Array, count: number, mantissa: number): void {
  symbolCounts.fill(0);
  for (let i = 0; i < count; i++) {
    const symbol = bucketOfWide(values[i] as number, mantissa);
    symbolOf[i] = symbol;
    symbolCounts[symbol] = (symbolCounts[symbol] as number) + 1;
  }
  encodeSteps(out, count, mantissa);
  for (let i = 0; i < count; i++) {
    const bits = bucketBits(symbolOf[i] as number, mantissa);
    const low = (values[i] as number) % two24;
    const lowBits = Math.min(bits, 24);
    putBits(low & ((1 << lowBits) - 1), lowBits);
    if (bits > 24) putBits(Math.floor((values[i] as number) / two24) & ((1 << (bits - 24)) - 1), bits - 24);
    putBits(stepValues[i] as number, stepBits[i] as number);
  }
  out.varint((bitAt + 7) >>> 3);
  writeBitWords(out, bitAt);
}

/** From `symbolOf` and `symbolCounts`: writes head and table, puts the first state, and fills `stepBits` and `stepValues`. */
function encodeSteps(out: ByteWriter, count: number, mantissa: number): void {
  const tableLog = tableLogOf(count);
  let low = 0;
  let high = symbolsMax - 1;
  while (symbolCounts[low] === 0) low++;
  while (symbolCounts[high] === 0) high--;
  const symbols = high - low + 1;
  for (let s = 0; s < symbols; s++) classes[s] = countClass(symbolCounts[low + s] as number);
  normalise(symbols, tableLog);
  spreadSymbols(symbols, tableLog);
  buildEncoder(symbols, tableLog);

  out.u8(mantissaChoices.indexOf(mantissa as (typeof mantissaChoices)[number]));
  out.varint(low);
  out.varint(symbols - 1);
  bitAt = 0;
  writeClasses(symbols);
  // The last value may end in any state of its symbol: its first.
  const last = (symbolOf[count - 1] as number) - low;
  let state = encodeStates[(encodeFind[last] as number) + (frequencies[last] as number)] as number;
  stepBits[count - 1] = 0;
  stepValues[count - 1] = 0;
  for (let i = count - 2; i >= 0; i--) {
    const s = (symbolOf[i] as number) - low;
    const bits = (state + (encodeBits[s] as number)) >>> 16;
    stepBits[i] = bits;
    stepValues[i] = state & ((1 << bits) - 1);
    state = encodeStates[(state >>> bits) + (encodeFind[s] as number)] as number;
  }
  putBits(state - (1 << tableLog), tableLog);
}

function buildDecoder(symbols: number, low: number, tableLog: number, mantissa: number): void {
  const total = 1 << tableLog;
  for (let s = 0; s < symbols; s++) cursors[s] = frequencies[s] as number;
  for (let i = 0; i < total; i++) {
    const s = spread[i] as number;
    const cursor = cursors[s] as number;
    cursors[s] = cursor + 1;
    const bits = tableLog - (31 - Math.clz32(cursor));
    decodeBits[i] = bits;
    decodeNext[i] = (cursor << bits) - total;
    decodeOffsetBits[i] = bucketBits(low + s, mantissa);
    decodeLow[i] = bucketLow(low + s, mantissa);
  }
}

/** The inverse of `encodeSymbols`. Throws `codec_corrupt`; time and memory are bounded by `count`. */
export function decodeSymbols(from: ByteReader, values: Float64Array, count: number): void {
  const tableLog = tableLogOf(count);
  const mantissa = mantissaChoices[from.u8()] ?? corrupt('unknown buckets');
  const low = from.bounded(symbolsMax - 1, 'symbol');
  const symbols = from.bounded(symbolsMax - 1 - low, 'symbol') + 1;
  if (bucketBits(low + symbols - 1, mantissa) > 53) corrupt('symbol out of range');
  const bytes = from.varint();
  readBitWords(from, bytes);
  const bitsEnd = bytes * 8;
  bitAt = 0;
  readClasses(symbols, tableLog, bitsEnd);
  normalise(symbols, tableLog);
  spreadSymbols(symbols, tableLog);
  buildDecoder(symbols, low, tableLog, mantissa);
  decodeSteps(values, count, getBits(tableLog), bitsEnd);
}

/** The hottest loop of the decoder: offset bits and state bits of a value from one window of at least 33 bits. */
function decodeSteps(values: Float64Array, count: number, first: number, bitsEnd: number): void {
  const words = bitWords;
  let state = first;
  let at = bitAt;
  let stepBits = 0;
  for (let i = 0; i < count; i++) {
    if (at > bitsEnd) corrupt('truncated');
    let value = decodeLow[state] as number;
    let offsetBits = decodeOffsetBits[state] as number;
    stepBits = decodeBits[state] as number;
    if (offsetBits > 20) {
      bitAt = at;
      value += getBits(20);
      let scale = 2 ** 20;
      for (offsetBits -= 20; offsetBits > 20; offsetBits -= 20) {
        value += getBits(20) * scale;
        scale *= 2 ** 20;
      }
      value += getBits(offsetBits) * scale;
      at = bitAt;
      offsetBits = 0;
    }
    const used = at & 31;
    let window = (words[at >>> 5] as number) >>> used;
    if (used > 0) window |= (words[(at >>> 5) + 1] as number) << (32 - used);
    values[i] = value + (window & ((1 << offsetBits) - 1));
    state = (decodeNext[state] as number) + ((window >>> offsetBits) & ((1 << stepBits) - 1));
    at += offsetBits + stepBits;
  }
  // After the last value the stream holds no step: what was read there is past its end, and unused.
  if (at - stepBits > bitsEnd) corrupt('truncated');
}
