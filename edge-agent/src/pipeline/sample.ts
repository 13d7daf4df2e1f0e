/**
 * Sample: of every series the last reading of each period of event time goes on; periods are aligned to the epoch. It goes on when a
 * reading of a later period comes, or when the series has been idle for a period of processing time. Of late readings, whose period
 * is over, the last of each period in one commit goes on, but for the period that was told last: so a backlog that comes after newer
 * readings is thinned as it would have been.
 */
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import { ColumnBuilder, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { IdleSeries } from './idle-series.ts';
import type { Items, Operator } from './operator.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

/** The last reading so far of the period that is open. */
const heldTime = 0;
const heldValue = 1;
const heldFlags = 2;
const isHeld = 3;
/** Periods up to this one are over. */
const closedPeriod = 4;
/** That of the last reading that went on in order. */
const toldPeriod = 5;
const seenAt = 6;
const savedFields = 7;

export class Sample implements Operator {
  readonly #everyMs: number;
  readonly #series = new SeriesTable({ saved: savedFields });
  /** Text of the reading that is held, by series. */
  readonly #heldText = new Map<number, string>();
  readonly #idle: IdleSeries;
  readonly #out = new ColumnBuilder();
  #dropped = 0;
  readonly drops = new Map<string, number>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
    this.#idle = new IdleSeries(this.#series, seenAt, everyMs);
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, sampling: 'subset', holdMs: 0 };
  }

  process(columns: ReadingColumns, now: number): Items {
    const { series, count } = columns;
    this.#dropped = 0;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      this.#processRun(columns, from, end, now);
      from = end;
    }
    addDrop(this.drops, 'within_period', this.#dropped);
    if (count > 0) this.#idle.note(now);
    return { kind: 'readings', columns: this.#out.take() };
  }

  tick(now: number): Items | undefined {
    const isOpen = (at: number): boolean => this.#series.values[at + isHeld] === 1;
    this.#idle.tick(now, isOpen, (at, id) => this.#passHeld(at, id));
    return this.#out.count === 0 ? undefined : { kind: 'readings', columns: this.#out.take() };
  }

  dueAt(now: number): number | undefined {
    return this.#idle.dueAt(now);
  }

  drain(): Items | undefined {
    return this.tick(Number.POSITIVE_INFINITY);
  }

  /** The readings of one series in one commit. */
  #processRun(columns: ReadingColumns, from: number, end: number, now: number): void {
    const { series, time, value, flags, strings } = columns;
    const id = series[from] ?? 0;
    const at = this.#rowOf(id);
    const state = this.#series.values;
    const isText = ((flags[from] ?? 0) & flagText) !== 0;
    let late: Map<number, number> | undefined;
    for (let row = from; row < end; row++) {
      const rowTime = time[row] ?? 0;
      const period = Math.floor(rowTime / this.#everyMs);
      if (period <= (state[at + closedPeriod] ?? 0)) {
        if (period === state[at + toldPeriod]) this.#dropped++;
        else {
          late ??= new Map<number, number>();
          this.#keepLater(late, period, row, time);
        }
        continue;
      }
      if (state[at + isHeld] === 1) {
        if (period === Math.floor((state[at + heldTime] ?? 0) / this.#everyMs)) {
          this.#dropped++;
          if (rowTime < (state[at + heldTime] ?? 0)) continue;
        } else this.#passHeld(at, id);
      }
      state[at + closedPeriod] = period - 1;
      state[at + heldTime] = rowTime;
      state[at + heldValue] = value[row] ?? 0;
      state[at + heldFlags] = flags[row] ?? 0;
      state[at + isHeld] = 1;
      if (isText) this.#heldText.set(id, strings[value[row] ?? 0] ?? '');
    }
    state[at + seenAt] = now;
    if (late !== undefined) for (const row of late.values()) this.#out.pushRows(columns, row, row + 1);
  }

  #keepLater(late: Map<number, number>, period: number, row: number, time: Float64Array): void {
    const known = late.get(period);
    if (known !== undefined) this.#dropped++;
    if (known === undefined || (time[row] ?? 0) >= (time[known] ?? 0)) late.set(period, row);
  }

  #passHeld(at: number, id: number): void {
    const state = this.#series.values;
    const [time, flags] = [state[at + heldTime] ?? 0, state[at + heldFlags] ?? 0];
    if ((flags & flagText) === 0) this.#out.push(id, time, state[at + heldValue] ?? 0, flags);
    else this.#out.pushText(id, time, this.#heldText.get(id) ?? '', flags);
    state[at + isHeld] = 0;
    state[at + closedPeriod] = Math.floor(time / this.#everyMs);
    state[at + toldPeriod] = Math.floor(time / this.#everyMs);
  }

  #rowOf(id: number): number {
    const found = this.#series.find(id);
    if (found >= 0) return found;
    const at = this.#series.add(id);
    this.#series.values[at + closedPeriod] = Number.NEGATIVE_INFINITY;
    this.#series.values[at + toldPeriod] = Number.NEGATIVE_INFINITY;
    return at;
  }

  save(): Uint8Array {
    return packState(stateVersion, this.#series.save(), [...this.#heldText]);
  }

  restore(state: Uint8Array): void {
    const [series, texts] = unpackState(state, stateVersion) as [SavedTable, [number, string][]];
    const table = this.#series;
    table.restore(series, (id) => this.#rowOf(id));
    for (const [id, text] of texts) this.#heldText.set(id, text);
    for (let at = 0; at < table.count * table.width; at += table.width)
      if (table.values[at + isHeld] === 1) this.#idle.restore(at);
  }
}
