/**
 * The functions of the expression language. A function of numbers whose result is not finite, as `sqrt(-1)`, has no result. The list is
 * closed: nothing of the host can be called.
 */

interface Counts {
  readonly argsMin: number;
  readonly argsMax: number;
}

export type FunctionSpec = Counts &
  (
    | {
        readonly takes: 'number';
        readonly gives: 'number';
        /** For the arguments that may be left out, from `argsMin` on. */
        readonly defaults?: readonly number[];
        readonly apply: (a: number, b: number, c: number) => number;
      }
    | {
        readonly takes: 'number';
        readonly gives: 'number';
        /** Applied from left to right over all arguments. */
        readonly fold: (a: number, b: number) => number;
      }
    | { readonly takes: 'text'; readonly gives: 'boolean'; readonly test: (a: string, b: string) => boolean }
    | { readonly takes: 'text'; readonly gives: 'text'; readonly convert: (a: string) => string }
    | { readonly takes: 'variable'; readonly gives: 'boolean' }
  );

const argumentsMax = 16;
const digitsMax = 15;

const one = { argsMin: 1, argsMax: 1 } as const;
const two = { argsMin: 2, argsMax: 2 } as const;
const numeric = { takes: 'number', gives: 'number' } as const;
const textTest = { ...two, takes: 'text', gives: 'boolean' } as const;
const several = { argsMin: 1, argsMax: argumentsMax } as const;

export const functions: ReadonlyMap<string, FunctionSpec> = new Map<string, FunctionSpec>([
  ['abs', { ...one, ...numeric, apply: Math.abs }],
  ['min', { ...several, ...numeric, fold: Math.min }],
  ['max', { ...several, ...numeric, fold: Math.max }],
  ['round', { argsMin: 1, argsMax: 2, ...numeric, defaults: [0], apply: round }],
  ['floor', { ...one, ...numeric, apply: Math.floor }],
  ['ceil', { ...one, ...numeric, apply: Math.ceil }],
  ['sqrt', { ...one, ...numeric, apply: Math.sqrt }],
  ['ln', { ...one, ...numeric, apply: Math.log }],
  ['log10', { ...one, ...numeric, apply: Math.log10 }],
  ['exp', { ...one, ...numeric, apply: Math.exp }],
  ['pow', { ...two, ...numeric, apply: Math.pow }],
  ['sin', { ...one, ...numeric, apply: Math.sin }],
  ['cos', { ...one, ...numeric, apply: Math.cos }],
  ['atan2', { ...two, ...numeric, apply: Math.atan2 }],
  ['clamp', { argsMin: 3, argsMax: 3, ...numeric, apply: clamp }],
  ['has', { ...one, takes: 'variable', gives: 'boolean' }],
  ['startsWith', { ...textTest, test: (a, b) => a.startsWith(b) }],
  ['endsWith', { ...textTest, test: (a, b) => a.endsWith(b) }],
  ['contains', { ...textTest, test: (a, b) => a.includes(b) }],
  ['lower', { ...one, takes: 'text', gives: 'text', convert: (a) => a.toLowerCase() }],
]);

/** What people write that is called otherwise here. */
export const functionHints: ReadonlyMap<string, string> = new Map([
  ['if', 'write condition ? this : that'],
  ['log', 'write ln(x) or log10(x)'],
  ['mean', 'a mean over time is made by "window"; of two values write (a + b) / 2'],
  ['avg', 'a mean over time is made by "window"; of two values write (a + b) / 2'],
  ['matches', 'there are no patterns: write startsWith, endsWith or contains'],
]);

/** To so many decimals, a half away from zero. */
function round(value: number, digits: number): number {
  if (!Number.isInteger(digits) || digits < 0 || digits > digitsMax) return Number.NaN;
  if (digits === 0) return value < 0 ? -Math.round(-value) : Math.round(value);
  return Number(value.toFixed(digits));
}

function clamp(value: number, low: number, high: number): number {
  return low > high ? Number.NaN : Math.min(high, Math.max(low, value));
}
