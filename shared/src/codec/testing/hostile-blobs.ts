/**
 * Hostile readings blobs from a seed, and what may be wrong with the answer to one. The checksum always fits: what is tried is the
 * decoder behind it. A blob is right when it is refused by the codes there are for that, or gives rows in canonical form, the same
 * ones by every door and whatever was decoded before.
 */
import { crc32 } from 'node:zlib';
import { hasCode, messageOf } from '../../errors.ts';
import { SeededRandom } from '../../random.ts';
import { flagText, type ReadingColumns } from '../../reading.ts';
import {
  decodeReadings,
  decodeReadingsOf,
  encodeReadings,
  readingsLimits,
  readReadingsDirectory,
  readReadingsHeader,
} from '../readings.ts';
import { differenceOf, sampleColumns } from './sample-columns.ts';
import { sensorSignals, signals } from './sample-signals.ts';

const allSignals = { ...signals, ...sensorSignals };
const rowsMaxChoices = [1, 3, 20, 60, 130, 400, 1100, 3000];
/** Varints and floats at which something may overflow. */
const extremes = [
  '7f',
  '8001',
  'ff7f',
  'ffffffff0f',
  'ffffffff07',
  'ffffffffffffff0f',
  'feffffffffffff0f',
  'ffffffffffffffff',
  '8080808080808010',
  '000000000000f07f',
  'ffffffffffffef7f',
  '0000000000004043',
].map((hex) => Buffer.from(hex, 'hex'));

/** A blob of the kinds of blocks that the seed's columns lead to. */
function soundBlob(random: SeededRandom): Uint8Array {
  const rowsMax = rowsMaxChoices[random.below(rowsMaxChoices.length)] as number;
  const columns = sampleColumns(random.uint32(), rowsMax, random.chance(0.5) ? signals : allSignals);
  return encodeReadings(columns, random.chance(0.6) ? 'dense' : 'fast');
}

/** The same bytes with a checksum that fits. */
export function resealed(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const end = copy.length - 4;
  if (end > 0) new DataView(copy.buffer).setUint32(end, crc32(copy.subarray(0, end)), true);
  return copy;
}

/** One to a few wounds: bits, bytes, extreme numbers, bytes taken out or put in, a piece of another blob. */
function hostileBlob(random: SeededRandom, sound: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes: Buffer = Buffer.from(sound);
  for (let wounds = 1 + random.below(4); wounds > 0; wounds--) {
    const reach = random.chance(0.7) ? Math.min(64, bytes.length) : bytes.length;
    const at = random.below(reach);
    const choice = random.below(7);
    if (choice === 0) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    else if (choice === 1) bytes[at] = random.below(256);
    else if (choice === 2) bytes[at] = ((bytes[at] as number) + (random.chance(0.5) ? 1 : 255)) & 0xff;
    else if (choice === 3) bytes = splice(bytes, at, 1 + random.below(3), Buffer.alloc(0));
    else if (choice === 4) bytes = splice(bytes, at, 0, Buffer.from(random.bytes(1 + random.below(3))));
    else if (choice === 5) {
      const extreme = extremes[random.below(extremes.length)] as Buffer;
      bytes = splice(bytes, at, random.chance(0.5) ? 1 : extreme.length, extreme);
    } else {
      const from = random.below(other.length);
      const piece = Buffer.from(other.subarray(from, from + 1 + random.below(40)));
      bytes = splice(bytes, at, random.chance(0.5) ? piece.length : 0, piece);
    }
  }
  return resealed(bytes);
}

function splice(bytes: Buffer, at: number, removed: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + removed)]);
}

interface Verdict {
  readonly isAccepted: boolean;
  /** What is wrong; undefined when nothing is. */
  readonly fault: string | undefined;
}

