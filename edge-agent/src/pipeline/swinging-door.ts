/**
 * Swinging door: readings are left out where the line between those that pass tells them within a bound. A reading is held back until
 * the next shows whether the line can go on past it: the line may go on while it stays within the bound of every reading it passes
 * (the door), else the one held back passes and begins the next line. All that pass are readings as they came.
 *
 * Guarantee: for every reading in order, |reading − linear interpolation between its neighbours that passed| ≤ bound, in float64 and
 * however the interpolation is rounded. Readings pass at least every `maxGapMs` of event time (where there are readings), at once when
 * quality changes, and when the series has been idle that long. Late readings (not newer than the last) pass as they are, beside the line.
 *
 * What comes out is sampling `subset`: values lie on lines, not on steps. Metrics without a bound, and text, pass unchanged.
 */
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { SwingingDoorConfig } from '../core-config.ts';
import { ColumnBuilder, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { IdleSeries } from './idle-series.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

/**
 * The door is narrower than the bound by what rounding can add, here and where the line is drawn again: some ten roundings, each of
 * at most 2^-53 of a value no larger than |reading| + |pivot| + bound.
 */
const rounding = 2 ** -48;

/** No reading has them. */
const noFlags = flagText | 0x80;

/** The reading that passed last. */
const pivotTime = 0;
const pivotValue = 1;
/** The reading that is held back. */
const heldTime = 2;
const heldValue = 3;
const isHeld = 4;
/** Slopes from the pivot that stay within the bound of all readings before the one held back. */
const slopeMin = 5;
const slopeMax = 6;
const flags = 7;
const seenAt = 8;
const savedFields = 9;
/** 0 = everything passes. */
const bound = 9;
const derivedFields = 1;

export class SwingingDoor implements Operator {
  readonly #bounds: ReadonlyMap<string, number>;
  readonly #maxGapMs: number;
  readonly #view: SeriesView;
  readonly #series = new SeriesTable({ saved: savedFields, derived: derivedFields });
  readonly #idle: IdleSeries;
  readonly #out = new ColumnBuilder();
  #dropped = 0;
  readonly drops = new Map<string, number>();

  constructor({ bounds, maxGapMs }: SwingingDoorConfig, view: SeriesView) {
    this.#bounds = new Map(Object.entries(bounds));
    this.#maxGapMs = maxGapMs;
    this.#idle = new IdleSeries(this.#series, seenAt, maxGapMs);
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    if (this.#boundOf(definition) === 0) return definition;
    return { ...definition, sampling: 'subset', holdMs: 0 };
  }

  process(columns: ReadingColumns, now: number): Items {
    const { series, time, value, count } = columns;
    this.#dropped = 0;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const id = series[from] ?? 0;
      const at = this.#rowOf(id);
      if (this.#series.values[at + bound] === 0) this.#out.pushRows(columns, from, end);
      else {
        this.#series.values[at + seenAt] = now;
        for (let row = from; row < end; row++)
          this.#offer(at, id, time[row] ?? 0, value[row] ?? 0, columns.flags[row] ?? 0);
      }
      from = end;
    }
    addDrop(this.drops, 'on_the_line', this.#dropped);
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

  #offer(at: number, id: number, time: number, value: number, rowFlags: number): void {
    const state = this.#series.values;
    const last = state[at + isHeld] === 1 ? (state[at + heldTime] ?? 0) : (state[at + pivotTime] ?? 0);
    if (time <= last) {
      this.#out.push(id, time, value, rowFlags);
      return;
    }
    if (rowFlags !== state[at + flags]) {
      // A line does not go from one quality to another. The first reading of a series comes this way, too.
      this.#passHeld(at, id);
      state[at + flags] = rowFlags;
      this.#pass(at, id, time, value);
      return;
    }
    if (state[at + isHeld] === 1) {
      if (this.#goesOn(at, time, value)) this.#dropped++;
      else this.#passHeld(at, id);
    }
    if (time - (state[at + pivotTime] ?? 0) >= this.#maxGapMs) {
      this.#pass(at, id, time, value);
      return;
    }
    state[at + heldTime] = time;
    state[at + heldValue] = value;
    state[at + isHeld] = 1;
  }

  /** True when the line from the pivot to a new reading passes the one held back, and all before it, within the bound. */
  #goesOn(at: number, time: number, value: number): boolean {
    const state = this.#series.values;
    const [t, v] = [state[at + pivotTime] ?? 0, state[at + pivotValue] ?? 0];
    const held = state[at + heldValue] ?? 0;
    const elapsed = (state[at + heldTime] ?? 0) - t;
    const limit = state[at + bound] ?? 0;
    const room = limit - (Math.abs(held) + Math.abs(v) + limit) * rounding;
    const lowest = Math.max(state[at + slopeMin] ?? 0, (held - room - v) / elapsed);
    const highest = Math.min(state[at + slopeMax] ?? 0, (held + room - v) / elapsed);
    const slope = (value - v) / (time - t);
    // A slope that is not finite cannot be drawn.
    if (!(slope >= lowest && slope <= highest && slope - slope === 0) || time - t > this.#maxGapMs) return false;
    state[at + slopeMin] = lowest;
    state[at + slopeMax] = highest;
    return true;
  }

  #passHeld(at: number, id: number): void {
    const state = this.#series.values;
    if (state[at + isHeld] === 1) this.#pass(at, id, state[at + heldTime] ?? 0, state[at + heldValue] ?? 0);
  }

  /** Emits a reading, from which the next line begins. */
  #pass(at: number, id: number, time: number, value: number): void {
    const state = this.#series.values;
    this.#out.push(id, time, value, state[at + flags] ?? 0);
    state[at + pivotTime] = time;
    state[at + pivotValue] = value;
    state[at + isHeld] = 0;
    state[at + slopeMin] = Number.NEGATIVE_INFINITY;
    state[at + slopeMax] = Number.POSITIVE_INFINITY;
  }

  #boundOf({ metric, type }: SeriesDefinition): number {
    return type === 'text' ? 0 : (this.#bounds.get(metric) ?? 0);
  }

  #rowOf(id: number): number {
    const table = this.#series;
    const found = table.find(id);
    if (found >= 0) return found;
    const at = table.add(id);
    table.values[at + pivotTime] = Number.NEGATIVE_INFINITY;
    table.values[at + flags] = noFlags;
    table.values[at + bound] = this.#boundOf(this.#view.definitionOf(id));
    return at;
  }

  save(): Uint8Array {
    return packState(stateVersion, this.#series.save());
  }

  restore(state: Uint8Array): void {
    const [series] = unpackState(state, stateVersion) as [SavedTable];
    const table = this.#series;
    table.restore(series, (id) => this.#rowOf(id));
    for (let at = 0; at < table.count * table.width; at += table.width)
      if (table.values[at + isHeld] === 1) this.#idle.restore(at);
  }
}
