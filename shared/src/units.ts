/**
 * Durations, sizes and shares as people write them. Parsing is exact: the result is an integer or a problem that
 * names the likely fix; nothing is rounded and no unit is guessed.
 */

/** Either the exact value, or what is wrong together with the likely fix. */
export type Parsed = { readonly value: number } | { readonly problem: string };

interface Kind {
  readonly article: string;
  readonly example: string;
  readonly base: string;
  readonly units: ReadonlyMap<string, number>;
  /** Spellings people try, and what to write instead. */
  readonly mistakes: Readonly<Record<string, readonly string[]>>;
}

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const durations: Kind = {
  article: 'a duration',
  example: '500ms, 10s, 5m, 6h or 7d',
  base: 'whole milliseconds',
  units: new Map([
    ['ms', 1],
    ['s', second],
    ['m', minute],
    ['h', hour],
    ['d', day],
  ]),
  mistakes: {
    sec: ['s'],
    secs: ['s'],
    second: ['s'],
    seconds: ['s'],
    min: ['m'],
    mins: ['m'],
    minute: ['m'],
    minutes: ['m'],
    hr: ['h'],
    hrs: ['h'],
    hour: ['h'],
    hours: ['h'],
    day: ['d'],
    days: ['d'],
    msec: ['ms'],
    millis: ['ms'],
  },
};

const sizes: Kind = {
  article: 'a size',
  example: '64KiB, 512MiB or 1GB',
  base: 'whole bytes',
  units: new Map([
    ['B', 1],
    ['kB', 1e3],
    ['KB', 1e3],
    ['MB', 1e6],
    ['GB', 1e9],
    ['TB', 1e12],
    ['KiB', 2 ** 10],
    ['MiB', 2 ** 20],
    ['GiB', 2 ** 30],
    ['TiB', 2 ** 40],
  ]),
  mistakes: { k: ['KB', 'KiB'], m: ['MB', 'MiB'], g: ['GB', 'GiB'], t: ['TB', 'TiB'] },
};

const shares: Kind = {
  article: 'a share',
  example: '5% or 0.5%',
  base: 'whole parts per million',
  units: new Map([['%', 10_000]]),
  mistakes: {},
};

/** `500ms`, `10s`, `1.5h` … → integer milliseconds. */
export function parseDurationMs(text: string): Parsed {
  return parse(text, durations);
}

/** `512MiB` (powers of 1024), `1GB` (powers of 1000) … → integer bytes. */
export function parseSizeBytes(text: string): Parsed {
  return parse(text, sizes);
}

/** `5%` → 50 000 parts per million; at most 100 %. */
export function parseSharePpm(text: string): Parsed {
  const parsed = parse(text, shares);
  if ('value' in parsed && parsed.value > 1_000_000)
    return { problem: `"${text}" is more than the whole: at most 100%` };
  return parsed;
}

export const durationUnits: readonly string[] = [...durations.units.keys()];
export const sizeUnits: readonly string[] = [...sizes.units.keys()];

/** What is written as a number and one of the units, as a regular expression for tools that know no units. */
export function quantityPattern(units: readonly string[]): string {
  return `^\\s*\\d{1,16}(\\.\\d{1,9})?\\s*(${units.join('|')})\\s*$`;
}

function parse(text: string, kind: Kind): Parsed {
  const match = /^\s*(\d{1,16})(?:\.(\d{1,9}))?\s*([A-Za-z%]*)\s*$/.exec(text);
  if (match === null) return { problem: `"${shorten(text)}" is not ${kind.article}: write ${kind.example}` };
  const [, whole = '', fraction = '', unit = ''] = match;
  const amount = fraction === '' ? whole : `${whole}.${fraction}`;
  const factor = kind.units.get(unit);
  if (factor === undefined) return { problem: wrongUnit(amount, unit, kind) };
  const scaled = BigInt(whole + fraction) * BigInt(factor);
  const divisor = 10n ** BigInt(fraction.length);
  if (scaled % divisor !== 0n) return { problem: `"${text.trim()}" is finer than ${kind.base}: use fewer decimals` };
  const value = Number(scaled / divisor);
  if (!Number.isSafeInteger(value)) return { problem: `"${text.trim()}" is absurdly large` };
  return { value };
}

function wrongUnit(amount: string, unit: string, kind: Kind): string {
  const names = [...kind.units.keys()];
  if (unit === '') {
    const fixes = kind === sizes ? ['MiB'] : kind === shares ? ['%'] : ['s'];
    return `${amount} has no unit: write ${kind.example}, for example "${amount}${fixes[0]}"`;
  }
  const otherCase = names.filter((name) => name.toLowerCase() === unit.toLowerCase());
  const fixes = otherCase.length > 0 ? otherCase : (kind.mistakes[unit.toLowerCase()] ?? []);
  if (fixes.length > 0) {
    return `"${amount}${unit}" has no known unit: write ${fixes.map((fix) => `"${amount}${fix}"`).join(' or ')}`;
  }
  return `"${amount}${shorten(unit)}" has no known unit: ${kind.article} ends in ${[...new Set(names)].join(', ')}`;
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}…` : text;
}

/** For people: exact where one unit or two suffice (`10s`, `1h 30m`), else the two largest units, truncated. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  const parts: string[] = [];
  let rest = Math.round(ms);
  for (const [unit, factor] of [...durations.units].reverse()) {
    const amount = Math.floor(rest / factor);
    if (amount > 0) parts.push(`${amount}${unit}`);
    if (parts.length === 2 || (parts.length === 1 && amount === 0)) break;
    rest -= amount * factor;
  }
  return parts.length === 0 ? '0ms' : parts.join(' ');
}

/** For people: three significant digits in powers of 1024 (`1.50MiB`), plain bytes below 1 KiB. */
export function formatSize(bytes: number): string {
  let amount = bytes;
  let unit = 'B';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (Math.abs(amount) < 1024) break;
    amount /= 1024;
    unit = next;
  }
  return Number.isInteger(amount)
    ? `${amount}${unit}`
    : `${amount.toPrecision(Math.abs(amount) >= 1000 ? 4 : 3)}${unit}`;
}

/** For people: `12.5%` from parts per million. */
export function formatShare(ppm: number): string {
  return `${ppm / 10_000}%`;
}
