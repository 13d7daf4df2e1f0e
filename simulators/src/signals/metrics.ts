/**
 * The metrics a simulated device can measure: what its sensor is like. Values come out as integers in units of the
 * instrument's last digit, so that the printed number is the reading and rounding happens once.
 */
import type { SeededRandom } from '@fogline/shared/random';
import { bellNoise, sineOfTurns, wander } from './waveform.ts';

interface Instrument {
  /** Key in the JSON payload. */
  readonly field: string;
  /** Digits after the point. */
  readonly decimals: number;
  readonly base: number;
  /** Largest distance of a device's own base from `base`. */
  readonly spread: number;
  /** Amplitude of the daily cycle; negative = lowest in the afternoon. */
  readonly daily: number;
  /** Amplitude of the slow wandering, with a new level every quarter of an hour. */
  readonly wander: number;
  /** Standard deviation of the noise of a single reading. */
  readonly noise: number;
  readonly min: number;
  readonly max: number;
}

const instruments: Readonly<Record<string, Instrument>> = {
  temperature: {
    field: 'temp',
    decimals: 2,
    base: 21,
    spread: 3,
    daily: 2.5,
    wander: 0.8,
    noise: 0.04,
    min: -40,
    max: 85,
  },
  humidity: { field: 'hum', decimals: 1, base: 48, spread: 6, daily: -7, wander: 3, noise: 0.2, min: 0, max: 100 },
  pressure: {
    field: 'press',
    decimals: 1,
    base: 1013,
    spread: 2,
    daily: 0.6,
    wander: 1.5,
    noise: 0.1,
    min: 300,
    max: 1100,
  },
  co2: { field: 'co2', decimals: 0, base: 650, spread: 120, daily: 180, wander: 90, noise: 8, min: 400, max: 5000 },
};

export const metricNames: readonly string[] = Object.keys(instruments);

/** One metric of one device: a pure function of time. */
export interface Signal {
  readonly metric: string;
  readonly field: string;
  /** The value at `timeMs`, rounded to the instrument's last digit. */
  at(timeMs: number): number;
}

const dayMs = 86_400_000;
const wanderMs = 900_000;

/** Draws a device's own base, amplitude, phase and noise from `random`. Undefined for a metric that is not known. */
export function createSignal(metric: string, random: SeededRandom): Signal | undefined {
  const instrument = Object.hasOwn(instruments, metric) ? instruments[metric] : undefined;
  if (instrument === undefined) return undefined;
  const scale = [1, 10, 100][instrument.decimals] ?? 1;
  const base = instrument.base + instrument.spread * (random.unit() * 2 - 1);
  const daily = instrument.daily * (0.7 + 0.6 * random.unit());
  // Highest near 15:00 UTC, up to an hour earlier or later from device to device.
  const phase = 0.375 + (random.unit() - 0.5) / 12;
  const noiseKey = random.uint32();
  const wanderKey = random.uint32();
  return {
    metric,
    field: instrument.field,
    at(timeMs) {
      const value =
        base +
        daily * sineOfTurns(timeMs / dayMs + 1 - phase) +
        instrument.wander * wander(wanderKey, timeMs, wanderMs) +
        instrument.noise * bellNoise(noiseKey, timeMs);
      const bounded = Math.min(instrument.max, Math.max(instrument.min, value));
      return Math.round(bounded * scale) / scale;
    },
  };
}
