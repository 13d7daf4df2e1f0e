/**
 * A quantile sketch of the DDSketch family (Masson, Rim, Lee, VLDB 2019): buckets of bounded relative width, counted.
 * The bucket of a value is the top bits of its float64: 64 linear sub-buckets an octave, so a bucket's middle is within
 * 1/129 (0.78 %) of everything in it. When more than `bucketsMax` buckets are in use, neighbours are joined pairwise
 * (uniform collapse, UDDSketch, Epicoco et al. 2020). The level is the least at which the buckets fit, a function of the
 * multiset of values alone, so merge order cannot change it.
 */
import { type ByteReader, type ByteWriter, corrupt } from './bytes.ts';

/** 64 octaves filled solid. */
export const bucketsMax = 4096;
/** Relative error of a quantile while nothing had to be collapsed. */
export const relativeErrorMax = 1 / 129;
const subBuckets = 64;
/** Index 0 is the octave of the smallest subnormal, 2^-1074; the last octave begins at 2^1023. */
const octaves = 2098;
const indexMax = octaves * subBuckets - 1;
/** At level 7 (two octaves a bucket) all of float64 takes 2,099 buckets. */
const levelMax = 7;
const bucketsFirst = 8;

const cell = new Float64Array(1);
const words = new Uint32Array(cell.buffer);

/** Signed key of a finite value at level 0: 0 for zero, else ±(1 + index); monotone in the value. */
export function bucketKey(value: number): number {
  if (value === 0) return 0;
  cell[0] = value;
  let high = words[1] as number;
  let octaveBase = 51;
  if ((high & 0x7ff0_0000) === 0) {
    cell[0] = value * 2 ** 54;
    high = words[1] as number;
    octaveBase = 51 - 54;
  }
  const index = ((high & 0x7fff_ffff) >>> 14) + octaveBase * subBuckets;
  return value < 0 ? -(index + 1) : index + 1;
}

function lowerBound(index: number): number {
  return 2 ** ((index >> 6) - 1074) * (1 + (index & 63) / 64);
}

/** The value whose relative distance to both ends of the bucket is equal. */
function representative(key: number, level: number): number {
  if (key === 0) return 0;
  const index = Math.abs(key) - 1;
  const low = lowerBound(index * 2 ** level);
  const highIndex = (index + 1) * 2 ** level;
  const isTop = highIndex > indexMax;
  // Halved twice at the top, where the upper bound is 2^1024.
  const unit = isTop || low > 2 ** 1000 ? 0.25 : 1;
  const high = isTop ? 2 ** 1022 : lowerBound(highIndex) * unit;
  const middle = (low * unit * (2 / (1 + (low * unit) / high))) / unit;
  return key < 0 ? -middle : middle;
}

function keyAtLevel(key: number, level: number): number {
  return key > 0 ? ((key - 1) >> level) + 1 : key < 0 ? -(((-key - 1) >> level) + 1) : 0;
}

/** Of a sketch that holds nothing: most partials of one reading never need memory of their own. */
const noKeys = new Int32Array(0);
const noCounts = new Float64Array(0);

/** Where a merge puts its result before it is known to fit. */
const mergedKeys = new Int32Array(2 * bucketsMax + 2);
const mergedCounts = new Float64Array(2 * bucketsMax + 2);

export class Sketch {
  /** Values in all buckets. */
  count = 0;
  /** How often neighbours were joined. */
  level = 0;
  /** Ascending keys in use, and the count of each. */
  #keys = noKeys;
  #counts = noCounts;
  #used = 0;
  /** Where the last value went: neighbours in time are often neighbours in value. */
  #recent = 0;

  /** Starts over; keeps its memory. */
  clear(): void {
    this.count = 0;
    this.level = 0;
    this.#used = 0;
    this.#recent = 0;
  }

  get bucketCount(): number {
    return this.#used;
  }

  /** Relative error of `quantile`: 1/129 at level 0; each level doubles the width of a bucket. */
  get relativeError(): number {
    const width = this.level < levelMax ? 2 ** (this.level - 6) : 3;
    return width / (2 + width);
  }

  /** Adds a finite value `count` times. */
  add(value: number, count: number): void {
    this.#increment(keyAtLevel(bucketKey(value), this.level), count);
  }

