/**
 * The exact sum of float64 values, or of exact products of two of them. The state is the sum itself, so the order of
 * additions and merges cannot change a bit; it is rounded once, when read (reference: Python's `math.fsum`). Nothing
 * overflows or underflows on the way: a superaccumulator (Kulisch) of 28-bit limbs, kept only where the sum has digits.
 * Limbs are integers in float64, so that 2^24 additions pass before carries have to be settled (the idea of R. Neal,
 * "Fast exact summation using small and large superaccumulators", 2015).
 */
import { invariant } from '../errors.ts';
import { type ByteReader, type ByteWriter, corrupt } from './bytes.ts';
import type { Dyadic } from './dyadic.ts';
import { integerOf, lastPlaceOf, powerOfTwo } from './float-parts.ts';

/** Every product of two float64 is a multiple of 2^-2148, the unit of limb 0. */
const unitExponent = -2148;
const limbBits = 28;
const limbUnits = 2 ** limbBits;
const limbMask = limbUnits - 1;
/** Room for 2^53 products of the greatest float64 (4,249 bits), and carries. */
const limbsMax = 156;
/** Bits a serialised sum may have above the unit. */
const bitsMax = 4256;
/** Additions of less than 2^28 to each limb that cannot lose a bit. */
const weightMax = 2 ** 24;

/** A window begins this much lower than its first digits: what follows is mostly finer. */
const slackLimbs = 3;

/** Sign and magnitude of the sum at hand: limbs [low, high) of the scratch, ends not zero; low = high for zero. */
const scratch = new Float64Array(limbsMax + 4);
let scratchLow = 0;
let scratchHigh = 0;
let isNegative = false;

/** Settles carries in scratch [low, high) so that limbs are in [0, 2^28), sign apart, and trims zeros. */
function settle(low: number, high: number): void {
  let top = carry(low, high);
  isNegative = (scratch[top - 1] as number) < 0;
  if (isNegative) {
    for (let i = low; i < top; i++) scratch[i] = -(scratch[i] as number);
    top = carry(low, top);
  }
  let bottom = low;
  while (bottom < top && scratch[bottom] === 0) bottom++;
  while (top > bottom && scratch[top - 1] === 0) top--;
  scratchLow = bottom;
  scratchHigh = top;
}

/** One pass of carries upwards; the last limb takes the sign. Returns the new upper end. */
function carry(low: number, high: number): number {
  let carried = 0;
  for (let i = low; i < high; i++) {
    const sum = (scratch[i] as number) + carried;
    carried = Math.floor(sum / limbUnits);
    scratch[i] = sum - carried * limbUnits;
  }
  if (carried === 0) return high;
  invariant(high < limbsMax, 'an exact sum within its range');
  scratch[high] = carried;
  return high + 1;
}

function scratchLimb(index: number): number {
  return index >= scratchLow && index < scratchHigh ? (scratch[index] as number) : 0;
}

/** True when the magnitude has a bit below the given position. */
function hasBitsBelow(position: number): boolean {
  const limb = Math.floor(position / limbBits);
  if (scratchLow < limb) return true;
  return (scratchLimb(limb) & (2 ** (position - limb * limbBits) - 1)) !== 0;
}

/** The scratch rounded to the nearest float64, ties to even. */
function roundScratch(): number {
  if (scratchLow === scratchHigh) return 0;
  const top = scratchHigh * limbBits - (Math.clz32(scratch[scratchHigh - 1] as number) - (32 - limbBits));
  const cut = Math.max(top - 53, -1074 - unitExponent);
  const limb = Math.floor(cut / limbBits);
  const offset = cut - limb * limbBits;
  let kept = scratchLimb(limb) >>> offset;
  kept += scratchLimb(limb + 1) * 2 ** (limbBits - offset);
  kept += scratchLimb(limb + 2) * 2 ** (2 * limbBits - offset);
  const below = cut - 1;
  const belowLimb = Math.floor(below / limbBits);
  const half = (scratchLimb(belowLimb) >>> (below - belowLimb * limbBits)) & 1;
  if (half === 1 && (kept % 2 === 1 || hasBitsBelow(below))) kept += 1;
  const exponent = cut + unitExponent;
  const magnitude = kept * powerOfTwo(exponent);
  return isNegative ? -magnitude : magnitude;
}

