/**
 * Columns → bytes. Asserts the canonical form and the limits (a violation is a bug of the caller); everything that is a
 * choice rather than format (modes, block sizes, groups) is made here and below.
 */
import { invariant } from '../errors.ts';
import { flagQualityMask, flagText, type ReadingColumns } from '../reading.ts';
import { newBlob } from './blob-memory.ts';
import {
  blockFlags,
  blockTimes,
  blockValues,
  encodeTimeBlock,
  encodeValueBlock,
  enterBlock,
  enterLoneBlock,
} from './blocks.ts';
import { ByteWriter, integerMax } from './byte-io.ts';
import {
  blockRowsOf,
  checksumOf,
  encodeEntries,
  encodeHead,
  type Head,
  hasWideTimes,
  headBits,
  sameTimes,
  timelinesToStore,
} from './directory.ts';
import { findGroups, type Groups, groupsOf } from './groups.ts';
import { canBeRegular, writeRegular } from './integer-encode.ts';
import { type BlockPlan, blockRowsFast, planBlocks, valueOrder } from './layout.ts';
import { readingsLimits } from './limits.ts';
import { encodeStrings } from './strings.ts';

const out = new ByteWriter(1 << 16);
const body = new ByteWriter(1 << 16);

/** What the columns tell but for their series. */
interface RowSurvey {
  readonly timeMin: number;
  readonly timeMax: number;
  readonly flagsUnion: number;
  /** All rows are the same number of ms apart. */
  readonly isRegular: boolean;
  readonly isOneSeries: boolean;
}

interface Survey extends RowSurvey {
  readonly ids: Uint32Array;
  readonly counts: Uint32Array;
  /** Per series: its first row; one more entry than series. */
  readonly rowStart: Uint32Array;
}

export function encodeColumns(
  columns: ReadingColumns,
  dense: boolean,
  groupOf: ((series: number) => number) | undefined,
): Uint8Array {
  const { count, strings } = columns;
  invariant(count <= readingsLimits.countMax, 'readings: count within countMax');
  const rowSurvey = surveyRows(columns);
  const { timeMin, timeMax, flagsUnion, isOneSeries } = rowSurvey;
  if (flagsUnion & flagText) checkTexts(columns);
  if (isOneSeries && count <= blockRowsFast) return encodeLone(columns, rowSurvey, dense);
  const survey: Survey = { ...rowSurvey, ...surveySeries(columns, isOneSeries) };
  const { ids } = survey;
  const blockRows = blockRowsOf(count, dense);
  const groups = chooseGroups(columns, survey, blockRows, groupOf);
  const bits =
    (flagsUnion === 0 ? 0 : headBits.flags) |
    (strings.length === 0 ? 0 : headBits.strings) |
    (groups === undefined ? 0 : headBits.classes);
  const head: Head = { count, seriesCount: ids.length, timeMin, timeMax, bits };

  out.at = 0;
  encodeHead(out, head);
  if (count > blockRowsFast) out.u8(31 - Math.clz32(blockRows));
  encodeEntries(out, ids, 0, dense);
  const timelines = timelinesToStore(head, encodeTimelines(columns, survey, dense));
  if (groups !== undefined) encodeGroups(groups, dense);
  if (strings.length > 0) encodeStrings(out, strings);

  body.at = 0;
  const lengths: number[] = [];
  encodeTimes(columns, survey, timelines, blockRows, hasWideTimes(head) ? 0 : timeMin, dense, lengths);
  encodeValueBlocks(columns, survey, groups, blockRows, dense, lengths);
  if (lengths.length > 2) encodeEntries(out, lengths, 0, dense);
  out.raw(body.bytes.subarray(0, body.at));
  return finish();
}

function finish(): Uint8Array {
  out.u32(checksumOf(out.bytes.subarray(0, out.at)));
  invariant(out.at <= readingsLimits.bytesMax, 'readings: blob within bytesMax');
  return newBlob(out.bytes, out.at);
}

/** One series in one block of each kind: straight from its columns, with nothing to plan, gather or put together. */
function encodeLone(columns: ReadingColumns, survey: RowSurvey, dense: boolean): Uint8Array {
  const { count, series, time, value, flags, strings } = columns;
  const { timeMin, timeMax, flagsUnion, isRegular } = survey;
  const bits = (flagsUnion === 0 ? 0 : headBits.flags) | (strings.length === 0 ? 0 : headBits.strings);
  const head: Head = { count, seriesCount: 1, timeMin, timeMax, bits };
  out.at = 0;
  encodeHead(out, head);
  writeRegular(out, series[0] as number, 0);
  if (strings.length > 0) encodeStrings(out, strings);
  enterLoneBlock();
  if (timeMin !== timeMax) {
    const base = hasWideTimes(head) ? 0 : timeMin;
    const first = (time[0] as number) - base;
    const step = (time[1] as number) - (time[0] as number);
    if (isRegular && canBeRegular(first, step)) writeRegular(out, first, step);
    else encodeTimeBlock(out, time, count, base, dense);
  }
  encodeValueBlock(out, value, flagsUnion === 0 ? undefined : flags, count, dense);
  return finish();
}

