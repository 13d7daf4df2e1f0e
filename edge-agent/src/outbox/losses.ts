/** What is told about items that are given up: per series and event hour count, min, max, mean; and items per hour. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings } from '@fogline/shared/codec/readings';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { type PartKind, type VoidStat } from '@fogline/shared/protocol/messages';

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
  sum: number;
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
      const { count, series, time, value } = decodeReadings(bytes);
      for (let row = 0; row < count; row++) {
        const v = value[row] ?? 0;
        this.#add(series[row] ?? 0, time[row] ?? 0, v, v, v);
      }
      return;
    }
    const { count, series, start, partial } = decodeWindows(bytes);
    for (let row = 0; row < count; row++) {
      const item = Partial.decode(partial[row] ?? new Uint8Array());
      this.#add(series[row] ?? 0, start[row] ?? 0, item.min, item.max, item.mean());
    }
  }

  addReport(report: LossReport): void {
    for (const stat of report.stats) this.#merge({ ...stat, sum: stat.mean * stat.count });
    this.#omitted += report.statsOmitted;
    for (const [hour, items] of report.hours) this.#hours.set(hour, (this.#hours.get(hour) ?? 0) + items);
  }

  report(): LossReport {
    const stats = [...this.#stats.values()].map(({ series, hour, count, min, max, sum }) => ({
      series,
      hour,
      count,
      min,
      max,
      mean: sum / count,
    }));
    return { stats, statsOmitted: this.#omitted, hours: [...this.#hours].sort((a, b) => a[0] - b[0]) };
  }

  #add(series: number, time: number, min: number, max: number, mean: number): void {
    const hour = Math.floor(time / msPerHour);
    const key = this.#hours.has(hour) || this.#hours.size < protocolLimits.voidHoursMax - 1 ? hour : -1;
    this.#hours.set(key, (this.#hours.get(key) ?? 0) + 1);
    this.#merge({ series, hour, count: 1, min, max, sum: mean });
  }

  #merge(stat: Running): void {
    const key = `${stat.series}:${stat.hour}`;
    const running = this.#stats.get(key);
    if (running !== undefined) {
      running.count += stat.count;
      running.min = Math.min(running.min, stat.min);
      running.max = Math.max(running.max, stat.max);
      running.sum += stat.sum;
    } else if (
      this.#stats.size < protocolLimits.voidStatsMax &&
      Number.isFinite(stat.sum) &&
      Number.isFinite(stat.min)
    ) {
      this.#stats.set(key, { ...stat });
    } else {
      this.#omitted += stat.count;
    }
  }
}
