/**
 * The metrics port and its prom-client adapter: one registry per process, every name begins with `fogline_`.
 * Components keep plain numbers and are read when a scraper asks, so counting costs an addition and nothing else.
 */
import { cpuUsage, memoryUsage } from 'node:process';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

type Labels = Readonly<Record<string, string>>;

export interface CounterMetric {
  /** Adds `by` ≥ 0, default 1. */
  inc(by?: number, labels?: Labels): void;
}

export interface GaugeMetric {
  set(value: number, labels?: Labels): void;
}

export interface HistogramMetric {
  observe(value: number, labels?: Labels): void;
}

/** Numbers that a component keeps by key; read at each scrape. */
export type ReadNumbers = () => Readonly<Record<string, number>>;

export class Metrics {
  readonly #registry = new Registry();

  /** Process CPU seconds, resident memory and heap: what costs one system call each, nothing more. */
  constructor() {
    this.#read(Counter, 'fogline_process_cpu_seconds_total', 'User and system CPU time of this process.', () => {
      const usage = cpuUsage();
      return (usage.user + usage.system) / 1e6;
    });
    this.#read(Gauge, 'fogline_process_resident_bytes', 'Resident memory of this process.', () => memoryUsage.rss());
    this.#read(Gauge, 'fogline_process_heap_bytes', 'Used JavaScript heap.', () => memoryUsage().heapUsed);
  }

  counter(name: string, help: string, labelNames: readonly string[] = []): CounterMetric {
    const counter = new Counter({ name: full(name), help, labelNames, registers: [this.#registry] });
    return { inc: (by = 1, labels = {}) => counter.inc(labels, by) };
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): GaugeMetric {
    const gauge = new Gauge({ name: full(name), help, labelNames, registers: [this.#registry] });
    return { set: (value, labels = {}) => gauge.set(labels, value) };
  }

  /** `buckets` are upper bounds, ascending. */
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly string[] = [],
  ): HistogramMetric {
    const histogram = new Histogram({
      name: full(name),
      help,
      buckets: [...buckets],
      labelNames,
      registers: [this.#registry],
    });
    return { observe: (value, labels = {}) => histogram.observe(labels, value) };
  }

  /** A gauge whose value is asked for at each scrape. */
  readGauge(name: string, help: string, read: () => number): void {
    this.#read(Gauge, full(name), help, read);
  }

  /** One counter with one label; each key that `read` returns is a label value. Values never go down. */
  readCounters(name: string, help: string, label: string, read: ReadNumbers): void {
    this.#readBy(Counter, full(name), help, label, read);
  }

  /** One gauge with one label; each key that `read` returns is a label value. */
  readGauges(name: string, help: string, label: string, read: ReadNumbers): void {
    this.#readBy(Gauge, full(name), help, label, read);
  }

  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  /** The text exposition format. */
  async expose(): Promise<string> {
    return await this.#registry.metrics();
  }

  #read(Kind: typeof Counter | typeof Gauge, name: string, help: string, read: () => number): void {
    const metric: Counter | Gauge = new Kind({
      name,
      help,
      registers: [this.#registry],
      collect: () => {
        metric.reset();
        metric.inc(read());
      },
    });
  }

  #readBy(Kind: typeof Counter | typeof Gauge, name: string, help: string, label: string, read: ReadNumbers): void {
    const metric: Counter | Gauge = new Kind({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect: () => {
        metric.reset();
        for (const [key, value] of Object.entries(read())) metric.inc({ [label]: key }, value);
      },
    });
  }
}

function full(name: string): string {
  return `fogline_${name}`;
}
