/**
 * Distinct values of a block: the table of the dictionary kind, sorted so that it packs well, and each row's index in it.
 * Values are told apart by their bits (−0 is not +0). Only the encoder needs this.
 */
import { blockRowsMax } from './bit-pack.ts';

/** Entries of a dictionary at most. */
export const distinctMax = 512;
const slots = 2048;
const sampleRows = 64;
const seenSlots = 512;

const slotEntry = new Int16Array(slots);
const entryLow = new Uint32Array(distinctMax);
const entryHigh = new Uint32Array(distinctMax);
const doubles = new Float64Array(blockRowsMax);
const halves = new Uint32Array(doubles.buffer);
const seen = new Uint8Array(seenSlots);
const rankOf = new Uint16Array(distinctMax);

/** Indices into the sorted table, after `collectDistinct`. */
export const distinctIndices = new Float64Array(blockRowsMax);
/** The table itself, ascending (−0 before +0). */
export const distinctValues = new Float64Array(distinctMax);

/** Whether at least this part of a sample of the rows repeats others of it; says no as soon as it is certain. */
export function looksRepetitive(values: Float64Array, count: number, part: number): boolean {
  if (count < 16) return false;
  const taken = Math.min(count, sampleRows);
  const every = count / taken;
  const newMax = taken - Math.ceil(taken * part);
  seen.fill(0);
  let repeats = 0;
  for (let i = 0; i < taken; i++) {
    doubles[0] = values[(i * every) | 0] as number;
    const slot = slotOf(halves[0] as number, halves[1] as number) & (seenSlots - 1);
    repeats += seen[slot] as number;
    seen[slot] = 1;
    if (i - repeats >= newMax) return false;
  }
  return true;
}

function slotOf(low: number, high: number): number {
  return ((Math.imul(low, 0x9e37_79b1) ^ Math.imul(high, 0x85eb_ca6b)) >>> 15) & (slots - 1);
}

/** Number of distinct values in values[0 … count), or 0 when there are more than `distinctMax`. */
export function collectDistinct(values: Float64Array, count: number): number {
  doubles.set(values.subarray(0, count));
  slotEntry.fill(-1);
  let entries = 0;
  for (let i = 0; i < count; i++) {
    const low = halves[2 * i] as number;
    const high = halves[2 * i + 1] as number;
    const slot = findSlot(low, high);
    let entry = slotEntry[slot] as number;
    if (entry < 0) {
      if (entries === distinctMax) return 0;
      entry = entries++;
      slotEntry[slot] = entry;
      entryLow[entry] = low;
      entryHigh[entry] = high;
      distinctValues[entry] = values[i] as number;
    }
    distinctIndices[i] = entry;
  }
  rank(entries, count);
  return entries;
}

/** Sorts the table (typed arrays put −0 before +0) and turns entry numbers into ranks. */
function rank(entries: number, count: number): void {
  doubles.set(distinctValues.subarray(0, entries).sort());
  for (let rank = 0; rank < entries; rank++) {
    rankOf[slotEntry[findSlot(halves[2 * rank] as number, halves[2 * rank + 1] as number)] as number] = rank;
  }
  for (let i = 0; i < count; i++) distinctIndices[i] = rankOf[distinctIndices[i] as number] as number;
}

/** The slot of a value, or the empty one where it belongs. */
function findSlot(low: number, high: number): number {
  let slot = slotOf(low, high);
  let entry = slotEntry[slot] as number;
  while (entry >= 0 && (entryLow[entry] !== low || entryHigh[entry] !== high)) {
    slot = (slot + 1) & (slots - 1);
    entry = slotEntry[slot] as number;
  }
  return slot;
}
