/** Numbers, durations and strings as PromQL writes them, and values as Prometheus prints them. */
import { badData } from './errors.ts';

const units = [
  ['y', 31_536_000_000],
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const durationPattern = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** `1h30m` → milliseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const match = durationPattern.exec(text);
  if (match === null || text === '') return undefined;
  return units.reduce((sum, [, factor], index) => sum + Number(match[index + 1] ?? 0) * factor, 0);
}

/** Decimal, hexadecimal, `Inf`, `NaN`, or a duration, which counts as seconds; undefined when it is none. */
export function parseNumber(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const plain = text.replace(/^[+-]\s*/, '');
  if (/^inf$/i.test(plain)) return sign * Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(plain)) return Number.NaN;
  const durationMs = parseDuration(plain);
  if (durationMs !== undefined) return (sign * durationMs) / 1000;
  const digits = plain.replaceAll('_', '');
  if (!/^(?:0x[\da-f]+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/i.test(digits)) return undefined;
  return sign * Number(digits);
}

/** A float64 as Prometheus prints it. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

/** Seconds with the milliseconds as three decimals, if any. */
export function formatTimestamp(ms: number): string {
  return ms % 1000 === 0 ? String(ms / 1000) : (ms / 1000).toFixed(3);
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

const escapePattern = /\\(?:([0-7]{3})|x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|(.)|$)/gis;

/** The text between quotes, its escapes resolved. Throws `query_invalid`. */
export function unquote(quoted: string): string {
  const quote = quoted[0] ?? '';
  const inner = quoted.slice(1, -1);
  if (quoted.length < 2 || !quoted.endsWith(quote)) throw badData(`the string ${quoted} has no closing quote`);
  if (quote === '`') return inner;
  if (inner.includes('\n')) throw badData(`the string ${quoted} is broken by a new line; write \\n`);
  return inner.replace(escapePattern, (whole: string, ...groups: (string | undefined)[]) => {
    const [octal, hex, short, long, simple] = groups;
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const code = Number.parseInt(hex ?? short ?? long ?? '', 16);
    if (!Number.isNaN(code) && code <= 0x10_ff_ff) return String.fromCodePoint(code);
    const resolved = simpleEscapes[simple ?? ''];
    if (resolved === undefined) throw badData(`unknown escape ${whole} in ${quoted}; a backslash is written \\\\`);
    return resolved;
  });
}
