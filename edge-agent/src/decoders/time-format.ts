/** Dates and times in a declared form, such as `YYYY/M/D H:mm`: compiled once, read without regular expressions, nothing guessed. */
import { zoneOffsetMs } from './time-zone.ts';

/** A part of a form: what it fills and how many digits it takes, or the text that has to stand there. */
type Part = { readonly field: Field; readonly least: number; readonly most: number } | { readonly literal: string };
type Field = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'fraction' | 'zone';

const tokens: Readonly<Record<string, Part>> = {
  YYYY: { field: 'year', least: 4, most: 4 },
  MM: { field: 'month', least: 2, most: 2 },
  M: { field: 'month', least: 1, most: 2 },
  DD: { field: 'day', least: 2, most: 2 },
  D: { field: 'day', least: 1, most: 2 },
  HH: { field: 'hour', least: 2, most: 2 },
  H: { field: 'hour', least: 1, most: 2 },
  mm: { field: 'minute', least: 2, most: 2 },
  m: { field: 'minute', least: 1, most: 2 },
  ss: { field: 'second', least: 2, most: 2 },
  s: { field: 'second', least: 1, most: 2 },
  S: { field: 'fraction', least: 1, most: 9 },
  Z: { field: 'zone', least: 0, most: 0 },
};

export interface TimeFormat {
  /** The text tells its own offset. */
  readonly hasZone: boolean;
  /** Local milliseconds, or UTC when the text tells its offset; undefined when it is not of this form or no such time exists. */
  parse(text: string): number | undefined;
}

/** What a form may consist of, for messages. */
export const formatTokens = Object.keys(tokens).join(' ');

/** Undefined when the form names no whole date, or a part twice. */
export function compileFormat(form: string): TimeFormat | undefined {
  const parts: Part[] = [];
  for (const piece of form.match(/YYYY|MM?|DD?|HH?|mm?|ss?|S+|Z|[^YMDHmsSZ]+|./g) ?? []) {
    parts.push(tokens[/^S+$/.test(piece) ? 'S' : piece] ?? { literal: piece });
  }
  const fields = parts.flatMap((part) => ('field' in part ? [part.field] : []));
  const isWhole = fields.includes('year') && fields.includes('month') && fields.includes('day');
  const hasLetters = parts.some((part) => 'literal' in part && /[A-SU-Za-z]/.test(part.literal));
  if (!isWhole || hasLetters || new Set(fields).size < fields.length) return undefined;
  return { hasZone: fields.includes('zone'), parse: (text) => parseParts(text, parts) };
}

function parseParts(text: string, parts: readonly Part[]): number | undefined {
  const found: Record<Exclude<Field, 'zone'>, number> = {
    year: 0,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
    second: 0,
    fraction: 0,
  };
  let offsetMs = 0;
  let at = 0;
  for (const part of parts) {
    if ('literal' in part) {
      if (!text.startsWith(part.literal, at)) return undefined;
      at += part.literal.length;
    } else if (part.field === 'zone') {
      const zone = readZone(text, at);
      if (zone === undefined) return undefined;
      offsetMs = zone.offsetMs;
      at += zone.length;
    } else {
      const end = endOfDigits(text, at, part.most);
      if (end - at < part.least) return undefined;
      const digits = text.slice(at, end);
      found[part.field] = part.field === 'fraction' ? Number(digits.padEnd(3, '0').slice(0, 3)) : Number(digits);
      at = end;
    }
  }
  if (at !== text.length) return undefined;
  const { year, month, day, hour, minute, second, fraction } = found;
  const localMs = utcMs(year, month, day, hour, minute, second, fraction);
  return localMs === undefined ? undefined : localMs - offsetMs;
}

function endOfDigits(text: string, from: number, most: number): number {
  let at = from;
  while (at < text.length && at - from < most && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++;
  return at;
}

/** `Z`, `+01:00` or `+0100`. */
function readZone(text: string, from: number): { readonly offsetMs: number; readonly length: number } | undefined {
  if (text[from] === 'Z' || text[from] === 'z') return { offsetMs: 0, length: 1 };
  const match = /^([+-])(\d\d):?(\d\d)/.exec(text.slice(from, from + 6));
  if (match === null) return undefined;
  const offsetMs = zoneOffsetMs(match[1] as string, Number(match[2]), Number(match[3]));
  return offsetMs === undefined ? undefined : { offsetMs, length: match[0].length };
}

/** Undefined for a date or time that does not exist. */
export function utcMs(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  millisecond: number,
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  // Date.UTC rolls a 30th of February over into March, and maps years below 100 to the 20th century.
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1_000 + millisecond;
}
