/**
 * Event time as devices write it, turned into integer milliseconds since the epoch, UTC. A time that cannot be right is
 * refused with a reason: a reading stored at a wrong time is worse than one that is counted as rejected.
 */

export const timeUnits = ['s', 'ms', 'us', 'iso'] as const;
export type TimeUnit = (typeof timeUnits)[number];

export const year2000Ms = Date.UTC(2000, 0, 1);

/** ISO 8601 with date, time and zone; without a zone it would mean another instant on every machine. */
const isoPattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))$/;

/** Integer milliseconds, undefined when the value is not of that form. Fractions of a millisecond are cut off. */
export function parseSourceTime(value: unknown, unit: TimeUnit): number | undefined {
  if (unit === 'iso') return typeof value === 'string' ? parseIso(value) : undefined;
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  // Seconds with a fraction are rounded: 1700000000.123 * 1000 may come out just below the millisecond that was meant.
  const ms = unit === 's' ? Math.round(value * 1_000) : unit === 'us' ? Math.floor(value / 1_000) : Math.floor(value);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

function parseIso(text: string): number | undefined {
  const parts = isoPattern.exec(text);
  if (parts === null) return undefined;
  const number = (index: number): number => Number(parts[index] ?? 0);
  const [year, month, day, hour, minute, second] = [number(1), number(2), number(3), number(4), number(5), number(6)];
  const millisecond = Math.floor(Number(`0.${parts[7] ?? '0'}`) * 1_000 + 1e-7);
  // Date.UTC rolls a 30th of February over into March, and maps years below 100 to the 20th century.
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || month < 1) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const zoneMinutes = number(10) * 60 + number(11);
  if (number(10) > 23 || number(11) > 59) return undefined;
  const offsetMs = zoneMinutes * 60_000 * (parts[9] === '-' ? -1 : 1);
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1_000 + millisecond - offsetMs;
}
