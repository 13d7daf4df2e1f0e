/**
 * Gathers decoded readings as columns in arrival order. Its arrays grow by doubling and are used again after `take`, which copies
 * out arrays of exactly the right length: what was taken is never touched again and can be transferred.
 */
import { flagText } from '@fogline/shared/reading';
import type { SourceColumns } from '../sources/batch-port.ts';

const rowsMin = 256;

export class ReadingsBuilder {
  #series = new Uint32Array(rowsMin);
  #time = new Float64Array(rowsMin);
  #value = new Float64Array(rowsMin);
  #flags = new Uint8Array(rowsMin);
  #hasSourceTime = new Uint8Array(rowsMin);
  readonly #textIndex = new Map<string, number>();
  #count = 0;
  /** Latest time that a source told, of readings or of a message that became none. */
  latestSourceMs = Number.NEGATIVE_INFINITY;

  get count(): number {
    return this.#count;
  }

  /** `flags` without `flagText`. */
  addNumber(series: number, time: number, value: number, flags: number, hasSourceTime: boolean): void {
    if (this.#count === this.#series.length) this.#grow();
    const row = this.#count++;
    this.#series[row] = series;
    this.#time[row] = time;
    this.#value[row] = value;
    this.#flags[row] = flags;
    this.#hasSourceTime[row] = hasSourceTime ? 1 : 0;
  }

  addText(series: number, time: number, text: string, flags: number, hasSourceTime: boolean): void {
    let index = this.#textIndex.get(text);
    if (index === undefined) {
      index = this.#textIndex.size;
      this.#textIndex.set(text, index);
    }
    this.addNumber(series, time, index, flags | flagText, hasSourceTime);
  }

  /** What was gathered; the builder is empty afterwards. */
  take(): { columns: SourceColumns; hasSourceTime: Uint8Array } {
    const count = this.#count;
    const columns: SourceColumns = {
      count,
      series: this.#series.slice(0, count),
      time: this.#time.slice(0, count),
      value: this.#value.slice(0, count),
      flags: this.#flags.slice(0, count),
      strings: [...this.#textIndex.keys()],
    };
    const hasSourceTime = this.#hasSourceTime.slice(0, count);
    this.#count = 0;
    this.#textIndex.clear();
    return { columns, hasSourceTime };
  }

  #grow(): void {
    const rows = this.#series.length * 2;
    this.#series = grown(this.#series, new Uint32Array(rows));
    this.#time = grown(this.#time, new Float64Array(rows));
    this.#value = grown(this.#value, new Float64Array(rows));
    this.#flags = grown(this.#flags, new Uint8Array(rows));
    this.#hasSourceTime = grown(this.#hasSourceTime, new Uint8Array(rows));
  }
}

function grown<Column extends Uint8Array | Uint32Array | Float64Array>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}