  merge(other: Sketch): void {
    while (this.level < other.level) this.#collapse();
    if (other.#used <= 2) {
      const { level } = this;
      for (let i = 0; i < other.#used; i++) {
        // Each increment may collapse this sketch further.
        const key = keyAtLevel(other.#keys[i] as number, level - other.level);
        this.#increment(keyAtLevel(key, this.level - level), other.#counts[i] as number);
      }
      return;
    }
    this.#union(other);
    while (this.#used > bucketsMax) this.#collapse();
  }

  #union(other: Sketch): void {
    const drop = this.level - other.level;
    let used = 0;
    let mine = 0;
    let theirs = 0;
    while (mine < this.#used || theirs < other.#used) {
      const myKey = mine < this.#used ? (this.#keys[mine] as number) : Infinity;
      const theirKey = theirs < other.#used ? keyAtLevel(other.#keys[theirs] as number, drop) : Infinity;
      const key = Math.min(myKey, theirKey);
      let count = 0;
      if (myKey === key) count += this.#counts[mine++] as number;
      if (theirKey === key) count += other.#counts[theirs++] as number;
      if (used > 0 && mergedKeys[used - 1] === key) {
        mergedCounts[used - 1] = (mergedCounts[used - 1] as number) + count;
      } else {
        mergedKeys[used] = key;
        mergedCounts[used++] = count;
      }
    }
    this.#reserve(used);
    this.#keys.set(mergedKeys.subarray(0, used));
    this.#counts.set(mergedCounts.subarray(0, used));
    this.#used = used;
    this.count += other.count;
  }

  /** The value of rank floor(q·(count−1)), within `relativeError`; q in [0, 1]; NaN when empty. */
  quantile(q: number): number {
    let rank = Math.floor(q * (this.count - 1));
    for (let i = 0; i < this.#used; i++) {
      const count = this.#counts[i] as number;
      if (rank < count) return representative(this.#keys[i] as number, this.level);
      rank -= count;
    }
    return Number.NaN;
  }

  #increment(key: number, count: number): void {
    this.count += count;
    if (this.#keys[this.#recent] !== key || this.#recent >= this.#used) this.#recent = this.#place(key);
    this.#counts[this.#recent] = (this.#counts[this.#recent] as number) + count;
    while (this.#used > bucketsMax) this.#collapse();
  }

  /** Index of the key, inserted with count 0 where it is new. */
  #place(key: number): number {
    let low = 0;
    let high = this.#used;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    if (low < this.#used && this.#keys[low] === key) return low;
    this.#reserve(this.#used + 1);
    this.#keys.copyWithin(low + 1, low, this.#used);
    this.#counts.copyWithin(low + 1, low, this.#used);
    this.#keys[low] = key;
    this.#counts[low] = 0;
    this.#used++;
    return low;
  }

  #reserve(capacity: number): void {
    if (capacity <= this.#keys.length) return;
    const grown = Math.max(capacity, bucketsFirst, this.#keys.length * 2);
    const keys = new Int32Array(grown);
    const counts = new Float64Array(grown);
    keys.set(this.#keys.subarray(0, this.#used));
    counts.set(this.#counts.subarray(0, this.#used));
    this.#keys = keys;
    this.#counts = counts;
  }

  /** Joins neighbours: order is kept, so one pass in place does. */
  #collapse(): void {
    let used = 0;
    for (let i = 0; i < this.#used; i++) {
      const key = keyAtLevel(this.#keys[i] as number, 1);
      const count = this.#counts[i] as number;
      if (used > 0 && this.#keys[used - 1] === key) {
        this.#counts[used - 1] = (this.#counts[used - 1] as number) + count;
      } else {
        this.#keys[used] = key;
        this.#counts[used++] = count;
      }
    }
    this.#used = used;
    this.#recent = 0;
    this.level++;
  }

  /** Canonical form, FORMAT.md §3; not of an empty sketch. */
  write(writer: ByteWriter): void {
    writer.byte(this.level);
    writer.varint(this.#used);
    let before = this.#keys[0] as number;
    writer.signed(before);
    before -= 1;
    for (let i = 0; i < this.#used; i++) {
      const key = this.#keys[i] as number;
      const gap = key - before - 1;
      const more = (this.#counts[i] as number) - 1;
      writer.byte(Math.min(gap, 3) | (Math.min(more, 63) << 2));
      if (gap >= 3) writer.varint(gap - 3);
      if (more >= 63) writer.varint(more - 63);
      before = key;
    }
  }

  /** Reads into an empty sketch. Bounded; refuses a level that so few buckets cannot need. */
  read(reader: ByteReader): void {
    this.level = reader.byte();
    const used = reader.varint();
    if (this.level > levelMax || used === 0 || used > bucketsMax) throw corrupt('sketch out of bounds');
    if (this.level > 0 && 2 * used <= bucketsMax) throw corrupt('sketch collapsed without need');
    if (used > reader.end - reader.at) throw corrupt('truncated');
    const keyMax = (indexMax >> this.level) + 1;
    this.#reserve(used);
    let key = reader.signed() - 1;
    if (key < -keyMax - 1) throw corrupt('sketch out of bounds');
    for (let i = 0; i < used; i++) {
      const token = reader.byte();
      const gap = (token & 3) === 3 ? 3 + reader.varint() : token & 3;
      const count = token >> 2 === 63 ? 64 + reader.varint() : (token >> 2) + 1;
      key += gap + 1;
      if (key > keyMax) throw corrupt('sketch out of bounds');
      this.#keys[i] = key;
      this.#counts[i] = count;
      this.count += count;
    }
    this.#used = used;
  }
}
