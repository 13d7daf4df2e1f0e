/**
 * What is told about items that are given up: per series and event hour count, min, max, mean; and items per hour. Both are
 * capped, whatever is added; what does not fit is counted as omitted, or under hour −1. Texts have no statistics.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { decodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings } from '@fogline/shared/codec/readings';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { type PartKind, type VoidStat } from '@fogline/shared/protocol/messages';
import { flagText } from '@fogline/shared/reading';

const msPerHour = 3_600_000;

export interface LossReport {
  readonly stats: readonly VoidStat[];
  readonly statsOmitted: number;
  readonly hours: readonly (readonly [hour: number, items: number])[];
}

interface Running {
  series: number;
  hour: number;
  count: number;
  min: number;
  max: number;
  mean: number;
}

export class LossSummary {
  readonly #stats = new Map<string, Running>();
  readonly #hours = new Map<number, number>();
  #omitted = 0;

  get statCount(): number {
    return this.#stats.size;
  }

  addBlock(kind: PartKind, bytes: Uint8Array): void {
    if (kind === 'readings') {
      const { count, series, time, value, flags } = decodeReadings(bytes);
      this.#addRows(series, time, count, (row) => {
        const v = ((flags[row] ?? 0) & flagText) === 0 ? (value[row] ?? 0) : Number.NaN;
        return { min: v, max: v, mean: v };
      });
      return;
    }
    const columns = kind === 'windows' ? decodeWindows(bytes) : decodeThinned(bytes);
    const { count, series, start, partial } = columns;
    const items = 'items' in columns ? columns.items : undefined;
    this.#addRows(
      series,
      start,
      count,
      (row) => {
        const item = Partial.decode(partial[row] ?? new Uint8Array());
        return { min: item.min, max: item.max, mean: item.mean() };
      },
      (row) => items?.[row] ?? 1,
    );
  }

  addReport(report: LossReport): void {
    for (const stat of report.stats) this.#merge(stat);
    this.#omitted += report.statsOmitted;
    for (const [hour, items] of report.hours) this.#addToHour(hour, items);
  }

  report(): LossReport {
    const stats = [...this.#stats.values()].map((stat) => ({ ...stat }));
    return { stats, statsOmitted: this.#omitted, hours: [...this.#hours].sort((a, b) => a[0] - b[0]) };
  }

  /** Row by row, but neighbours of one series and hour at once. */
  #addRows(
    series: Uint32Array,
    time: Float64Array,
    count: number,
    read: (row: number) => { min: number; max: number; mean: number },
    itemsOf: (row: number) => number = () => 1,
  ): void {
    let run: Running | undefined;
    for (let row = 0; row < count; row++) {
      const stat = {
        series: series[row] ?? 0,
        hour: Math.floor((time[row] ?? 0) / msPerHour),
        count: itemsOf(row),
        ...read(row),
      };
      if (
        run !== undefined &&
        run.series === stat.series &&
        run.hour === stat.hour &&
        areFinite(run) &&
        areFinite(stat)
      ) {
        include(run, stat);
        continue;
      }
      if (run !== undefined) this.#addRun(run);
      run = stat;
    }
    if (run !== undefined) this.#addRun(run);
  }

  #addRun(run: Readonly<Running>): void {
    this.#addToHour(run.hour, run.count);
    this.#merge(run);
  }

  #addToHour(hour: number, items: number): void {
    const key = this.#hours.has(hour) || this.#hours.size < protocolLimits.voidHoursMax - 1 ? hour : -1;
    this.#hours.set(key, (this.#hours.get(key) ?? 0) + items);
  }

  #merge(stat: Readonly<Running>): void {
    const key = `${stat.series}:${stat.hour}`;
    const running = this.#stats.get(key);
    if (!areFinite(stat)) {
      this.#omitted += stat.count;
    } else if (running !== undefined) {
      include(running, stat);
    } else if (this.#stats.size < protocolLimits.voidStatsMax) {
      this.#stats.set(key, { ...stat });
    } else {
      this.#omitted += stat.count;
    }
  }
}

function include(running: Running, stat: Readonly<Running>): void {
  const count = running.count + stat.count;
  running.min = Math.min(running.min, stat.min);
  running.max = Math.max(running.max, stat.max);
  // A weighted mean, because a sum may overflow where no value does.
  const mean = running.mean * (running.count / count) + stat.mean * (stat.count / count);
  running.mean = Math.min(running.max, Math.max(running.min, mean));
  running.count = count;
}

function areFinite({ min, max, mean }: Readonly<Running>): boolean {
  return Number.isFinite(min) && Number.isFinite(max) && Number.isFinite(mean);
}
