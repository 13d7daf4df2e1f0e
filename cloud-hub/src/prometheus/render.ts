/** Results as the JSON that Prometheus writes: values as text, times in seconds. */
import type { Labels } from './labels.ts';
import { formatTimestamp, formatValue } from './literals.ts';
import type { Samples } from './source.ts';
import { byLabels, type Column, type Value } from './values.ts';

export function renderLabels(labels: Labels): string {
  // Not by way of an object: a label may be called __proto__.
  return `{${[...labels].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
}

function pair(timeMs: number, value: number): string {
  return `[${formatTimestamp(timeMs)},"${formatValue(value)}"]`;
}

export function renderInstant(value: Value, timeMs: number): string {
  switch (value.kind) {
    case 'scalar':
      return data('scalar', pair(timeMs, value.values[0] as number));
    case 'string':
      return data('string', `[${formatTimestamp(timeMs)},${JSON.stringify(value.value)}]`);
    case 'vector': {
      const columns = value.isOrdered ? value.columns : byLabels(value.columns);
      const rows = columns.map(
        ({ labels, values }) => `{"metric":${renderLabels(labels)},"value":${pair(timeMs, values[0] as number)}}`,
      );
      return data('vector', `[${rows.join(',')}]`);
    }
  }
}

export function* renderSeries(columns: readonly Column[], times: Float64Array): Generator<void, string> {
  const rows: string[] = [];
  for (const { labels, values, has } of columns) {
    const points: string[] = [];
    for (let step = 0; step < times.length; step++) {
      if (has[step] === 1) points.push(pair(times[step] as number, values[step] as number));
    }
    rows.push(seriesText(labels, points));
    yield;
  }
  return data('matrix', `[${rows.join(',')}]`);
}

export function* renderMatrix(list: readonly Pick<Samples, 'labels' | 'times' | 'values'>[]): Generator<void, string> {
  const rows: string[] = [];
  for (const { labels, times, values } of list) {
    if (times.length === 0) continue;
    rows.push(
      seriesText(
        labels,
        Array.from(times, (time, index) => pair(time, values[index] as number)),
      ),
    );
    yield;
  }
  return data('matrix', `[${rows.join(',')}]`);
}

function seriesText(labels: Labels, points: readonly string[]): string {
  return `{"metric":${renderLabels(labels)},"values":[${points.join(',')}]}`;
}

function data(resultType: string, result: string): string {
  return `{"resultType":"${resultType}","result":${result}}`;
}
