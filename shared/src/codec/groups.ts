/**
 * Which short series share value blocks. Ids of one metric are interleaved with those of others (temperature, humidity,
 * temperature, humidity …), and their values do not belong into one column. The caller may say what belongs together;
 * otherwise a stride of the ids that separates the values is looked for. Choices of the encoder, not part of the format.
 */
import { chooseExponent, powersOfTen } from './decimal.ts';

const strideMax = 16;
/** Series looked at. */
const sampleSeriesMax = 256;
/** A further value block costs about this much. */
const blockBits = 72;

export interface Groups {
  /** Class = id mod stride; 0: `classes` are stored. */
  readonly stride: number;
  readonly classes: Uint32Array;
}

/** Groups as the caller wants them, or undefined when they are all one. */
export function groupsOf(ids: Uint32Array, groupOf: (series: number) => number): Groups | undefined {
  const classOf = new Map<number, number>();
  const classes = ids.map((id) => {
    const group = groupOf(id);
    const known = classOf.get(group);
    if (known !== undefined) return known;
    classOf.set(group, classOf.size);
    return classOf.size - 1;
  });
  if (classOf.size < 2) return undefined;
  const stride = classOf.size;
  if (stride <= 255 && isStride(ids, classes, stride)) return { stride, classes: ids.map((id) => id % stride) };
  return { stride: 0, classes };
}

function isStride(ids: Uint32Array, classes: Uint32Array, stride: number): boolean {
  const classOfRest = new Map<number, number>();
  for (let s = 0; s < ids.length; s++) {
    const rest = (ids[s] as number) % stride;
    const known = classOfRest.get(rest);
    if (known === undefined) classOfRest.set(rest, classes[s] as number);
    else if (known !== classes[s]) return false;
  }
  return true;
}

/** The stride of ids that makes the first values of the series cheapest, or undefined when none beats one column. */
export function findGroups(ids: Uint32Array, firstValues: Float64Array): Groups | undefined {
  if (ids.length < 4) return undefined;
  const taken = Math.min(ids.length, sampleSeriesMax);
  let best = 1;
  let bestBits = groupBits(ids, firstValues, taken, 1);
  const perfect = taken;
  for (let stride = 2; stride <= Math.min(strideMax, taken / 2); stride++) {
    if (bestBits <= perfect) break;
    const bits = groupBits(ids, firstValues, taken, stride);
    if (bits < bestBits) {
      best = stride;
      bestBits = bits;
    }
  }
  return best === 1 ? undefined : { stride: best, classes: ids.map((id) => id % best) };
}

const group = new Float64Array(sampleSeriesMax);

/** Bits of the first values, each class as scaled integers packed to its own range. */
function groupBits(ids: Uint32Array, values: Float64Array, taken: number, stride: number): number {
  let bits = 0;
  for (let rest = 0; rest < stride; rest++) {
    let members = 0;
    let min = Infinity;
    let max = -Infinity;
    for (let s = 0; s < taken; s++) {
      if ((ids[s] as number) % stride !== rest) continue;
      const value = values[s] as number;
      group[members++] = value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    if (members === 0) continue;
    const exponent = chooseExponent(group, members, false);
    const width = exponent < 0 ? 60 : Math.log2((max - min) * (powersOfTen[exponent] as number) + 1);
    bits += members * Math.min(60, width) + blockBits;
  }
  return bits;
}