/** Judges the answers of a decoder to a blob whose checksum fits; `between` is decoded in between. */
function judge(bytes: Uint8Array, between: Uint8Array, decode: typeof decodeReadings = decodeReadings): Verdict {
  let columns: ReadingColumns;
  try {
    columns = decode(bytes);
  } catch (error) {
    const isRefusal = hasCode(error, 'codec_corrupt', 'codec_version');
    return { isAccepted: false, fault: isRefusal ? otherDoors(bytes) : `threw ${messageOf(error)}` };
  }
  try {
    const fault = formFault(columns) ?? doorFault(bytes, columns) ?? memoryFault(bytes, columns, between, decode);
    return { isAccepted: true, fault };
  } catch (error) {
    return { isAccepted: true, fault: `accepted, but another door threw ${messageOf(error)}` };
  }
}

/** The verdicts on `tries` hostile blobs of one seed, all at once: how many were accepted, and the first fault. */
export function judgeSeed(seed: number, tries: number, decode?: typeof decodeReadings): Verdict & { accepted: number } {
  const random = new SeededRandom(seed);
  const sound = soundBlob(random);
  const other = soundBlob(random);
  let accepted = 0;
  for (let i = 0; i < tries; i++) {
    const bytes = hostileBlob(random, sound, other);
    const { fault, isAccepted } = judge(bytes, other, decode);
    if (isAccepted) accepted++;
    if (fault !== undefined) return { isAccepted, accepted, fault: `seed ${seed}, try ${i}: ${fault}` };
  }
  return { isAccepted: accepted > 0, accepted, fault: undefined };
}

/** Rows that no consumer may ever see. */
function formFault(columns: ReadingColumns): string | undefined {
  const { count, series, time, value, flags, strings } = columns;
  if (count > readingsLimits.countMax) return 'more rows than countMax';
  for (let row = 0; row < count; row++) {
    const own = value[row] as number;
    const flag = flags[row] as number;
    const isRight =
      (row === 0 || (series[row] as number) >= (series[row - 1] as number)) &&
      Number.isInteger(time[row]) &&
      Math.abs(time[row] as number) <= 2 ** 53 &&
      Number.isFinite(own) &&
      flag <= 6 &&
      (flag & 3) !== 3 &&
      ((flag & flagText) === 0 || strings[own] !== undefined);
    if (!isRight) return `row ${row} is not canonical: ${series[row]}, ${time[row]}, ${own}, ${flag}`;
  }
  return undefined;
}

/** Head, directory and the rows of single series agree with all rows, and all of it can be said again. */
function doorFault(bytes: Uint8Array, columns: ReadingColumns): string | undefined {
  const header = readReadingsHeader(bytes);
  const directory = readReadingsDirectory(bytes);
  if (header.count !== columns.count || directory.count !== columns.count) return 'the head tells another count';
  const wanted = new Set([...directory.series].filter((_, i) => i % 3 === 0));
  const some = decodeReadingsOf(bytes, wanted);
  let row = 0;
  for (let i = 0; i < columns.count; i++) {
    if (!wanted.has(columns.series[i] as number)) continue;
    if (!Object.is(some.value[row], columns.value[i]) || some.time[row] !== columns.time[i]) {
      return `row ${i} is another one when its series is decoded alone`;
    }
    row++;
  }
  if (row !== some.count) return 'other rows when some series are decoded';
  const again = decodeReadings(encodeReadings(columns, 'dense'));
  return differenceOf(again, columns);
}

/** Rows do not depend on what was decoded before, as they would if some came from memory that was not written. */
function memoryFault(
  bytes: Uint8Array,
  columns: ReadingColumns,
  between: Uint8Array,
  decode: typeof decodeReadings,
): string | undefined {
  decode(between);
  return differenceOf(decode(bytes), columns);
}

/** A blob whose rows are refused may have a head and a directory, but nothing else may come of asking. */
function otherDoors(bytes: Uint8Array): string | undefined {
  for (const ask of [readReadingsHeader, readReadingsDirectory, (blob: Uint8Array) => decodeReadingsOf(blob, 7)]) {
    try {
      ask(bytes);
    } catch (error) {
      if (!hasCode(error, 'codec_corrupt', 'codec_version')) return `threw ${messageOf(error)}`;
    }
  }
  return undefined;
}
