/** Samples of one series as they are gathered: growing typed arrays, put in order by merging the runs they came in. */

const rowsAtFirst = 16;

interface Columns {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export class SampleColumns {
  #times = new Float64Array(rowsAtFirst);
  #values = new Float64Array(rowsAtFirst);
  #length = 0;
  /** Where a stretch begins that ascends in itself. */
  #runs: number[] = [0];

  get length(): number {
    return this.#length;
  }

  /** Makes room for `rows` more. */
  reserve(rows: number): void {
    const needed = this.#length + rows;
    if (needed <= this.#times.length) return;
    const size = Math.max(needed, this.#times.length * 2);
    this.#times = grown(this.#times, size);
    this.#values = grown(this.#values, size);
  }

  /** There must be room. */
  push(timeMs: number, value: number): void {
    const at = this.#length++;
    this.#times[at] = timeMs;
    this.#values[at] = value;
    if (at > 0 && timeMs <= (this.#times[at - 1] as number)) this.#runs.push(at);
  }

  /** Ascending by time, one sample a time: of several the greatest. */
  ordered(): Columns {
    let columns: Columns = {
      times: this.#times.subarray(0, this.#length),
      values: this.#values.subarray(0, this.#length),
    };
    if (this.#runs.length === 1) return columns;
    for (let runs: readonly number[] = this.#runs; runs.length > 1; ) {
      columns = mergePairs(columns, runs);
      runs = runs.filter((_, index) => index % 2 === 0);
    }
    return greatestPerTime(columns);
  }

  /** Drops what is the latest sample at none of `instants` (ascending), and so never will be, whatever comes. */
  thin(instants: Float64Array): void {
    if (this.#length === 0) return;
    const { times, values } = this.ordered();
    let kept = 0;
    let next = firstNotBefore(instants, times[0] as number);
    for (let row = 0; row < times.length; row++) {
      const until = row + 1 < times.length ? (times[row + 1] as number) : Number.POSITIVE_INFINITY;
      if (next === instants.length || (instants[next] as number) >= until) continue;
      while (next < instants.length && (instants[next] as number) < until) next++;
      this.#times[kept] = times[row] as number;
      this.#values[kept] = values[row] as number;
      kept++;
    }
    this.#length = kept;
    this.#runs = [0];
  }
}

/** Index of the first instant at or after `timeMs`. */
function firstNotBefore(instants: Float64Array, timeMs: number): number {
  let low = 0;
  let high = instants.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((instants[middle] as number) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Each run merged with the one after it. */
function mergePairs({ times, values }: Columns, runs: readonly number[]): Columns {
  const merged = { times: new Float64Array(times.length), values: new Float64Array(times.length) };
  for (let pair = 0; pair < runs.length; pair += 2) {
    const middle = runs[pair + 1] ?? times.length;
    const end = runs[pair + 2] ?? times.length;
    let left = runs[pair] ?? 0;
    let right = middle;
    for (let out = left; out < end; out++) {
      const isLeft = left < middle && (right >= end || (times[left] as number) <= (times[right] as number));
      const from = isLeft ? left++ : right++;
      merged.times[out] = times[from] as number;
      merged.values[out] = values[from] as number;
    }
  }
  return merged;
}

function greatestPerTime({ times, values }: Columns): Columns {
  let count = 0;
  for (let row = 0; row < times.length; row++) {
    const isSame = count > 0 && times[count - 1] === times[row];
    const value = isSame ? Math.max(values[count - 1] as number, values[row] as number) : (values[row] as number);
    if (!isSame) count++;
    times[count - 1] = times[row] as number;
    values[count - 1] = value;
  }
  return { times: times.subarray(0, count), values: values.subarray(0, count) };
}

function grown(column: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(size);
  larger.set(column);
  return larger;
}
