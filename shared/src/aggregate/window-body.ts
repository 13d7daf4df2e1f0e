/**
 * The columns inside a windows blob (FORMAT.md §5): series and starts as runs, partials split into heads, first times
 * relative to their window, and tails, because what is alike compresses well together. Rows come back byte for byte.
 */
import { hasCode } from '../errors.ts';
import { ByteReader, ByteWriter, corrupt } from './bytes.ts';
import { partialBytesMax } from './partial.ts';
import { headHasTime, timeUnitOf } from './partial-layout.ts';

const seriesMax = 0xffff_ffff;
/** Differences of starts below it are exact. */
const startDeltaAbsMax = 2 ** 51;
const formOpaque = 0;
const formSplit = 1;

/** Tokens (gap, rows − 1, repeats − 1): that many series in a row, each `gap + 1` after the one before, each with so many rows. */
export function writeSeries(writer: ByteWriter, series: Uint32Array, count: number): void {
  let before = -1;
  let tokenGap = -1;
  let tokenRows = 0;
  let repeats = 0;
  for (let at = 0; at < count; ) {
    const id = series[at] as number;
    let rows = 1;
    while (at + rows < count && series[at + rows] === id) rows++;
    const gap = id - before - 1;
    if (repeats > 0 && (gap !== tokenGap || rows !== tokenRows)) {
      writeSeriesToken(writer, tokenGap, tokenRows, repeats);
      repeats = 0;
    }
    tokenGap = gap;
    tokenRows = rows;
    repeats++;
    before = id;
    at += rows;
  }
  if (repeats > 0) writeSeriesToken(writer, tokenGap, tokenRows, repeats);
}

function writeSeriesToken(writer: ByteWriter, gap: number, rows: number, repeats: number): void {
  writer.varint(gap);
  writer.varint(rows - 1);
  writer.varint(repeats - 1);
}

/** Returns the number of distinct series. */
export function readSeries(reader: ByteReader, series: Uint32Array): number {
  let id = -1;
  let distinct = 0;
  for (let at = 0; at < series.length; ) {
    const gap = reader.varint();
    const rows = reader.varint() + 1;
    const repeats = reader.varint() + 1;
    if (repeats > series.length - at || rows > series.length - at || rows * repeats > series.length - at) {
      throw corrupt('more series rows than rows');
    }
    for (let i = 0; i < repeats; i++) {
      id += gap + 1;
      if (id > seriesMax) throw corrupt('series id beyond 32 bits');
      series.fill(id, at, at + rows);
      at += rows;
    }
    distinct += repeats;
  }
  return distinct;
}

/**
 * What a start is coded against: the row before, or, at the first row of a series, the first row of the series before; for
 * the very first row the given origin.
 */
class StartPrediction {
  #series = -1;
  #first: number;
  #before: number;

  constructor(origin: number) {
    this.#first = origin;
    this.#before = origin;
  }

  of(series: number): number {
    return series === this.#series ? this.#before : this.#first;
  }

