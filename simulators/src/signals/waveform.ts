/**
 * The shapes that signals are made of, byte-stable on every machine: only the operations that IEEE 754 and ECMAScript
 * define to the bit (+ − × ÷, floor, 32-bit integers). `Math.sin` and friends may differ between engines, so none is used.
 * Every shape is a pure function of its arguments: any reading can be computed again from seed, device and time.
 */

/**
 * sin(2π·turns) by Bhaskara's rational approximation (7th century): exact at multiples of a quarter turn, off by at most
 * 0.0017 elsewhere. `turns` ≥ 0.
 */
export function sineOfTurns(turns: number): number {
  const turn = turns - Math.floor(turns);
  const half = turn < 0.5 ? turn * 2 : turn * 2 - 1;
  const hump = half * (1 - half);
  const magnitude = (16 * hump) / (5 - 4 * hump);
  return turn < 0.5 ? magnitude : -magnitude;
}

/** 32 well-mixed bits of (key, position); position is an integer, |position| < 2^53. The finaliser is MurmurHash3's. */
export function hash32(key: number, position: number): number {
  const high = Math.floor(position / 0x1_0000_0000);
  return mix(mix((key ^ (position >>> 0)) >>> 0) ^ Math.imul(high + 1, 0x9e3779b1));
}

function mix(bits: number): number {
  let hash = bits >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Bell-shaped noise of mean 0 and standard deviation 1, within ±3.5: the sum of four uniform bytes (Irwin–Hall). */
export function bellNoise(key: number, position: number): number {
  const bits = hash32(key, position);
  const sum = (bits & 255) + ((bits >>> 8) & 255) + ((bits >>> 16) & 255) + (bits >>> 24);
  return (sum - 510) / 147.8;
}

/** Slow wandering in [-1, 1]: random levels at the points of a lattice of `spacing`, joined by straight lines. */
export function wander(key: number, position: number, spacing: number): number {
  const cell = Math.floor(position / spacing);
  const share = (position - cell * spacing) / spacing;
  const left = hash32(key, cell) / 0x8000_0000 - 1;
  const right = hash32(key, cell + 1) / 0x8000_0000 - 1;
  return left + (right - left) * share;
}

/** In [0, 1), a function of (key, position). */
export function unitOf(key: number, position: number): number {
  return hash32(key, position) / 0x1_0000_0000;
}

/** In [-1, 1). */
export function signedOf(key: number, position: number): number {
  return hash32(key, position) / 0x8000_0000 - 1;
}

const octaves = 5;
const octaveRatio = 4;
/** 1 + 2 + 4 + 8 + 16. */
const amplitudeSum = 31;

/**
 * A walk in [-1, 1]: wandering on lattices of `spacing`, 4·`spacing`, 16·`spacing` …, each twice as far as the one below, as the
 * distance of a random walk grows with the root of time. It needs no memory of its steps.
 */
export function randomWalk(key: number, position: number, spacing: number): number {
  let sum = 0;
  let amplitude = 1;
  let step = spacing;
  for (let octave = 0; octave < octaves; octave++) {
    sum += amplitude * wander(key + octave, position, step);
    amplitude *= 2;
    step *= octaveRatio;
  }
  return sum / amplitudeSum;
}

/** The root of 0 ≤ x ≤ 1 by Newton's iteration, the same bits everywhere: `Math.sqrt` may differ between engines. */
export function rootOfUnit(x: number): number {
  let root = 1;
  // Halves the distance at first, then doubles the digits: 60 rounds reach the last bit even near 0.
  for (let round = 0; round < 60 && root > 0; round++) root = (root + x / root) / 2;
  return root;
}
