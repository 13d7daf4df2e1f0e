/**
 * What Grafana's stock Prometheus data source sends, replayed: the requests as its backend (pkg/promlib) and its front end
 * (packages/grafana-prometheus) build them, and the parts of the answers that they read.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { loadSamples, samplesFromMs, samplesToMs } from '../testing/prometheus-samples.ts';

const { fixture } = loadSamples();
afterAll(() => fixture.api.close());

const startS = samplesFromMs / 1000;
const endS = samplesToMs / 1000;

type Params = Readonly<Record<string, string>>;

async function send(method: 'GET' | 'POST', path: string, params: Params = {}) {
  const encoded = new URLSearchParams(params).toString();
  const response = await fixture.api.app.inject(
    method === 'GET'
      ? { method, url: `/prometheus${path}?${encoded}`, headers: { host: 'localhost' } }
      : {
          method,
          url: `/prometheus${path}`,
          headers: { host: 'localhost', 'content-type': 'application/x-www-form-urlencoded' },
          payload: encoded,
        },
  );
  expect(response.headers['content-type']).toBe('application/json; charset=utf-8');
  return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
}

async function dataOf<Data>(method: 'GET' | 'POST', path: string, params: Params = {}): Promise<Data> {
  const { status, body } = await send(method, path, params);
  expect([status, body['status']], JSON.stringify(body)).toEqual([200, 'success']);
  return body['data'] as Data;
}

describe.each(['GET', 'POST'] as const)('with the HTTP method set to %s,', (method) => {
  it('save & test: the query 1+1 at second 4, then the build', async () => {
    expect(await dataOf(method, '/api/v1/query', { query: '1+1', time: '4' })).toEqual({
      resultType: 'scalar',
      result: [4, '2'],
    });
    const build = await dataOf<Params>('GET', '/api/v1/status/buildinfo');
    expect(build).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string });
    // With features it would be taken for Mimir, and asked for a ruler.
    expect(build['features']).toBeUndefined();
  });

  it('query builder: label names and metrics, narrowed as labels are chosen', async () => {
    const range = { start: String(startS), end: String(endS), limit: '40000' };
    expect(await dataOf('GET', '/api/v1/label/__name__/values', range)).toEqual([
      'edge',
      'edge_twin',
      'energy_total',
      'open',
      'power',
      'temperature',
    ]);
    const own = ['__name__', 'agent', 'device', 'kind'];
    expect(await dataOf(method, '/api/v1/labels', range)).toEqual([...own, 'room', 'sampling', 'stream', 'unit']);
    expect(await dataOf(method, '/api/v1/labels', { ...range, 'match[]': '{__name__="edge"}' })).toEqual([
      ...own,
      'sampling',
      'stream',
    ]);
    expect(
      await dataOf('GET', '/api/v1/label/device/values', { ...range, 'match[]': '{__name__="power",unit="W"}' }),
    ).toEqual(['d1', 'd2', 'd3']);
    const metadata = await dataOf<Record<string, unknown[]>>('GET', '/api/v1/metadata', { limit: '40000' });
    expect(metadata['temperature']).toEqual([{ type: 'gauge', help: 'Readings of temperature in Cel.', unit: 'Cel' }]);
  });

  it('query builder of versions before 11: everything by way of series', async () => {
    const range = { start: String(startS), end: String(endS), limit: '40000' };
    const all = await dataOf<Params[]>(method, '/api/v1/series', { ...range, 'match[]': '{__name__!=""}' });
    expect(all).toHaveLength(13);
    expect(
      await dataOf(method, '/api/v1/series', { ...range, 'match[]': '{__name__="power",device="d2",room!=""}' }),
    ).toEqual([
      {
        __name__: 'power',
        agent: 'gw1',
        device: 'd2',
        kind: 'reading',
        room: 'hall 1',
        sampling: 'all',
        stream: 'raw',
        unit: 'W',
      },
    ]);
  });

  it('Explore: the range as a graph, the instant as a table, exemplars beside it', async () => {
    const query = 'avg by (device) (rate(energy_total{agent=~"gw.*"}[1m0s]))';
    const range = { query, start: String(startS + 3_600), end: String(startS + 7_200), step: '15' };
    const graph = await dataOf<{ resultType: string; result: { metric: Params; values: [number, string][] }[] }>(
      method,
      '/api/v1/query_range',
      { ...range, timeout: '60s' },
    );
    expect(graph.resultType).toBe('matrix');
    expect(graph.result.map(({ metric }) => metric)).toEqual([{ device: 'd1' }, { device: 'd2' }]);
    expect(graph.result[0]?.values).toHaveLength(241);
    expect(graph.result[0]?.values[0]).toEqual([startS + 3_600, expect.stringMatching(/^[\d.]+$/)]);
    const table = await dataOf<{ resultType: string; result: unknown[] }>(method, '/api/v1/query', {
      query,
      time: `${startS + 7_200}.123`,
    });
    expect(table.resultType).toBe('vector');
    expect(table.result[0]).toEqual({
      metric: { device: 'd1' },
      value: [startS + 7_200.123, expect.any(String)],
    });
    expect(await dataOf(method, '/api/v1/query_exemplars', range)).toEqual([]);
  });

  it('variables: label_values, label_names, metrics, query_result', async () => {
    const range = { start: String(startS), end: String(endS) };
    expect(
      await dataOf('GET', '/api/v1/label/device/values', { ...range, 'match[]': 'temperature{agent="gw1"}' }),
    ).toEqual(['d1', 'd2', 'd3', 'd4']);
    expect(await dataOf<string[]>(method, '/api/v1/labels', range)).toContain('device');
    expect(await dataOf<string[]>('GET', '/api/v1/label/__name__/values', range)).toContain('temperature');
    const top = await dataOf<{ result: { metric: Params; value: [number, string] }[] }>(method, '/api/v1/query', {
      query: 'topk(1, temperature)',
      time: String(startS + 600),
    });
    expect(top.result).toHaveLength(1);
    expect(await dataOf<Params[]>(method, '/api/v1/series', { ...range, 'match[]': 'open' })).toHaveLength(2);
  });

  it('a mistake is told in the envelope that Grafana shows', async () => {
    expect(await send(method, '/api/v1/query', { query: 'histogram_quantile(0.9, temperature)' })).toEqual({
      status: 400,
      body: {
        status: 'error',
        errorType: 'bad_data',
        error:
          'the function "histogram_quantile" is refused: the hub keeps no histograms; percentiles of readings come from quantile_over_time',
      },
    });
    const tooFine = { query: 'temperature', start: '0', end: String(endS), step: '1' };
    expect(await send(method, '/api/v1/query_range', tooFine)).toMatchObject({
      status: 400,
      body: { errorType: 'bad_data', error: expect.stringContaining('11,000 points per timeseries') as string },
    });
  });
});

it('alerts and rules are empty lists, health answers in words', async () => {
  expect(await dataOf('GET', '/api/v1/rules')).toEqual({ groups: [] });
  expect(await dataOf('GET', '/api/v1/alerts')).toEqual({ alerts: [] });
  for (const [path, words] of [
    ['healthy', 'Fogline is healthy.\n'],
    ['ready', 'Fogline is ready.\n'],
  ]) {
    expect((await fixture.text(`/prometheus/-/${path}`)).body).toBe(words);
  }
});

it('a series that ended before the range is not offered', async () => {
  const values = (start: number) =>
    dataOf('GET', '/api/v1/label/device/values', { 'match[]': 'open', start: String(start), end: String(endS) });
  expect(await values(startS)).toEqual(['d1', 'd2']);
  expect(await values(endS - 600)).toEqual(['d1']);
});

it('a list is cut off at the limit, and says so', async () => {
  const { body } = await send('GET', '/api/v1/label/device/values', { limit: '2' });
  expect(body).toMatchObject({ data: ['d1', 'd2'], warnings: ['results truncated due to limit'] });
});
