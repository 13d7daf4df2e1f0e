/**
 * The randomness port: the operating system's in production, a seeded generator wherever a run must be repeatable.
 */
import { randomBytes, randomInt } from 'node:crypto';

export interface Random {
  /** Uniform integer in [0, 2^32). */
  uint32(): number;
  /** Uniform in [0, 1), 32 bits of it. */
  unit(): number;
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = {
  uint32: () => randomInt(0x1_0000_0000),
  unit: () => randomInt(0x1_0000_0000) / 0x1_0000_0000,
  bytes: (count) => new Uint8Array(randomBytes(count)),
};

/**
 * sfc32 (Chris Doty-Humphrey, PractRand), seeded from one integer: the same seed gives the same stream on every machine.
 */
export class SeededRandom implements Random {
  #a = 0x9e3779b9;
  #b = 0x243f6a88;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#c = seed >>> 0;
    this.#b = Math.imul(Math.floor(seed / 0x1_0000_0000) ^ 0x243f6a88, 0x85ebca6b) >>> 0;
    for (let round = 0; round < 15; round++) this.uint32();
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  unit(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** Uniform integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.unit() * below);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  bytes(count: number): Uint8Array {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = this.uint32() & 0xff;
    return out;
  }

  /** An independent generator for a named part, so that parts do not disturb each other's streams. */
  fork(): SeededRandom {
    return new SeededRandom(this.uint32() + this.below(0x1f_ffff) * 0x1_0000_0000);
  }
}
