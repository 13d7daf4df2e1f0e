/** Field kinds that configurations share. Each reads what people write and yields exact numbers or plain data. */
import { z } from 'zod';
import {
  durationUnits,
  formatDuration,
  formatShare,
  formatSize,
  type Parsed,
  parseDurationMs,
  parseSharePpm,
  parseSizeBytes,
  quantityPattern,
  sizeUnits,
} from '../units.ts';

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** `10s` → milliseconds. */
export function duration(description: string, bounds: Bounds = {}) {
  return quantity(parseDurationMs, formatDuration, bounds).meta({
    ...described('duration', description, formatDuration, bounds),
    pattern: quantityPattern(durationUnits),
    examples: ['10s', '5m'],
  });
}

/** `512MiB` → bytes. */
export function size(description: string, bounds: Bounds = {}) {
  return quantity(parseSizeBytes, formatSize, bounds).meta({
    ...described('size', description, formatSize, bounds),
    pattern: quantityPattern(sizeUnits),
    examples: ['512MiB', '1GB'],
  });
}

/** `5%` → 0.05. */
export function share(description: string, bounds: Bounds = {}) {
  const ppm = { ...(bounds.min === undefined ? {} : { min: bounds.min * 1e6 }), max: (bounds.max ?? 1) * 1e6 };
  return quantity(parseSharePpm, formatShare, ppm)
    .transform((value) => value / 1e6)
    .meta({ type: 'string', title: 'share', description, pattern: quantityPattern(['%']), examples: ['2%'] });
}

/** `2/s`, `10/min`, `10/5m` → per millisecond. */
export function rate(description: string) {
  return quantity(parseRate, (value) => `${value * 1_000}/s`, {}).meta({
    type: 'string',
    title: 'rate',
    description,
    pattern: `^\\s*\\d+(\\.\\d+)?\\s*/\\s*(\\d+\\s*)?(${durationUnits.join('|')}|min)\\s*$`,
    examples: ['2/s', '10/min', '10/5m'],
  });
}

function parseRate(text: string): Parsed {
  const match = /^\s*(\d{1,16}(?:\.\d{1,9})?)\s*\/\s*(.+)$/.exec(text);
  if (match === null)
    return { problem: `"${text.slice(0, 40)}" is no rate: write a change per time, such as 2/s or 10/5m` };
  const [, amount = '', per = ''] = match;
  // People say 10/min, and of a duration 10m.
  const unit = per.replace(/min\s*$/, 'm');
  const length = parseDurationMs(/^\d/.test(unit) ? unit : `1${unit}`);
  if ('problem' in length) return length;
  if (length.value === 0) return { problem: `"${text.slice(0, 40)}" is no rate: nothing changes in no time` };
  return { value: Number(amount) / length.value };
}

/** For editors, which complain as one types, and for the reference page. */
function described(title: string, description: string, format: (value: number) => string, { min, max }: Bounds) {
  const limits = [
    ...(min === undefined ? [] : [`at least ${format(min)}`]),
    ...(max === undefined ? [] : [`at most ${format(max)}`]),
  ];
  return { type: 'string', title, description: [description, limits.join(', ')].filter(Boolean).join('; ') } as const;
}

function quantity(parse: (text: string) => Parsed, format: (value: number) => string, { min, max }: Bounds) {
  return z.unknown().transform((input, context) => {
    const fail = (message: string): never => {
      context.issues.push({ code: 'custom', input, message });
      return z.NEVER;
    };
    if (input === undefined) return fail('is required');
    const parsed = parse(
      typeof input === 'string' || typeof input === 'number' ? String(input) : JSON.stringify(input),
    );
    if ('problem' in parsed) return fail(parsed.problem);
    if (min !== undefined && parsed.value < min) return fail(`must be at least ${format(min)}`);
    if (max !== undefined && parsed.value > max) return fail(`must be at most ${format(max)}`);
    return parsed.value;
  });
}

/** A name that other parts of the configuration refer to: a source, a pipeline, an uplink. */
export const name = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,62}$/, 'a name begins with a letter and has at most 63 letters, digits, "_" or "-"');

/** A credential: the text itself or, better, `{ file: … }`. Read it with `context.secret`. */
export const secret = z
  .union([z.string().min(1), z.strictObject({ file: z.string().min(1) })])
  .meta({ title: 'secret', description: 'The secret itself, or { file: path }' });
export type Secret = z.output<typeof secret>;

/** A text that lives in a file of its own, such as a certificate. Read it with `context.text`. */
export const fileReference = z
  .strictObject({ file: z.string().min(1) })
  .meta({ title: 'file', description: '{ file: path }, relative to this file' });
export type FileReference = z.output<typeof fileReference>;

export interface ListenAddress {
  /** Absent when only a port was given. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** `1883`, `127.0.0.1:1883`, `[::1]:1883` or `name:1883`. */
export function listenAddress(description: string) {
  return z
    .union([z.number(), z.string()])
    .transform((input, context): ListenAddress => {
      const match = /^(?:(?:\[([\da-fA-F:]+)\]|([\w.-]+)):)?(\d{1,5})$/.exec(String(input));
      const port = Number(match?.[3]);
      if (match !== null && port <= 65_535) {
        const host = match[1] ?? match[2];
        return host === undefined ? { port } : { host, port };
      }
      context.issues.push({
        code: 'custom',
        input,
        message: `"${input}" is not an address: write 1883 or 127.0.0.1:1883`,
      });
      return z.NEVER;
    })
    .meta({ title: 'address', description });
}