/** Adds ±value to the scratch, sign taken into account, and settles it. */
function addToScratch(value: number): void {
  const exponent = lastPlaceOf(value);
  const limb = Math.floor((exponent - unitExponent) / limbBits);
  const low = Math.min(scratchLow, limb);
  const high = Math.max(scratchHigh, limb + 3);
  for (let i = low; i < scratchLow; i++) scratch[i] = 0;
  for (let i = scratchHigh; i < high; i++) scratch[i] = 0;
  if (isNegative) for (let i = scratchLow; i < scratchHigh; i++) scratch[i] = -(scratch[i] as number);
  const shifted = integerOf(value, exponent) * 2 ** (exponent - unitExponent - limb * limbBits);
  const middle = Math.trunc(shifted / limbUnits);
  const upper = Math.trunc(middle / limbUnits);
  scratch[limb] = (scratch[limb] as number) + (shifted - middle * limbUnits);
  scratch[limb + 1] = (scratch[limb + 1] as number) + (middle - upper * limbUnits);
  scratch[limb + 2] = (scratch[limb + 2] as number) + upper;
  settle(low, high);
}

/** Bits [position, position + 28) of the magnitude. */
function scratchDigits(position: number): number {
  const limb = Math.floor(position / limbBits);
  const offset = position - limb * limbBits;
  const low = scratchLimb(limb) >>> offset;
  return offset === 0 ? low : (low | (scratchLimb(limb + 1) << (limbBits - offset))) & limbMask;
}

export class ExactSum {
  /** Limbs from `#base` on, the first `#used` in use; their units are 2^(28·i) · 2^-2148. */
  #limbs: number[] = [];
  #base = 0;
  #used = 0;
  /** Additions since carries were settled. */
  #weight = 0;

  /** Adds a finite value. */
  add(value: number): void {
    invariant(value - value === 0, 'a finite value');
    if (value === 0) return;
    const exponent = lastPlaceOf(value);
    this.addScaled(integerOf(value, exponent), exponent);
  }

  /** Adds the exact product of two finite values. */
  addProduct(left: number, right: number): void {
    invariant(left - left === 0 && right - right === 0, 'finite factors');
    if (left === 0 || right === 0) return;
    const leftExponent = lastPlaceOf(left);
    const rightExponent = lastPlaceOf(right);
    const leftInteger = integerOf(left, leftExponent);
    const rightInteger = integerOf(right, rightExponent);
    // Halves of at most 26 bits and a sign, so that the products of halves are exact.
    const leftHigh = Math.round(leftInteger / 2 ** 27);
    const leftLow = leftInteger - leftHigh * 2 ** 27;
    const rightHigh = Math.round(rightInteger / 2 ** 27);
    const rightLow = rightInteger - rightHigh * 2 ** 27;
    const exponent = leftExponent + rightExponent;
    this.addScaled(leftHigh * rightHigh, exponent + 54);
    this.addScaled(leftHigh * rightLow, exponent + 27);
    this.addScaled(leftLow * rightHigh, exponent + 27);
    this.addScaled(leftLow * rightLow, exponent);
  }

