/**
 * Gorilla (Pelkonen et al., VLDB 2015, section 4.1) as a peer for the benchmark: delta-of-delta timestamps and XORed
 * values in one bit stream, per reading. Written for speed as the codec is: 32-bit halves, no BigInt, buffers reused.
 */

const words = new Uint32Array(1 << 16);
const doubles = new Float64Array(1);
const halves = new Uint32Array(doubles.buffer);
let at = 0;

function put(value: number, bits: number): void {
  const word = at >>> 5;
  const used = at & 31;
  const own = bits === 32 ? value : value & ((1 << bits) - 1);
  if (used === 0) words[word] = own;
  else words[word] = (words[word] as number) | (own << used);
  if (used + bits > 32) words[word + 1] = own >>> (32 - used);
  at += bits;
}

function get(bits: number): number {
  const word = at >>> 5;
  const used = at & 31;
  let value = (words[word] as number) >>> used;
  if (used + bits > 32) value |= (words[word + 1] as number) << (32 - used);
  at += bits;
  return bits === 32 ? value >>> 0 : value & ((1 << bits) - 1);
}

function putSlice(high: number, low: number, from: number, length: number): void {
  const inLow = from < 32 ? Math.min(length, 32 - from) : 0;
  if (inLow > 0) put(low >>> from, inLow);
  if (length > inLow) put(high >>> Math.max(0, from - 32), length - inLow);
}

function putBend(bend: number): void {
  if (bend === 0) put(0, 1);
  else if (bend >= -63 && bend <= 64) {
    put(0b01, 2);
    put(bend + 63, 7);
  } else if (bend >= -255 && bend <= 256) {
    put(0b011, 3);
    put(bend + 255, 9);
  } else if (bend >= -2047 && bend <= 2048) {
    put(0b0111, 4);
    put(bend + 2047, 12);
  } else {
    put(0b1111, 4);
    put(bend | 0, 32);
  }
}

function getBend(): number {
  if (get(1) === 0) return 0;
  if (get(1) === 0) return get(7) - 63;
  if (get(1) === 0) return get(9) - 255;
  if (get(1) === 0) return get(12) - 2047;
  return get(32) | 0;
}

export interface GorillaBlock {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Bits of the values alone, and of the times. */
  readonly valueBits: number;
}

/** Times whose delta of delta fits 32 bits. */
export function encodeGorilla(time: Float64Array, value: Float64Array): GorillaBlock {
  at = 0;
  let valueBits = 0;
  let timeBefore = 0;
  let deltaBefore = 0;
  let lowBefore = 0;
  let highBefore = 0;
  let windowFrom = 0;
  let windowEnd = 0;
  for (let i = 0; i < value.length; i++) {
    const own = time[i] as number;
    if (i === 0) {
      put(own >>> 0, 32);
      put(Math.floor(own / 2 ** 32), 32);
    } else {
      const delta = own - timeBefore;
      putBend(delta - deltaBefore);
      deltaBefore = delta;
    }
    timeBefore = own;
    const from = at;
    doubles[0] = value[i] as number;
    const low = (halves[0] as number) ^ lowBefore;
    const high = (halves[1] as number) ^ highBefore;
    lowBefore ^= low;
    highBefore ^= high;
    if (i === 0) {
      put(low, 32);
      put(high, 32);
    } else if (low === 0 && high === 0) {
      put(0, 1);
    } else {
      const leading = Math.min(31, high === 0 ? 32 : Math.clz32(high));
      const trailing = low !== 0 ? 31 - Math.clz32(low & -low) : 63 - Math.clz32(high & -high);
      if (windowEnd > 0 && trailing >= windowFrom && 64 - leading <= windowEnd) {
        put(0b01, 2);
      } else {
        windowFrom = trailing;
        windowEnd = 64 - leading;
        put(0b11 | (leading << 2) | ((windowEnd - windowFrom - 1) << 7), 13);
      }
      putSlice(high, low, windowFrom, windowEnd - windowFrom);
    }
    valueBits += at - from;
  }
  return { bytes: new Uint8Array(words.buffer.slice(0, (at + 7) >>> 3)), count: value.length, valueBits };
}

export function decodeGorilla(block: GorillaBlock): { time: Float64Array; value: Float64Array } {
  new Uint8Array(words.buffer).set(block.bytes);
  at = 0;
  const time = new Float64Array(block.count);
  const value = new Float64Array(block.count);
  let now = 0;
  let delta = 0;
  let low = 0;
  let high = 0;
  let windowFrom = 0;
  let windowEnd = 0;
  for (let i = 0; i < block.count; i++) {
    if (i === 0) {
      now = get(32);
      now += get(32) * 2 ** 32;
      low = get(32);
      high = get(32);
    } else {
      delta += getBend();
      now += delta;
      if (get(1) === 1) {
        if (get(1) === 1) {
          windowEnd = 64 - get(5);
          windowFrom = windowEnd - 1 - get(6);
        }
        const length = windowEnd - windowFrom;
        const inLow = windowFrom < 32 ? Math.min(length, 32 - windowFrom) : 0;
        if (inLow > 0) low ^= get(inLow) << windowFrom;
        if (length > inLow) high ^= get(length - inLow) << Math.max(0, windowFrom - 32);
      }
    }
    time[i] = now;
    halves[0] = low;
    halves[1] = high;
    value[i] = doubles[0] as number;
  }
  return { time, value };
}