  note(series: number, start: number): void {
    if (series !== this.#series) this.#first = start;
    this.#series = series;
    this.#before = start;
  }
}

/** The unit, then tokens (difference in units, run − 1); unit 0: the starts themselves. */
export function writeStarts(
  writer: ByteWriter,
  series: Uint32Array,
  start: Float64Array,
  count: number,
  timeMin: number,
): void {
  const values = new Float64Array(count);
  const prediction = new StartPrediction(timeMin);
  let unit = 0;
  let isAbsolute = false;
  for (let i = 0; i < count; i++) {
    const id = series[i] as number;
    const at = start[i] as number;
    const delta = at - prediction.of(id);
    prediction.note(id, at);
    values[i] = delta;
    isAbsolute ||= Math.abs(at) > startDeltaAbsMax;
    unit = greatestCommonDivisor(unit, Math.abs(delta));
  }
  if (isAbsolute) values.set(start.subarray(0, count));
  const divisor = isAbsolute ? 1 : Math.max(unit, 1);
  writer.varint(isAbsolute ? 0 : divisor);
  for (let at = 0; at < count; ) {
    let run = 1;
    while (at + run < count && values[at + run] === values[at]) run++;
    writer.signed((values[at] as number) / divisor);
    writer.varint(run - 1);
    at += run;
  }
}

function greatestCommonDivisor(left: number, right: number): number {
  let a = left;
  let b = right;
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

export function readStarts(reader: ByteReader, series: Uint32Array, start: Float64Array, timeMin: number): void {
  const unit = reader.varint();
  const prediction = new StartPrediction(timeMin);
  for (let at = 0; at < start.length; ) {
    const value = reader.signed() * Math.max(unit, 1);
    const run = reader.varint() + 1;
    if (run > start.length - at) throw corrupt('more starts than rows');
    for (const end = at + run; at < end; at++) {
      const id = series[at] as number;
      const next = unit === 0 ? value : prediction.of(id) + value;
      if (!(Math.abs(next) <= 2 ** 53)) throw corrupt('window start out of range');
      start[at] = next;
      prediction.note(id, next);
    }
  }
}

/** Lengths of alternating runs of 0 and 1, the first of 0. */
export function writeFlags(writer: ByteWriter, flags: Uint8Array, count: number): void {
  let flag = 0;
  for (let at = 0; at < count; flag ^= 1) {
    let run = 0;
    while (at + run < count && flags[at + run] === flag) run++;
    writer.varint(run);
    at += run;
  }
}

export function readFlags(reader: ByteReader, flags: Uint8Array): void {
  let flag = 0;
  for (let at = 0; at < flags.length; flag ^= 1) {
    const run = reader.varint();
    if (run > flags.length - at || (run === 0 && at > 0)) throw corrupt('flag runs do not fit the rows');
    flags.fill(flag, at, at + run);
    at += run;
  }
}

/** Split where every partial allows it, opaque otherwise. */
export function writePartials(writer: ByteWriter, partials: readonly Uint8Array[], start: Float64Array): void {
  const times = new ByteWriter(partials.length * 2);
  const tails = new Uint32Array(partials.length);
  if (!splitTimes(partials, start, times, tails)) {
    writer.byte(formOpaque);
    for (const partial of partials) writer.varint(partial.length);
    for (const partial of partials) writer.raw(partial, 0, partial.length);
    return;
  }
  writer.byte(formSplit);
  for (let at = 0; at < partials.length; ) {
    const head = partials[at]?.[0] as number;
    let run = 1;
    while (partials[at + run]?.[0] === head) run++;
    writer.byte(head);
    writer.varint(run - 1);
    at += run;
  }
  writer.raw(times.bytes, 0, times.length);
  partials.forEach((partial, i) => {
    writer.varint(partial.length - (tails[i] as number));
  });
  partials.forEach((partial, i) => {
    writer.raw(partial, tails[i] as number, partial.length);
  });
}

/** Fills relative first times and where tails begin; false where a partial does not have the form that this relies on. */
function splitTimes(
  partials: readonly Uint8Array[],
  start: Float64Array,
  times: ByteWriter,
  tails: Uint32Array,
): boolean {
  const reader = new ByteReader(new Uint8Array(0));
  for (const [i, partial] of partials.entries()) {
    const head = partial[0];
    if (head === undefined) return false;
    tails[i] = 1;
    if (!headHasTime(head)) continue;
    reader.reset(partial, 1, partial.length);
    const time = signedOrNaN(reader);
    const origin = (start[i] as number) / timeUnitOf(head);
    const offset = time - origin;
    if (!Number.isInteger(origin) || Math.abs(origin) > startDeltaAbsMax || !(Math.abs(offset) <= startDeltaAbsMax)) {
      return false;
    }
    times.signed(offset);
    tails[i] = reader.at;
  }
  return true;
}

function signedOrNaN(reader: ByteReader): number {
  try {
    return reader.signed();
  } catch (error) {
    if (hasCode(error, 'codec_corrupt')) return Number.NaN;
    throw error;
  }
}

export function readPartials(reader: ByteReader, start: Float64Array): Uint8Array[] {
  const form = reader.byte();
  if (form !== formOpaque && form !== formSplit) throw corrupt('unknown form of partials');
  const count = start.length;
  const heads = new Uint8Array(form === formSplit ? count : 0);
  const times = new Float64Array(heads.length);
  if (form === formSplit) readHeads(reader, start, heads, times);
  const lengths = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const length = reader.varint();
    if (length > partialBytesMax) throw corrupt(`partialBytesMax: ${length} bytes`);
    lengths[i] = length;
  }
  return form === formSplit ? joinTails(reader, heads, times, lengths) : sliceOpaque(reader, lengths);
}

function readHeads(reader: ByteReader, start: Float64Array, heads: Uint8Array, times: Float64Array): void {
  for (let at = 0; at < heads.length; ) {
    const head = reader.byte();
    const run = reader.varint() + 1;
    if (run > heads.length - at) throw corrupt('more heads than rows');
    heads.fill(head, at, at + run);
    at += run;
  }
  for (let i = 0; i < heads.length; i++) {
    const head = heads[i] as number;
    if (!headHasTime(head)) continue;
    const time = (start[i] as number) / timeUnitOf(head) + reader.signed();
    if (!Number.isInteger(time) || Math.abs(time) > 2 ** 53) throw corrupt('first time out of range');
    times[i] = time;
  }
}

function joinTails(reader: ByteReader, heads: Uint8Array, times: Float64Array, lengths: Uint32Array): Uint8Array[] {
  const joined = new ByteWriter(reader.end - reader.at + heads.length * 8);
  const ends = new Uint32Array(heads.length);
  for (let i = 0; i < heads.length; i++) {
    const head = heads[i] as number;
    const tail = lengths[i] as number;
    if (tail > reader.end - reader.at) throw corrupt('truncated');
    joined.byte(head);
    if (headHasTime(head)) joined.signed(times[i] as number);
    joined.raw(reader.bytes, reader.at, reader.at + tail);
    reader.at += tail;
    ends[i] = joined.length;
  }
  const bytes = joined.finish();
  return Array.from(ends, (end, i) => bytes.subarray(i === 0 ? 0 : (ends[i - 1] as number), end));
}

function sliceOpaque(reader: ByteReader, lengths: Uint32Array): Uint8Array[] {
  return Array.from(lengths, (length) => {
    if (length > reader.end - reader.at) throw corrupt('truncated');
    reader.at += length;
    return reader.bytes.subarray(reader.at - length, reader.at);
  });
}
