/**
 * Moments: the readings of one device (and tags) with one event time in one commit, that is, a message (decision 0003). Two readings of
 * one series at one time belong to two moments, in their order. Moments of a device come in order of time.
 *
 * `begin` takes the columns of a commit, then each `next` moves on to a moment, whose variables `load` brings into an expression's
 * arguments. A variable that the moment lacks counts with its last value when that is not newer than the moment and not older than the
 * hold. The variable `device`, and names of tags, are the device's own texts.
 */
import { flagQualityMask, flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { ExpressionValue } from '../expressions/expression.ts';
import { grown, runEnd } from './columns.ts';
import type { SeriesView } from './operator.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { bytesOf, floatsOf } from './state-bytes.ts';

/** Beside quality and `flagText`, in the flags of a value here: the series is of booleans. */
const flagBoolean = 0b1000;
const notPresent = -1;

const groupField = 0;
/** Index of the variable that a series is, or −1. */
const variableField = 1;
const kindField = 2;

export interface SavedMoments {
  readonly series: SavedTable;
  readonly lastTime: Uint8Array;
  readonly lastValue: Uint8Array;
  readonly lastFlags: Uint8Array;
  /** By place. */
  readonly lastText: readonly (readonly [number, string])[];
}

export class Moments {
  readonly #variables: ReadonlyMap<string, number>;
  readonly #view: SeriesView;
  readonly #holdMs: number;
  /** True: moments hold the rows of every series, not of variables alone. */
  readonly #hasAllRows: boolean;
  readonly #series = new SeriesTable({ saved: 0, derived: 3 });
  readonly #groups = new Map<string, number>();
  /** Of each group, the first series that it had. */
  readonly #groupSeries: number[] = [];
  readonly #groupIsLossy: boolean[] = [];
  /** By variable: its text where it is the device or a tag; undefined for a group without. */
  readonly #groupTexts: ((string | undefined)[] | undefined)[] = [];
  /** Last value of variable v in group g, at g · variables + v. */
  #lastTime = new Float64Array(0);
  #lastValue = new Float64Array(0);
  #lastFlags = new Uint8Array(0);
  readonly #lastText = new Map<number, string>();

  #columns: ReadingColumns | undefined;
  /** Rows in order of moments, and what tells a moment: group, time, and how many of the series had this time before. */
  #order = new Uint32Array(0);
  #rowGroup = new Uint32Array(0);
  #rowVariable = new Int32Array(0);
  #rowRepeat = new Uint32Array(0);
  #rowKind = new Uint8Array(0);
  #count = 0;
  #from = 0;
  #to = 0;
  /** Row of each variable in this moment. */
  readonly #present: Int32Array;
  group = 0;
  time = 0;
  /** Worst quality of the values that were loaded last. */
  quality = 0;
  /** A value was missing in what was loaded last. */
  isMissing = false;
  /** The moment itself has a value of what was loaded last. */
  isTouched = false;

  constructor(
    variables: readonly string[],
    { holdMs, hasAllRows }: { readonly holdMs: number; readonly hasAllRows: boolean },
    view: SeriesView,
  ) {
    this.#variables = new Map(variables.map((name, index) => [name, index]));
    this.#present = new Int32Array(variables.length);
    this.#holdMs = holdMs;
    this.#hasAllRows = hasAllRows;
    this.#view = view;
  }

  /** One of the series of a group, for its device and tags. */
  sampleOf(group: number): SeriesDefinition {
    return this.#view.definitionOf(this.#groupSeries[group] ?? 0);
  }

  /** No variable of the group has lost readings before it came here, as far as known. */
  isExact(group: number): boolean {
    return this.#groupIsLossy[group] !== true;
  }

  begin(columns: ReadingColumns): void {
    this.#columns = columns;
    this.#makeRoom(columns.count);
    this.#count = 0;
    this.#to = 0;
    for (let from = 0; from < columns.count; ) {
      const end = runEnd(columns.series, from, columns.count);
      this.#addRun(columns, from, end);
      from = end;
    }
    this.#sort(columns.time);
  }

  /** False when there are no more moments in these columns. */
  next(): boolean {
    const columns = this.#columns;
    if (columns === undefined || this.#to >= this.#count) return false;
    const order = this.#order;
    this.#from = this.#to;
    const first = order[this.#from] ?? 0;
    this.group = this.#rowGroup[first] ?? 0;
    this.time = columns.time[first] ?? 0;
    this.#present.fill(notPresent);
    do {
      const row = order[this.#to] ?? 0;
      const variable = this.#rowVariable[row] ?? 0;
      if (variable >= 0) {
        this.#present[variable] = row;
        if (this.#holdMs > 0) this.#remember(columns, row, variable);
      }
      this.#to++;
    } while (this.#to < this.#count && this.#isSameMoment(columns.time, first, order[this.#to] ?? 0));
    return true;
  }

  /** Rows of the moment. */
  get rowCount(): number {
    return this.#to - this.#from;
  }

  /** Marks the rows of the moment. */
  markRows(marks: Uint8Array): void {
    for (let at = this.#from; at < this.#to; at++) marks[this.#order[at] ?? 0] = 1;
  }

  /** Brings the values of the variables into `args`; sets `quality`, `isMissing` and `isTouched`. */
  load(args: ExpressionValue[]): void {
    const texts = this.#groupTexts[this.group];
    this.quality = 0;
    this.isMissing = false;
    this.isTouched = false;
    for (let variable = 0; variable < this.#present.length; variable++) {
      const row = this.#present[variable] ?? notPresent;
      args[variable] = texts?.[variable] ?? (row === notPresent ? this.#held(variable) : this.#presentValue(row));
      if (args[variable] === undefined) this.isMissing = true;
      if (row !== notPresent) this.isTouched = true;
    }
  }

  #presentValue(row: number): ExpressionValue {
    const { value, flags, strings } = this.#columns ?? {};
    const number = value?.[row] ?? 0;
    return this.#valueOf(number, this.#flagsOf(flags?.[row] ?? 0, row), strings?.[number]);
  }

  #held(variable: number): ExpressionValue {
    if (this.#holdMs === 0) return undefined;
    const at = this.group * this.#variables.size + variable;
    const ageMs = this.time - (this.#lastTime[at] ?? 0);
    if (!(ageMs >= 0 && ageMs <= this.#holdMs)) return undefined;
    return this.#valueOf(this.#lastValue[at] ?? 0, this.#lastFlags[at] ?? 0, this.#lastText.get(at));
  }

  #valueOf(value: number, flags: number, text: string | undefined): ExpressionValue {
    this.quality = Math.max(this.quality, flags & flagQualityMask);
    if ((flags & flagText) !== 0) return text;
    return (flags & flagBoolean) === 0 ? value : value === 1;
  }

  #flagsOf(flags: number, row: number): number {
    return flags | (this.#rowKind[row] ?? 0);
  }

  #remember({ time, value, flags, strings }: ReadingColumns, row: number, variable: number): void {
    const at = this.group * this.#variables.size + variable;
    if ((time[row] ?? 0) < (this.#lastTime[at] ?? 0)) return;
    const rowFlags = flags[row] ?? 0;
    this.#lastTime[at] = time[row] ?? 0;
    this.#lastValue[at] = value[row] ?? 0;
    this.#lastFlags[at] = this.#flagsOf(rowFlags, row);
    if ((rowFlags & flagText) !== 0) this.#lastText.set(at, strings[value[row] ?? 0] ?? '');
  }

  #isSameMoment(time: Float64Array, a: number, b: number): boolean {
    return this.#rowGroup[a] === this.#rowGroup[b] && time[a] === time[b] && this.#rowRepeat[a] === this.#rowRepeat[b];
  }

  #addRun(columns: ReadingColumns, from: number, end: number): void {
    const at = this.#rowOf(columns.series[from] ?? 0);
    const { values } = this.#series;
    const variable = values[at + variableField] ?? 0;
    if (variable < 0 && !this.#hasAllRows) return;
    const group = values[at + groupField] ?? 0;
    const kind = values[at + kindField] ?? 0;
    for (let row = from; row < end; row++) {
      this.#rowGroup[row] = group;
      this.#rowVariable[row] = variable;
      this.#rowKind[row] = kind;
      this.#rowRepeat[row] = 0;
      this.#order[this.#count++] = row;
    }
    if (!isAscending(columns.time, from, end)) countRepeats(columns.time, from, end, this.#rowRepeat);
  }

  /** By group, time and repeat; rows of one moment by series, since they come so and the sort is stable. */
  #sort(time: Float64Array): void {
    const [group, repeat] = [this.#rowGroup, this.#rowRepeat];
    const compare = (a: number, b: number): number =>
      (group[a] ?? 0) - (group[b] ?? 0) || (time[a] ?? 0) - (time[b] ?? 0) || (repeat[a] ?? 0) - (repeat[b] ?? 0);
    const order = this.#order.subarray(0, this.#count);
    for (let at = 1; at < order.length; at++) {
      if (compare(order[at - 1] ?? 0, order[at] ?? 0) > 0) {
        order.sort((a, b) => compare(a, b) || a - b);
        return;
      }
    }
  }

  #rowOf(id: number): number {
    const table = this.#series;
    const found = table.find(id);
    if (found >= 0) return found;
    const at = table.add(id);
    const definition = this.#view.definitionOf(id);
    const group = this.#groupOf(definition, id);
    const variable = this.#variables.get(definition.metric) ?? notPresent;
    table.values[at + groupField] = group;
    table.values[at + variableField] = variable;
    if (variable >= 0 && definition.sampling !== 'all') this.#groupIsLossy[group] = true;
    table.values[at + kindField] = definition.type === 'boolean' ? flagBoolean : 0;
    return at;
  }

  #groupOf({ device, tags }: SeriesDefinition, id: number): number {
    const key = JSON.stringify([device, tags]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = this.#groups.size;
      this.#groups.set(key, group);
      this.#groupSeries.push(id);
      this.#groupIsLossy.push(false);
      this.#groupTexts.push(this.#textsOf(device, tags));
      const used = group * this.#variables.size;
      if (this.#holdMs > 0 && used + this.#variables.size > this.#lastTime.length)
        this.#growLast(used * 2 + this.#variables.size);
    }
    return group;
  }

  #textsOf(device: string, tags: SeriesDefinition['tags']): (string | undefined)[] | undefined {
    const known = new Map([...tags, ['device', device] as const]);
    const texts = [...this.#variables.keys()].map((name) => known.get(name));
    return texts.every((text) => text === undefined) ? undefined : texts;
  }

  #growLast(places: number): void {
    const before = this.#lastTime.length;
    this.#lastTime = grown(this.#lastTime, new Float64Array(places));
    this.#lastTime.fill(Number.NEGATIVE_INFINITY, before);
    this.#lastValue = grown(this.#lastValue, new Float64Array(places));
    this.#lastFlags = grown(this.#lastFlags, new Uint8Array(places));
  }

  #makeRoom(rows: number): void {
    if (this.#order.length >= rows) return;
    const length = Math.max(rows, this.#order.length * 2);
    this.#order = new Uint32Array(length);
    this.#rowGroup = new Uint32Array(length);
    this.#rowVariable = new Int32Array(length);
    this.#rowRepeat = new Uint32Array(length);
    this.#rowKind = new Uint8Array(length);
  }

  save(): SavedMoments {
    const used = this.#holdMs === 0 ? 0 : this.#groups.size * this.#variables.size;
    return {
      series: this.#series.save(),
      lastTime: bytesOf(this.#lastTime.slice(0, used)),
      lastValue: bytesOf(this.#lastValue.slice(0, used)),
      lastFlags: this.#lastFlags.slice(0, used),
      lastText: [...this.#lastText],
    };
  }

  restore({ series, lastTime, lastValue, lastFlags, lastText }: SavedMoments): void {
    this.#series.restore(series, (id) => this.#rowOf(id));
    this.#lastTime.set(floatsOf(lastTime));
    this.#lastValue.set(floatsOf(lastValue));
    this.#lastFlags.set(lastFlags);
    for (const [at, text] of lastText) this.#lastText.set(at, text);
  }
}

function isAscending(time: Float64Array, from: number, end: number): boolean {
  for (let row = from + 1; row < end; row++) if ((time[row - 1] ?? 0) >= (time[row] ?? 0)) return false;
  return true;
}

/** For each row of a series, how many before it have its time. */
function countRepeats(time: Float64Array, from: number, end: number, repeats: Uint32Array): void {
  const seen = new Map<number, number>();
  for (let row = from; row < end; row++) {
    const count = seen.get(time[row] ?? 0) ?? 0;
    repeats[row] = count;
    seen.set(time[row] ?? 0, count + 1);
  }
}