function surveyRows(columns: ReadingColumns): RowSurvey {
  const { count, series, time, value, flags } = columns;
  invariant(
    series.length >= count && time.length >= count && value.length >= count && flags.length >= count,
    'readings: columns hold count rows',
  );
  surveyTimes(time, count);
  const { timeMin, timeMax } = times;
  let flagsUnion = 0;
  if (!isAllZero(flags, count)) for (let row = 0; row < count; row++) flagsUnion |= flags[row] as number;
  invariant(
    times.areWhole && timeMin >= -integerMax && timeMax <= integerMax,
    'readings: times are integers within 2^53',
  );
  invariant((flagsUnion & ~(flagQualityMask | flagText)) === 0, 'readings: flags are known');
  return {
    timeMin,
    timeMax,
    flagsUnion,
    isRegular: times.areRegular,
    isOneSeries: count > 0 && isConstant(series, count),
  };
}

const times = { timeMin: 0, timeMax: 0, areWhole: true, areRegular: true };

/** Fills `times`. Regular times, the common case, are known by their ends. */
function surveyTimes(time: Float64Array, count: number): void {
  const first = count === 0 ? 0 : (time[0] as number);
  const step = count < 2 ? 0 : (time[1] as number) - first;
  let row = 2;
  let before = count < 2 ? first : (time[1] as number);
  // Two rows at a time: half as many turns of the loop.
  for (; row < count - 1; row += 2) {
    const own = time[row] as number;
    const next = time[row + 1] as number;
    if (own - before !== step || next - own !== step) break;
    before = next;
  }
  if (row === count - 1 && (time[row] as number) - before === step) before = time[row++] as number;
  // Multiples of the step are exact while they stay below 2^53.
  let timeMin = Math.min(first, before);
  let timeMax = Math.max(first, before);
  let areWhole = true;
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(step)) row = 0;
  times.areRegular = row === count && count > 2;
  for (; row < count; row++) {
    const own = time[row] as number;
    timeMin = Math.min(timeMin, own);
    timeMax = Math.max(timeMax, own);
    if (Math.floor(own) !== own) areWhole = false;
  }
  times.timeMin = timeMin;
  times.timeMax = timeMax;
  times.areWhole = areWhole;
}

/** By a comparison of memory: flags are rare. */
function isAllZero(flags: Uint8Array, count: number): boolean {
  for (let at = 0; at < count; at += zeros.length) {
    const bytes = Math.min(zeros.length, count - at);
    if (zeros.compare(flags, at, at + bytes, 0, bytes) !== 0) return false;
  }
  return true;
}

const zeros = Buffer.alloc(4096);

/** All ids are the same when the column equals itself moved by one: a comparison of memory, far faster than a loop. */
function isConstant(series: Uint32Array, count: number): boolean {
  if (series[0] !== series[count - 1]) return false;
  const bytes = (count - 1) * 4;
  return Buffer.from(series.buffer, series.byteOffset, bytes).equals(
    Buffer.from(series.buffer, series.byteOffset + 4, bytes),
  );
}

function countSeries(series: Uint32Array, count: number): number {
  let seriesCount = 1;
  for (let row = 1; row < count; row++) {
    const id = series[row] as number;
    const before = series[row - 1] as number;
    if (id === before) continue;
    invariant(id > before, 'readings: series ascend');
    seriesCount++;
  }
  return seriesCount;
}

function surveySeries({ series, count }: ReadingColumns, isOneSeries: boolean) {
  const seriesCount = count === 0 ? 0 : isOneSeries ? 1 : countSeries(series, count);
  const ids = new Uint32Array(seriesCount);
  const counts = new Uint32Array(seriesCount);
  const rowStart = new Uint32Array(seriesCount + 1);
  if (seriesCount === 1) {
    ids[0] = series[0] as number;
  } else {
    let position = 0;
    for (let row = 0; row < count; row++) {
      if (row > 0 && series[row] === series[row - 1]) continue;
      ids[position] = series[row] as number;
      rowStart[position++] = row;
    }
  }
  rowStart[seriesCount] = count;
  for (let s = 0; s < seriesCount; s++) counts[s] = (rowStart[s + 1] as number) - (rowStart[s] as number);
  return { ids, counts, rowStart };
}

function checkTexts(columns: ReadingColumns): void {
  const { count, value, flags, strings } = columns;
  for (let row = 0; row < count; row++) {
    if (((flags[row] as number) & flagText) === 0) continue;
    invariant(strings[value[row] as number] !== undefined, 'readings: texts are in the string table');
  }
}

