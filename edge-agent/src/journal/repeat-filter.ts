/**
 * Remembers recent readings by hash, so that what a sensor sends again over an at-least-once hop counts once (decision 0001).
 * Two generations of a fixed number of hashes: at least the last `generationSize` readings are remembered, memory never
 * grows. A hash has 53 bits; with both generations full the chance of a wrong hit is below 3·10⁻¹¹ per reading.
 *
 * What is later than all of its series repeats nothing. So a generation is a plain list, and is indexed only when a reading comes that
 * may be a repeat: measured, a table of some megabytes costs three times the list.
 */
const defaultGenerationSize = 131_072;

export class RepeatFilter {
  readonly #generationSize: number;
  #current = new Generation();
  #previous = new Generation();
  /** Per series the latest time of all that is or was remembered. */
  #newest = new Float64Array(1024).fill(Number.NEGATIVE_INFINITY);

  constructor(generationSize = defaultGenerationSize) {
    this.#generationSize = generationSize;
  }

  /** How many readings back a repeat is recognised at least. */
  get depth(): number {
    return this.#generationSize;
  }

  /** True when this exact reading is remembered; remembers it otherwise. */
  isRepeat(series: number, time: number, value: number, flags: number): boolean {
    const hash = hashOf(series, time, value, flags);
    const isPossible = !this.#isNewest(series, time);
    if (isPossible && (this.#current.has(hash) || this.#previous.has(hash))) return true;
    if (this.#current.size === this.#generationSize) {
      const recycled = this.#previous;
      recycled.clear();
      this.#previous = this.#current;
      this.#current = recycled;
    }
    this.#current.add(hash);
    return false;
  }

  /** Later than everything remembered of its series, as most readings are, it repeats nothing, and no table has to be searched. */
  #isNewest(series: number, time: number): boolean {
    if (series >= this.#newest.length) this.#growNewest(series);
    if (time <= (this.#newest[series] as number)) return false;
    this.#newest[series] = time;
    return true;
  }

  #growNewest(series: number): void {
    const grown = new Float64Array(2 ** Math.ceil(Math.log2(series + 1))).fill(Number.NEGATIVE_INFINITY);
    grown.set(this.#newest);
    this.#newest = grown;
  }
}

/** Hashes in the order in which they came; indexed from the first question on. */
class Generation {
  #hashes = new Float64Array(1024);
  #index: HashTable | undefined;
  size = 0;

  has(hash: number): boolean {
    if (this.#index === undefined) {
      this.#index = new HashTable();
      for (let i = 0; i < this.size; i++) this.#index.add(this.#hashes[i] as number);
    }
    return this.#index.has(hash);
  }

  add(hash: number): void {
    if (this.size === this.#hashes.length) {
      const grown = new Float64Array(this.size * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.size++] = hash;
    this.#index?.add(hash);
  }

  clear(): void {
    this.size = 0;
    this.#index = undefined;
  }
}

/** Open addressing over float64 keys; 0 marks an empty slot, so no hash is 0. Grows with what it holds. */
class HashTable {
  #slots = new Float64Array(1024);
  #mask = 1023;
  #size = 0;

  has(hash: number): boolean {
    return this.#slots[this.#find(hash)] === hash;
  }

  add(hash: number): void {
    if (this.#size * 2 > this.#slots.length) this.#grow();
    this.#slots[this.#find(hash)] = hash;
    this.#size++;
  }

  #grow(): void {
    const held = this.#slots;
    this.#slots = new Float64Array(held.length * 2);
    this.#mask = this.#slots.length - 1;
    for (const hash of held) if (hash !== 0) this.#slots[this.#find(hash)] = hash;
  }

  #find(hash: number): number {
    let at = (hash >>> 0) & this.#mask;
    while (this.#slots[at] !== 0 && this.#slots[at] !== hash) at = (at + 1) & this.#mask;
    return at;
  }
}

const words = new Uint32Array(4);
const doubles = new Float64Array(words.buffer);

function hashOf(series: number, time: number, value: number, flags: number): number {
  doubles[0] = time;
  doubles[1] = value;
  let low = mix(series ^ 0x9e3779b9);
  let high = mix(series + 0x7f4a7c15);
  for (let i = 0; i < 4; i++) {
    const word = words[i] ?? 0;
    low = mix(low ^ word);
    high = mix(Math.imul(high, 0x85ebca6b) + (word ^ low));
  }
  low = mix(low ^ flags);
  const hash = (high & 0x1f_ffff) * 0x1_0000_0000 + low;
  return hash === 0 ? 1 : hash;
}

/** Finaliser of MurmurHash3 (Austin Appleby, public domain). */
function mix(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
