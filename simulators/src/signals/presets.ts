/** Sensors as one meets them: what a metric is like unless the file says otherwise. */

/** A numeric metric: the sum of its parts, kept within its bounds and rounded to its last digit. */
export interface NumericShape {
  readonly base: number;
  /** Largest distance of a device's own base from `base`. */
  readonly spread: number;
  /** Amplitude of the daily cycle; negative = lowest in the afternoon. */
  readonly daily: number;
  /** Amplitude of the weekly cycle, highest on Wednesday. */
  readonly weekly: number;
  /** Farthest that the random walk goes. */
  readonly walk: number;
  /** Finest step in time of the random walk. */
  readonly walkOverMs: number;
  /** Standard deviation of the noise of a single reading. */
  readonly noise: number;
  /** Digits after the point. */
  readonly decimals: number;
  readonly min: number;
  readonly max: number;
}

export interface Preset extends NumericShape {
  /** Key in the payload. */
  readonly field: string;
}

const minuteMs = 60_000;

export const plainShape: NumericShape = {
  base: 0,
  spread: 0,
  daily: 0,
  weekly: 0,
  walk: 0,
  walkOverMs: 5 * minuteMs,
  noise: 0,
  decimals: 2,
  min: -1e9,
  max: 1e9,
};

export const presets: Readonly<Record<string, Preset>> = {
  temperature: {
    ...plainShape,
    field: 'temp',
    base: 21,
    spread: 3,
    daily: 2.5,
    walk: 1.2,
    noise: 0.04,
    min: -40,
    max: 85,
  },
  humidity: {
    ...plainShape,
    field: 'hum',
    decimals: 1,
    base: 48,
    spread: 6,
    daily: -7,
    walk: 5,
    noise: 0.2,
    min: 0,
    max: 100,
  },
  pressure: {
    ...plainShape,
    field: 'press',
    decimals: 1,
    base: 1013,
    spread: 2,
    daily: 0.6,
    walk: 4,
    walkOverMs: 60 * minuteMs,
    noise: 0.1,
    min: 300,
    max: 1100,
  },
  co2: {
    ...plainShape,
    field: 'co2',
    decimals: 0,
    base: 650,
    spread: 120,
    daily: 180,
    walk: 140,
    noise: 8,
    min: 400,
    max: 5000,
  },
  power: {
    ...plainShape,
    field: 'power',
    decimals: 1,
    base: 420,
    spread: 150,
    daily: 160,
    weekly: 60,
    walk: 120,
    noise: 6,
    min: 0,
    max: 5000,
  },
  vibration: {
    ...plainShape,
    field: 'vib',
    decimals: 3,
    base: 1.8,
    spread: 0.4,
    walk: 0.5,
    noise: 0.12,
    min: 0,
    max: 50,
  },
};
