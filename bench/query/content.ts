/**
 * What the stores of this benchmark hold: readings of real data sets at times computed from their place alone, so that both systems are given
 * the same. `dense`: one a second. `burst`: sensors that sleep, ten readings within ten seconds every five minutes. `quiet`: a battery
 * told three times in the last ten minutes. No reading lies on a full second, so half open and half closed windows agree.
 */
import type { ReadingColumns } from '@fogline/shared/reading';
import { readValues, threeDataSets } from '../load/values.ts';

export const startMs = Date.UTC(2025, 9, 1);
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;

export const metrics = { main: 'temperature', quiet: 'battery' } as const;
/** Of the series that are charted. */
export const denseAgent = 'dense-0';
const denseSeries = 10;

export interface ContentSize {
  /** With readings all along, the dense ones among them. */
  readonly series: number;
  readonly days: number;
  /** With those that have a few readings only. */
  readonly allSeries: number;
}

type Kind = 'dense' | 'burst' | 'quiet';

/** Series that one agent sends. */
export interface Gateway {
  readonly agent: string;
  readonly kind: Kind;
  readonly metric: string;
  readonly devices: readonly string[];
  /** Of the first series, among all. */
  readonly ordinal: number;
}

const seriesPerGateway: Readonly<Record<Kind, number>> = { dense: 10, burst: 50, quiet: 500 };
const prefixes: Readonly<Record<Kind, string>> = { dense: 'press-', burst: 'mote-', quiet: 'tag-' };

const burst = { everyMs: 300_000, readings: 10 } as const;
const quietMs = [600_000, 400_000, 200_000];

export class Content {
  readonly size: ContentSize;
  readonly gateways: readonly Gateway[];
  readonly source: string;
  readonly endMs: number;
  readonly #columns: readonly Int32Array[];
  readonly #hour: Readonly<Record<Kind, Float64Array>>;

  constructor(size: ContentSize) {
    this.size = size;
    this.endMs = startMs + size.days * dayMs;
    const { source, columns } = readValues(threeDataSets);
    this.source = source;
    this.#columns = columns;
    const dense = Math.min(denseSeries, size.series);
    const counts = { dense, burst: size.series - dense, quiet: size.allSeries - size.series };
    this.gateways = [
      ...gatewaysOf('dense', counts.dense, 0),
      ...gatewaysOf('burst', counts.burst, dense),
      ...gatewaysOf('quiet', counts.quiet, size.series),
    ];
    this.#hour = {
      dense: Float64Array.from({ length: 3_600 }, (_, second) => second * 1_000),
      burst: Float64Array.from({ length: (hourMs / burst.everyMs) * burst.readings }, (_, row) => {
        return Math.floor(row / burst.readings) * burst.everyMs + (row % burst.readings) * 1_000;
      }),
      quiet: Float64Array.from(quietMs, (before) => hourMs - before),
    };
  }

  get hours(): number {
    return this.size.days * 24;
  }

  get readings(): number {
    return this.gateways.reduce((sum, { kind, devices }) => {
      const hours = kind === 'quiet' ? 1 : this.hours;
      return sum + devices.length * hours * this.#hour[kind].length;
    }, 0);
  }

  /** What a gateway sends of one hour; series are numbered within it, each in order of time. */
  hourOf({ kind, devices, ordinal }: Gateway, hour: number): ReadingColumns {
    const within = kind === 'quiet' && hour !== this.hours - 1 ? new Float64Array(0) : this.#hour[kind];
    const count = within.length * devices.length;
    const columns = { count, series: new Uint32Array(count), time: new Float64Array(count) };
    const value = new Float64Array(count);
    for (let own = 0, row = 0; own < devices.length; own++) {
      const number = ordinal + own;
      const values = this.#columns[number % this.#columns.length] ?? new Int32Array(1);
      const beginMs = startMs + hour * hourMs + phaseMs(number);
      for (let at = 0; at < within.length; at++, row++) {
        columns.series[row] = own;
        columns.time[row] = beginMs + (within[at] ?? 0);
        value[row] = (values[(hour * within.length + at + number * 97) % values.length] ?? 0) / 100;
      }
    }
    return { ...columns, value, flags: new Uint8Array(count), strings: [] };
  }
}

/** 1 … 998. */
function phaseMs(number: number): number {
  return 1 + ((number * 37) % 998);
}

function gatewaysOf(kind: Kind, series: number, first: number): Gateway[] {
  const each = seriesPerGateway[kind];
  const metric = kind === 'quiet' ? metrics.quiet : metrics.main;
  return Array.from({ length: Math.ceil(series / each) }, (_, index): Gateway => {
    const width = Math.min(each, series - index * each);
    const devices = Array.from(
      { length: width },
      (__, at) => `${prefixes[kind]}${String(index * each + at).padStart(4, '0')}`,
    );
    return { agent: `${kind}-${index}`, kind, metric, devices, ordinal: first + index * each };
  });
}
