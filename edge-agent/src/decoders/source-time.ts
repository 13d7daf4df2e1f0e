/**
 * Event time as devices write it, turned into integer milliseconds since the epoch, UTC. A time that cannot be right is
 * refused with a reason: a reading stored at a wrong time is worse than one that is counted as rejected.
 */
import type { RejectionReason } from './rejections.ts';
import { compileFormat, utcMs } from './time-format.ts';
import { compileZone, type ToUtc, zoneOffsetMs } from './time-zone.ts';

export const timeUnits = ['s', 'ms', 'us', 'ns', 'iso'] as const;
export type TimeUnit = (typeof timeUnits)[number];

export const maxSkewMsDefault = 600_000;
const year2000Ms = Date.UTC(2000, 0, 1);

/** How a time is written. */
export interface TimeForm {
  /** One of the two. */
  readonly unit?: TimeUnit;
  /** As `YYYY-MM-DD HH:mm:ss`; see time-format.ts. */
  readonly format?: string;
  /** Of times that do not tell their offset: `UTC`, `+01:00` or `Europe/Rome`. */
  readonly zone?: string;
}

/** The event time that a value tells; undefined when it is not of the form. */
export type ReadTime = (value: unknown) => number | undefined;

/** What is wrong with a form, with the fix; or how to read it. */
export function compileTime({ unit, format, zone }: TimeForm): ReadTime | string {
  const toUtc = zone === undefined ? undefined : compileZone(zone);
  if (zone !== undefined && toUtc === undefined) {
    return `'${zone}' is no time zone: write UTC, +01:00 or a name such as Europe/Rome`;
  }
  if (format !== undefined) {
    const compiled = compileFormat(format);
    if (compiled === undefined) return `'${format}' is no form of a date: write, for example, YYYY-MM-DD HH:mm:ss`;
    if (compiled.hasZone) return (value) => (typeof value === 'string' ? compiled.parse(value) : undefined);
    if (toUtc === undefined) return `'${format}' tells no offset: add zone, for example zone: UTC`;
    return (value) => {
      const localMs = typeof value === 'string' ? compiled.parse(value) : undefined;
      return localMs === undefined ? undefined : toUtc(localMs);
    };
  }
  if (unit === undefined) return 'say how the time is written: unit or format';
  if (unit === 'iso') return (value) => (typeof value === 'string' ? parseIso(value, toUtc) : undefined);
  if (zone !== undefined) return `${unit} since the epoch have no zone: remove it`;
  return (value) => (typeof value === 'number' ? ofNumber(value, unit) : undefined);
}

/** Why an event time is refused; undefined when it can be one. */
export function timeProblem(timeMs: number, nowMs: number, maxSkewMs: number): RejectionReason | undefined {
  if (timeMs < year2000Ms) return 'time_before_2000';
  return timeMs > nowMs + maxSkewMs ? 'time_future' : undefined;
}

/** Integer milliseconds; fractions of one are cut off. */
function ofNumber(value: number, unit: Exclude<TimeUnit, 'iso'>): number | undefined {
  const ms = scaled(value, unit);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

function scaled(value: number, unit: Exclude<TimeUnit, 'iso'>): number {
  switch (unit) {
    case 's':
      // Rounded: 1700000000.123 * 1000 may come out just below the millisecond that was meant.
      return Math.round(value * 1_000);
    case 'ms':
      return Math.floor(value);
    case 'us':
      return Math.floor(value / 1_000);
    case 'ns':
      // Float64 knows such times to about a microsecond, and may lie that much below the millisecond that was meant.
      return Math.floor((value + 1_000) / 1_000_000);
  }
}

/** ISO 8601 with date and time. */
const isoPattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?$/;

/** Without a zone, in the text or declared, it would mean another instant on every machine. */
function parseIso(text: string, toUtc: ToUtc | undefined): number | undefined {
  const parts = isoPattern.exec(text);
  if (parts === null) return undefined;
  const number = (index: number): number => Number(parts[index] ?? 0);
  const millisecond = Number((parts[7] ?? '').padEnd(3, '0').slice(0, 3));
  const localMs = utcMs(number(1), number(2), number(3), number(4), number(5), number(6), millisecond);
  if (localMs === undefined) return undefined;
  if (parts[8] !== undefined) return localMs;
  if (parts[9] === undefined) return toUtc?.(localMs);
  const offsetMs = zoneOffsetMs(parts[9], number(10), number(11));
  return offsetMs === undefined ? undefined : localMs - offsetMs;
}
