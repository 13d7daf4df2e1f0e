/**
 * The series of one source: (device, metric, tags) → a dense id, append-only, bounded. Ids live as long as the process; the core
 * learns them through the definitions that travel with the first batch using them.
 */
import type { ValueType } from '@fogline/shared/reading';
import type { SourceSeriesDefinition } from './batch-port.ts';

const seriesMaxDefault = 100_000;
const nameBytesMax = 128;

export type Tags = readonly (readonly [key: string, value: string])[];

export class SeriesRegistry {
  readonly seriesMax: number;
  readonly #ids = new Map<string, number>();
  readonly #types: ValueType[] = [];
  #untaken: SourceSeriesDefinition[] = [];

  constructor(seriesMax = seriesMaxDefault) {
    this.seriesMax = seriesMax;
  }

  get size(): number {
    return this.#ids.size;
  }

  /** The id of a series, defined now if it is new; -1 when there are `seriesMax` others. Names were checked before. */
  id(device: string, metric: string, tags: Tags, unit: string, type: ValueType): number {
    const key = seriesKey(device, metric, tags);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.#ids.size >= this.seriesMax) return -1;
    const id = this.#ids.size;
    this.#ids.set(key, id);
    this.#types.push(type);
    this.#untaken.push({ id, device, metric, unit, type, tags });
    return id;
  }

  /** Of the first reading: a series keeps its type. */
  typeOf(id: number): ValueType {
    const type = this.#types[id];
    if (type === undefined) throw new RangeError(`no series has the id ${id}`);
    return type;
  }

  /** The definitions that no batch carried yet, ascending. */
  takeNew(): readonly SourceSeriesDefinition[] {
    const taken = this.#untaken;
    this.#untaken = [];
    return taken;
  }
}

/** Names hold no control characters, so U+0000 keeps them apart. */
function seriesKey(device: string, metric: string, tags: Tags): string {
  let key = `${device}\0${metric}`;
  for (const [name, value] of tags) key += `\0${name}\0${value}`;
  return key;
}

/** Whether a name that came from outside can name a device or a metric, or be the value of a tag. */
export function isValidName(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > nameBytesMax) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    // Control characters, and U+FFFD: what is left of bytes that were no UTF-8.
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0xfffd) return false;
  }
  return true;
}
