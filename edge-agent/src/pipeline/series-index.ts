/** A small whole number for each of many series, by id, without an entry in a Map: ids are dense, durable ones and virtual ones apart. */
import { grown } from './columns.ts';
import { virtualIdMin } from './operator.ts';

const entriesMin = 16;

export class SeriesIndex {
  #durable: Uint32Array = new Uint32Array(0);
  #virtual: Uint32Array = new Uint32Array(0);

  /** 0 when nothing was set. */
  get(id: number): number {
    return (id < virtualIdMin ? this.#durable[id] : this.#virtual[id - virtualIdMin]) ?? 0;
  }

  /** `value` from 1 to 2^32 − 1. */
  set(id: number, value: number): void {
    if (id < virtualIdMin) (this.#durable = reaching(this.#durable, id))[id] = value;
    else (this.#virtual = reaching(this.#virtual, id - virtualIdMin))[id - virtualIdMin] = value;
  }
}

/** The array, or a longer one that has an entry at `index`. */
function reaching(array: Uint32Array, index: number): Uint32Array {
  if (index < array.length) return array;
  return grown(array, new Uint32Array(Math.max(index + 1, array.length * 2, entriesMin)));
}