  /** Adds integer · 2^exponent, |integer| ≤ 2^53, exponent ≥ −2148. */
  addScaled(integer: number, exponent: number): void {
    if (integer === 0) return;
    const position = exponent - unitExponent;
    const limb = (position / limbBits) | 0;
    const shifted = integer * (1 << (position - limb * limbBits));
    const middle = Math.trunc(shifted / limbUnits);
    const upper = Math.trunc(middle / limbUnits);
    if (this.#weight >= weightMax) this.#settle();
    this.#weight++;
    if (this.#used === 0 || limb < this.#base || limb + 3 > this.#base + this.#used) this.#cover(limb, limb + 3);
    const limbs = this.#limbs;
    const at = limb - this.#base;
    limbs[at] = (limbs[at] as number) + (shifted - middle * limbUnits);
    limbs[at + 1] = (limbs[at + 1] as number) + (middle - upper * limbUnits);
    limbs[at + 2] = (limbs[at + 2] as number) + upper;
  }

  merge(other: ExactSum): void {
    if (other.#used === 0) return;
    if (this.#weight + other.#weight > weightMax) {
      this.#settle();
      other.#settle();
    }
    this.#weight += other.#weight;
    this.#cover(other.#base, other.#base + other.#used);
    const offset = other.#base - this.#base;
    for (let i = 0; i < other.#used; i++) {
      this.#limbs[offset + i] = (this.#limbs[offset + i] as number) + (other.#limbs[i] as number);
    }
  }

  /** Adds `count` times the other sum; an integer in [0, 2^53). */
  addMultiple(other: ExactSum, count: number): void {
    other.#load();
    const sign = isNegative ? -1 : 1;
    const low = scratchLow;
    const digits = scratch.slice(low, scratchHigh);
    for (let rest = count, shift = 0; rest > 0; rest = Math.floor(rest / 2 ** 24), shift += 24) {
      const part = sign * (rest % 2 ** 24);
      digits.forEach((digit, i) => {
        this.addScaled(digit * part, unitExponent + (low + i) * limbBits + shift);
      });
    }
  }

  clear(): void {
    this.#used = 0;
    this.#weight = 0;
  }

  /** The sum, rounded once to nearest even; ±Infinity beyond the range of float64; +0 for zero. */
  value(): number {
    this.#load();
    return roundScratch();
  }

  exact(): Dyadic {
    this.#load();
    let mantissa = 0n;
    for (let i = scratchHigh - 1; i >= scratchLow; i--) mantissa = (mantissa << 28n) | BigInt(scratch[i] as number);
    return { mantissa: isNegative ? -mantissa : mantissa, exponent: unitExponent + scratchLow * limbBits };
  }

  /** Canonical form, FORMAT.md §2: the rounded sum as a short float, then what rounding cut off. */
  write(writer: ByteWriter): void {
    this.#load();
    const rounded = roundScratch();
    const head = rounded - rounded === 0 ? rounded : 0;
    writer.float(head);
    if (head !== 0) addToScratch(-head);
    if (scratchLow === scratchHigh) {
      writer.byte(0);
      return;
    }
    const lowest = scratch[scratchLow] as number;
    const start = scratchLow * limbBits + (31 - Math.clz32(lowest & -lowest));
    const distance = lastPlaceOf(head) - (start + unitExponent);
    writer.varint(distance >= 1 ? 2 * distance - 1 : 2 - 2 * distance);
    const end = scratchHigh * limbBits - (Math.clz32(scratch[scratchHigh - 1] as number) - (32 - limbBits));
    // The lowest bit is always 1, so the sign takes its place.
    let digits = (scratchDigits(start) & ~1) | (isNegative ? 1 : 0);
    for (let position = start; ; ) {
      position += limbBits;
      const isLast = position >= end;
      for (let i = 0; i < 3 && (!isLast || digits >= 0x80); i++) {
        writer.byte((digits & 0x7f) | 0x80);
        digits >>>= 7;
      }
      if (isLast) break;
      writer.byte(digits | 0x80);
      digits = scratchDigits(position);
    }
    writer.byte(digits);
  }

  /** Adds a serialised sum. Bounded; that the form is canonical is checked by who decodes (FORMAT.md §4). */
  read(reader: ByteReader): void {
    const head = reader.float();
    this.add(head);
    const code = reader.varint();
    if (code === 0) return;
    const distance = code % 2 === 1 ? (code + 1) / 2 : 1 - code / 2;
    let exponent = lastPlaceOf(head) - distance;
    let byte = reader.byte();
    const sign = (byte & 1) === 0 ? 1 : -1;
    let digits = (byte & 0x7f) | 1;
    let units = 128;
    if (exponent < unitExponent) throw corrupt('exact sum below its unit');
    while (byte >= 0x80) {
      if (exponent - unitExponent > bitsMax) throw corrupt('exact sum too long');
      if (units === limbUnits) {
        this.addScaled(sign * digits, exponent);
        exponent += limbBits;
        digits = 0;
        units = 1;
      }
      byte = reader.byte();
      digits += (byte & 0x7f) * units;
      units *= 128;
    }
    if (exponent - unitExponent > bitsMax) throw corrupt('exact sum too long');
    this.addScaled(sign * digits, exponent);
  }

  /** Makes limbs [low, high) part of the window. */
  #cover(low: number, high: number): void {
    if (this.#used === 0) this.#base = Math.max(0, low - slackLimbs);
    const limbs = this.#limbs;
    if (low < this.#base) {
      const added = this.#base - low;
      for (let i = 0; i < added; i++) limbs[this.#used + i] = 0;
      for (let i = this.#used - 1; i >= 0; i--) limbs[i + added] = limbs[i] as number;
      limbs.fill(0, 0, added);
      this.#base = low;
      this.#used += added;
    }
    while (this.#base + this.#used < high) limbs[this.#used++] = 0;
  }

  /** Copies the sum to the scratch, settled. */
  #load(): void {
    for (let i = 0; i < this.#used; i++) scratch[this.#base + i] = this.#limbs[i] as number;
    if (this.#used === 0) {
      scratchLow = scratchHigh = 0;
      isNegative = false;
    } else {
      settle(this.#base, this.#base + this.#used);
    }
  }

  #settle(): void {
    this.#load();
    const sign = isNegative ? -1 : 1;
    this.#base = scratchLow;
    this.#used = scratchHigh - scratchLow;
    for (let i = 0; i < this.#used; i++) this.#limbs[i] = sign * (scratch[scratchLow + i] as number);
    this.#weight = 1;
  }
}
