/**
 * What a device measures, as pure functions of (key of the metric, key of the device, time): any reading can be computed again, in any order.
 * Values are integers in units of the metric's last digit, so that the printed number is the reading and rounding happens once.
 */
import type { NumericShape } from './presets.ts';
import { bellNoise, hash32, randomWalk, rootOfUnit, signedOf, sineOfTurns, unitOf } from './waveform.ts';

export interface Signal {
  /** Digits after the point; texts have none. */
  readonly decimals: number;
  /** Of a state machine: the values are indices of these. */
  readonly states: readonly string[] | undefined;
  at(deviceKey: number, timeMs: number): number;
}

const dayMs = 86_400_000;
const weekMs = 7 * dayMs;
/** 1970 began on a Thursday: this turns the highest point of the week to Wednesday noon. */
const weekPhase = 0.25 + 0.5 / 7;

/** Positions of a device's own constants among its hashes; times are far above. */
const own = { base: 1, daily: 2, phase: 3, walk: 4, noise: 5, rate: 6, jitter: 7, start: 8, cycle: 9 } as const;

export interface NumericOptions {
  readonly key: number;
  readonly shape: NumericShape;
  /** Walks with another metric: `by` 1 exactly as that one, -1 against it, 0 on its own. */
  readonly follows?: { readonly key: number; readonly walkOverMs: number; readonly by: number };
}

/** A device has its own base, daily amplitude (70 to 130 %) and phase (up to an hour off a highest point at 15:00 UTC). */
export function createNumeric({ key, shape, follows }: NumericOptions): Signal {
  const { base, spread, daily, weekly, walk, walkOverMs, noise, decimals, min, max } = shape;
  const scale = scaleOf(decimals);
  const others = follows?.by ?? 0;
  const mine = rootOfUnit(1 - others * others);
  const walkOf = (deviceKey: number, timeMs: number): number => {
    const alone = mine === 0 ? 0 : mine * walkAt(key, deviceKey, timeMs, walkOverMs);
    return follows === undefined ? alone : alone + others * walkAt(follows.key, deviceKey, timeMs, follows.walkOverMs);
  };
  return {
    decimals,
    states: undefined,
    at(deviceKey, timeMs) {
      const at = hash32(key, deviceKey);
      let value = base + spread * signedOf(at, own.base);
      if (daily !== 0) {
        const phase = 0.375 + signedOf(at, own.phase) / 24;
        value += daily * (0.7 + 0.6 * unitOf(at, own.daily)) * sineOfTurns(timeMs / dayMs + 1 - phase);
      }
      if (weekly !== 0) value += weekly * sineOfTurns(timeMs / weekMs + weekPhase);
      if (walk !== 0) value += walk * walkOf(deviceKey, timeMs);
      if (noise !== 0) value += noise * bellNoise(hash32(at, own.noise), timeMs);
      return Math.round(Math.min(max, Math.max(min, value)) * scale);
    },
  };
}

function walkAt(key: number, deviceKey: number, timeMs: number, overMs: number): number {
  return randomWalk(hash32(hash32(key, deviceKey), own.walk), timeMs, overMs);
}

export interface CounterOptions {
  readonly key: number;
  readonly perHour: number;
  /** How far the rate swings within a day, as a share of it: 0 to 0.9. */
  readonly daily: number;
  /** Goes on from 0 there; Infinity = never. */
  readonly wrap: number;
  readonly decimals: number;
}

const hourMs = 3_600_000;
const counterStartMs = Date.UTC(2020, 0, 1);
/** The rate is highest at 15:00 UTC, where the sine is steepest. */
const counterPhase = 0.375;
/** Bursts and lulls within this time even out over it. */
const burstMs = 600_000;

/**
 * A meter: the integral of a rate that has a daily cycle and bursts. What a device counts per hour lies within half and one and a half of
 * `perHour`. It began with some count of its own in 2020; before that it counts below it.
 */
export function createCounter({ key, perHour, daily, wrap, decimals }: CounterOptions): Signal {
  const scale = scaleOf(decimals);
  const perMs = perHour / hourMs;
  // d/dt of (day / 2π)·sin(2π·t/day) is a cosine: so its share of the rate is `daily`. 6.4 is the steepest slope of our sine.
  const swingMs = (daily * dayMs) / 6.4;
  const wrapUnits = wrap * scale;
  return {
    decimals,
    states: undefined,
    at(deviceKey, timeMs) {
      const at = hash32(key, deviceKey);
      const elapsed = timeMs - counterStartMs;
      // The cycle runs in the time of the bursts: neither can turn the other back.
      const bursts = burstsAt(hash32(at, own.jitter), elapsed);
      const smooth = bursts + swingMs * sineOfTurns(bursts / dayMs + counterPhase + signedOf(at, own.phase) / 24);
      const start = unitOf(at, own.start) * (wrap === Infinity ? 1e5 : wrap);
      const units = Math.floor((start + smooth * perMs * (0.5 + unitOf(at, own.rate))) * scale);
      return wrap === Infinity ? units : units - Math.floor(units / wrapUnits) * wrapUnits;
    },
  };
}

/** Time that runs faster and slower, never back: at the points of a lattice it is off by less than half the spacing. */
function burstsAt(key: number, elapsed: number): number {
  const cell = Math.floor(elapsed / burstMs);
  const share = elapsed / burstMs - cell;
  const left = cell + 0.4 * signedOf(key, cell);
  const right = cell + 1 + 0.4 * signedOf(key, cell + 1);
  return (left + (right - left) * share) * burstMs;
}

export interface StatesOptions {
  readonly key: number;
  readonly states: readonly { readonly name: string; readonly dwellMs: number }[];
}

/** A cycle through the states in their order; in each round the share of a state is drawn between half and one and a half. */
export function createStates({ key, states }: StatesOptions): Signal {
  const roundMs = states.reduce((sum, { dwellMs }) => sum + dwellMs, 0);
  const dwells = states.map(({ dwellMs }) => dwellMs);
  return {
    decimals: 0,
    states: states.map(({ name }) => name),
    at(deviceKey, timeMs) {
      const at = hash32(key, deviceKey);
      const shifted = timeMs + Math.floor(unitOf(at, own.cycle) * roundMs);
      const round = Math.floor(shifted / roundMs);
      const draw = hash32(at, round);
      let whole = 0;
      for (let i = 0; i < dwells.length; i++) whole += drawnDwell(dwells, draw, i);
      let rest = ((shifted - round * roundMs) / roundMs) * whole;
      for (let i = 0; i < dwells.length - 1; i++) {
        rest -= drawnDwell(dwells, draw, i);
        if (rest < 0) return i;
      }
      return dwells.length - 1;
    },
  };
}

function drawnDwell(dwells: readonly number[], draw: number, index: number): number {
  return (dwells[index] as number) * (0.5 + unitOf(draw, index));
}

export function scaleOf(decimals: number): number {
  return [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9][decimals] ?? 1;
}