function chooseGroups(
  columns: ReadingColumns,
  survey: Survey,
  blockRows: number,
  groupOf: ((series: number) => number) | undefined,
): Groups | undefined {
  const { ids, counts, rowStart } = survey;
  // Long series have blocks of their own, whatever their group.
  if (ids.length < 2 || counts.every((rows) => rows * 2 > blockRows)) return undefined;
  if (groupOf !== undefined) return groupsOf(ids, groupOf);
  return findGroups(
    ids,
    Float64Array.from(rowStart.subarray(0, ids.length), (row) => columns.value[row] as number),
  );
}

/** Appends which series repeat the times of the one before, and the rows of each; gives the first series of each timeline. */
function encodeTimelines(columns: ReadingColumns, survey: Survey, dense: boolean): Uint32Array {
  const { ids, counts, rowStart } = survey;
  if (ids.length < 2) return new Uint32Array(ids.length);
  const { time } = columns;
  const same = new Uint8Array(ids.length);
  const first = new Uint32Array(ids.length);
  let timelines = 0;
  for (let s = 0; s < ids.length; s++) {
    const rows = counts[s] as number;
    let i = rows;
    if (s > 0 && counts[s - 1] === rows) {
      const own = rowStart[s] as number;
      const before = rowStart[s - 1] as number;
      for (i = 0; i < rows; i++) if (time[own + i] !== time[before + i]) break;
      same[s] = i === rows ? 1 : 0;
    }
    if (same[s] === 0) first[timelines++] = s;
  }
  const form = timelines === 1 ? sameTimes.all : timelines === ids.length ? sameTimes.none : sameTimes.some;
  out.u8(form);
  if (form === sameTimes.some) encodeEntries(out, same, 1, dense);
  if (form !== sameTimes.all) encodeEntries(out, counts, 0, dense);
  return first.subarray(0, timelines);
}

function encodeGroups(groups: Groups, dense: boolean): void {
  out.u8(groups.stride);
  if (groups.stride === 0) encodeEntries(out, groups.classes, 0, dense);
}

function encodeTimes(
  columns: ReadingColumns,
  survey: Survey,
  timelines: Uint32Array,
  blockRows: number,
  base: number,
  dense: boolean,
  lengths: number[],
): void {
  const plan = planBlocks(timelines, survey.counts, undefined, blockRows);
  for (let block = 0; block < plan.blocks; block++) {
    const from = body.at;
    const rows = enterBlock(plan, block, timelines, survey.counts);
    if (survey.isRegular && survey.ids.length === 1 && rows > 2) {
      const skip = plan.skip[block] as number;
      const first = (columns.time[skip] as number) - base;
      const step = (columns.time[1] as number) - (columns.time[0] as number);
      if (canBeRegular(first, step)) {
        writeRegular(body, first, step);
        lengths.push(body.at - from);
        continue;
      }
    }
    gather(columns.time, blockTimes, plan, block, timelines, survey.rowStart);
    encodeTimeBlock(body, blockTimes, rows, base, dense);
    lengths.push(body.at - from);
  }
}

function encodeValueBlocks(
  columns: ReadingColumns,
  survey: Survey,
  groups: Groups | undefined,
  blockRows: number,
  dense: boolean,
  lengths: number[],
): void {
  const order = valueOrder(survey.ids.length, groups?.classes);
  const plan = planBlocks(order, survey.counts, groups?.classes, blockRows);
  const hasFlags = survey.flagsUnion !== 0;
  for (let block = 0; block < plan.blocks; block++) {
    const from = body.at;
    const rows = enterBlock(plan, block, order, survey.counts);
    gather(columns.value, blockValues, plan, block, order, survey.rowStart);
    if (hasFlags) gather(columns.flags, blockFlags, plan, block, order, survey.rowStart);
    encodeValueBlock(body, blockValues, hasFlags ? blockFlags : undefined, rows, dense);
    lengths.push(body.at - from);
  }
}

/** Copies the rows of a block out of a column. */
function gather<Column extends Float64Array | Uint8Array>(
  column: Column,
  into: Column,
  plan: BlockPlan,
  block: number,
  order: Uint32Array,
  rowStart: Uint32Array,
): void {
  const position = plan.position[block] as number;
  const members = plan.series[block] as number;
  if (members === 1) {
    const from = (rowStart[order[position] as number] as number) + (plan.skip[block] as number);
    into.set(column.subarray(from, from + (plan.rows[block] as number)));
    return;
  }
  let at = 0;
  for (let member = 0; member < members; member++) {
    const s = order[position + member] as number;
    const end = rowStart[s + 1] as number;
    for (let row = rowStart[s] as number; row < end; row++) into[at++] = column[row] as number;
  }
}
