/**
 * Local times of a declared zone to UTC. A fixed offset needs no rule; for a named zone, a time that the clocks show twice is the
 * first of the two, and one that they leave out is as far beyond the gap as it lies in it.
 */

/** From a local time, written in ms as if it were UTC, to UTC. */
export type ToUtc = (localMs: number) => number;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const offsetsMax = 4_096;

/** Undefined when the text names no zone: `UTC`, `+01:00` or a name such as `Europe/Rome` do. */
export function compileZone(zone: string): ToUtc | undefined {
  if (zone === 'UTC' || zone === 'Z') return (localMs) => localMs;
  const fixed = /^([+-])(\d\d):(\d\d)$/.exec(zone);
  if (fixed !== null) {
    const offsetMs = zoneOffsetMs(fixed[1] as string, Number(fixed[2]), Number(fixed[3]));
    return offsetMs === undefined ? undefined : (localMs) => localMs - offsetMs;
  }
  const offsetAt = namedZone(zone);
  if (offsetAt === undefined) return undefined;
  return (localMs) => {
    const before = offsetAt(localMs - dayMs);
    const after = offsetAt(localMs + dayMs);
    if (before === after || offsetAt(localMs - before) === before || offsetAt(localMs - after) !== after) {
      return localMs - before;
    }
    return localMs - after;
  };
}

/** Undefined for what no zone has. */
export function zoneOffsetMs(sign: string, hours: number, minutes: number): number | undefined {
  if (hours > 23 || minutes > 59) return undefined;
  return (hours * 60 + minutes) * 60_000 * (sign === '-' ? -1 : 1);
}

/** The offset in force at an instant; undefined for an unknown name. */
function namedZone(timeZone: string): ((utcMs: number) => number) | undefined {
  if (!/^[A-Za-z][\w+-]*(\/[\w+-]+)*$/.test(timeZone)) return undefined;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  const known = new Map<number, number>();
  return (utcMs) => {
    // Rules change on quarters of an hour.
    const slot = Math.floor(utcMs / (hourMs / 4));
    let offset = known.get(slot);
    if (offset === undefined) {
      if (known.size >= offsetsMax) known.clear();
      offset = offsetIn(format, slot * (hourMs / 4));
      known.set(slot, offset);
    }
    return offset;
  };
}

function offsetIn(format: Intl.DateTimeFormat, utcMs: number): number {
  const name = format.formatToParts(utcMs).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign = '+', hours = '0', minutes = '0', seconds = '0'] =
    /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(name) ?? [];
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000 * (sign === '-' ? -1 : 1);
}
