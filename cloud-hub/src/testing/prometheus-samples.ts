/** For tests: samples of several kinds, in a store of the hub and as OpenMetrics for Prometheus itself. */
import { exposuresOf } from '../prometheus/catalog.ts';
import { nameLabel, withoutName } from '../prometheus/labels.ts';
import { type ApiFixture, openApiFixture } from './api-fixture.ts';
import { definition, type ReadingInput } from './store-fixture.ts';

/** A whole hour; samples never fall on a whole second but where they are meant to. */
export const samplesFromMs = Date.UTC(2026, 2, 1, 10);
export const samplesToMs = samplesFromMs + 3 * 3_600_000;

type Shape = (index: number) => number | undefined;

interface Stream {
  readonly device: string;
  readonly metric: string;
  readonly unit: string;
  readonly everyMs: number;
  readonly offsetMs: number;
  readonly shape: Shape;
}

const wave =
  (mean: number, swing: number, period: number): Shape =>
  (index) =>
    Math.round((mean + swing * Math.sin((2 * Math.PI * index) / period)) * 1000) / 1000;

/** Counts up by what `step` says, and begins anew every `life` samples. */
const counter =
  (life: number, step: (index: number) => number): Shape =>
  (index) => {
    let total = 1000;
    for (let i = index - (index % life); i < index; i++) total += step(i);
    return total;
  };

const streams: readonly Stream[] = [
  ...['d1', 'd2', 'd3'].map(
    (device, nr): Stream => ({
      device,
      metric: 'temperature',
      unit: 'Cel',
      everyMs: 10_000,
      offsetMs: 137 + nr * 1_210,
      shape: wave(20 + nr, 3 + nr, 300 + 40 * nr),
    }),
  ),
  {
    device: 'd4',
    metric: 'temperature',
    unit: 'Cel',
    everyMs: 15_000,
    offsetMs: 503,
    shape: (i) => (i > 100 && i < 160 ? undefined : wave(-5, 7.25, 90)(i)),
  },
  { device: 'd1', metric: 'power', unit: 'W', everyMs: 15_000, offsetMs: 251, shape: wave(1500, 1400, 77) },
  {
    device: 'd2',
    metric: 'power',
    unit: 'W',
    everyMs: 15_000,
    offsetMs: 777,
    shape: (i) => (i % 7 === 0 ? 0 : i * 0.125),
  },
  { device: 'd3', metric: 'power', unit: 'W', everyMs: 240_000, offsetMs: 9_333, shape: (i) => i ** 3 - 40 },
  {
    device: 'd1',
    metric: 'energy_total',
    unit: 'J',
    everyMs: 15_000,
    offsetMs: 333,
    shape: counter(150, (i) => i % 5),
  },
  {
    device: 'd2',
    metric: 'energy_total',
    unit: 'J',
    everyMs: 30_000,
    offsetMs: 411,
    shape: counter(10_000, (i) => (i % 9) * 1.5),
  },
  { device: 'd1', metric: 'open', unit: '', everyMs: 20_000, offsetMs: 99, shape: (i) => Number(i % 11 < 3) },
  {
    device: 'd2',
    metric: 'open',
    unit: '',
    everyMs: 20_000,
    offsetMs: 123,
    shape: (i) => (i < 200 ? Number(i % 17 < 9) : undefined),
  },
  // On whole minutes, for the edges of ranges.
  { device: 'd9', metric: 'edge', unit: '', everyMs: 60_000, offsetMs: 0, shape: (i) => i },
  { device: 'd9', metric: 'edge_twin', unit: '', everyMs: 60_000, offsetMs: 1, shape: (i) => i },
];

export interface LoadedSamples {
  readonly fixture: ApiFixture;
  readonly openMetrics: string;
}

/** The same samples twice: in a hub, and as text for promtool. */
export function loadSamples(): LoadedSamples {
  const fixture = openApiFixture(samplesToMs);
  const tags: readonly (readonly [string, string])[] = [['room', 'hall 1']];
  const definitions = streams.map(({ device, metric, unit }) =>
    definition({ device, metric, unit, tags: device === 'd2' ? tags : [] }),
  );
  const agent = fixture.agent('gw1', definitions);
  const readings = streams.flatMap(({ everyMs, offsetMs, shape }, series) => {
    const rows: ReadingInput[] = [];
    for (let i = 0; samplesFromMs + i * everyMs + offsetMs < samplesToMs; i++) {
      const value = shape(i);
      if (value !== undefined) rows.push({ series, timeMs: samplesFromMs + i * everyMs + offsetMs, value });
    }
    return rows;
  });
  const perBatch = 1_000;
  // Interleaved, so that batches come out of order of time.
  for (const parity of [1, 0]) {
    for (let from = parity * perBatch; from < readings.length; from += 2 * perBatch) {
      agent.send(readings.slice(from, from + perBatch));
    }
  }
  return { fixture, openMetrics: openMetricsOf(fixture, readings) };
}

function openMetricsOf({ core }: ApiFixture, readings: readonly ReadingInput[]): string {
  const lines = core.read.listSeries({}).flatMap((series, index) => {
    const labels = exposuresOf(series)[0]?.labels ?? new Map();
    const text = [...withoutName(labels)].map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',');
    return readings
      .filter((reading) => reading.series === index)
      .map(({ value, timeMs }) => `${labels.get(nameLabel)}{${text}} ${value} ${timeMs / 1000}`);
  });
  return `${lines.join('\n')}\n# EOF\n`;
}
