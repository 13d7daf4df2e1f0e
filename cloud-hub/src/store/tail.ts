/** What batches contribute to roll-ups and latest values and no table has yet. A pure function of the batches added. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { type ThinnedColumns, thinnedMs } from '@fogline/shared/aggregate/thinned-columns';
import { quality } from '@fogline/shared/reading';
import type { BatchContent } from './batch-content.ts';
import { runEnd } from './batch-content.ts';
import { laterOf, latestOfRun } from './latest.ts';
import { bucketOf, finestLevel } from './levels.ts';
import type { LatestValue } from './read.ts';
import { RollupTail } from './rollup-tail.ts';
import type { LocalSeries } from './series-table.ts';

const thinnedLevel = finestLevel(thinnedMs) ?? 0;

export class Tail {
  readonly rollups = new RollupTail();
  readonly #latest = new Map<number, LatestValue>();
  /** Series up to this id are in their tables already. */
  readonly #doneSeries: number;

  constructor(doneSeries = 0) {
    this.#doneSeries = doneSeries;
  }

  /** Every series with a contribution, ascending. */
  seriesIds(): number[] {
    return [...this.#latest.keys()].sort((a, b) => a - b);
  }

  latestOf(series: number): LatestValue | undefined {
    return this.#latest.get(series);
  }

  /** Forgets a series that is in its tables now. */
  drop(series: number): void {
    this.#latest.delete(series);
    this.rollups.drop(series);
  }

  add(content: BatchContent, table: LocalSeries): void {
    for (const columns of content.readings) {
      for (let from = 0, to = 0; from < columns.count; from = to) {
        to = runEnd(columns.series, from, columns.count);
        const series = table.ids[columns.series[from] as number] as number;
        if (series <= this.#doneSeries) continue;
        this.rollups.addRun(columns, from, to, series);
        this.#note(latestOfRun(columns, from, to, series));
      }
    }
    for (const columns of content.windows) {
      for (let row = 0; row < columns.count; row++) {
        const local = columns.series[row] as number;
        this.#addWindow(table, local, columns.start[row] as number, columns.partial[row] as Uint8Array);
      }
    }
    for (const columns of content.thinned)
      for (let row = 0; row < columns.count; row++) this.#addThinned(table, columns, row);
  }

  /** A minute counts as a window of that width, of whatever kind the series is. */
  #addThinned(table: LocalSeries, { series: locals, start, partial }: ThinnedColumns, row: number): void {
    const local = locals[row] as number;
    const series = table.ids[local] as number;
    const startMs = start[row] as number;
    const bytes = partial[row] as Uint8Array;
    if (series <= this.#doneSeries) return;
    this.rollups.addWindow(series, { level: thinnedLevel, startMs, partial: bytes });
    if (table.isWindow[local] === true) {
      this.#note({ series, timeMs: startMs, kind: 'window', partial: bytes });
      return;
    }
    const { lastTime, lastValue } = Partial.decode(bytes);
    this.#note({ series, timeMs: lastTime, kind: 'number', value: lastValue, flags: quality.good });
  }

  #addWindow(table: LocalSeries, local: number, startMs: number, partial: Uint8Array): void {
    const series = table.ids[local] as number;
    const widthMs = table.widthMs[local] as number;
    if (series <= this.#doneSeries) return;
    const level = finestLevel(widthMs);
    // A window that does not begin on a multiple of its width would straddle buckets: it is raw data only.
    if (level !== undefined && bucketOf(startMs, widthMs) === startMs) {
      this.rollups.addWindow(series, { level, startMs, partial });
    }
    this.#note({ series, timeMs: startMs, kind: 'window', partial });
  }

  #note(value: LatestValue): void {
    const known = this.#latest.get(value.series);
    this.#latest.set(value.series, known === undefined ? value : laterOf(known, value));
  }
}
