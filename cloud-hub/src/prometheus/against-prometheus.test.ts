/**
 * The same samples in a hub and in Prometheus itself, the same queries to both. Debian ships version 2, whose ranges are closed on the left; with
 * integer milliseconds `[299999ms]` there is `[5m]` here, and so the edges are compared too.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSamples, samplesFromMs, samplesToMs } from '../testing/prometheus-samples.ts';
import { hasPrometheus, type PrometheusServer, startPrometheus } from '../testing/prometheus-server.ts';
import { parseDuration } from './literals.ts';

type Json = Record<string, unknown>;

describe.skipIf(!hasPrometheus)('answers are those of Prometheus itself (Debian package prometheus):', () => {
  const { fixture, openMetrics } = loadSamples();
  let prometheus: PrometheusServer;
  beforeAll(async () => {
    prometheus = await startPrometheus(openMetrics);
  });
  afterAll(async () => {
    await prometheus.stop();
    await fixture.api.close();
  });

  async function both(path: string, query: string, params: Record<string, string>): Promise<[Json, Json]> {
    const hub = await fixture.get(`/prometheus/api/v1/${path}?${new URLSearchParams({ ...params, query }).toString()}`);
    const theirs = await prometheus.ask(path, { ...params, query: closedOnTheLeft(query) });
    return [hub.body, theirs as Json];
  }

  async function compare(query: string): Promise<void> {
    for (const offsetS of [-30, 0, 1_234, 3_600, 7_999, 10_801, 11_300]) {
      const [hub, theirs] = await both('query', query, { time: String(samplesFromMs / 1000 + offsetS) });
      expect(comparable(hub), `${query} at +${offsetS} s`).toEqual(alike(comparable(hub), comparable(theirs)));
    }
    for (const [fromS, toS, step] of [
      [-600, 11_400, '60'],
      [1_800, 5_400, '17'],
      [3_600, 3_600, '1'],
    ] as const) {
      const params = { start: String(samplesFromMs / 1000 + fromS), end: String(samplesFromMs / 1000 + toS), step };
      const [hub, theirs] = await both('query_range', query, params);
      expect(comparable(hub), `${query} from ${fromS} to ${toS} by ${step}`).toEqual(
        alike(comparable(hub), comparable(theirs)),
      );
    }
  }

  it.each(queries)('%s', compare);

  it('generated queries', async () => {
    await fc.assert(fc.asyncProperty(vectors, compare), { numRuns: 60, seed: 20_260_301 });
  });

  it.each(orderedQueries)('in the same order: %s', async (query) => {
    const [hub, theirs] = await both('query', query, { time: String(samplesFromMs / 1000 + 5_000) });
    const order = (body: Json) =>
      (body['data'] as { result: { metric: unknown }[] }).result.map(({ metric }) => metric);
    expect(order(hub)).toEqual(order(theirs));
  });

  it.each(refusedByBoth)('refused by both: %s', async (query) => {
    const [hub, theirs] = await both('query', query, { time: String(samplesToMs / 1000) });
    expect(hub).toMatchObject({ status: 'error' });
    expect(hub['errorType']).toBe(theirs['errorType']);
  });
});

/**
 * Ranges that leave out their left edge, for a Prometheus that takes it in. What extrapolates to the edges keeps them as they are, and is
 * asked of samples that are never on one.
 */
function closedOnTheLeft(query: string): string {
  return query.replace(
    /((?:rate|increase|delta)\([^()[\]]*)?\[(\d+[smh])(?=[\]:])/g,
    (whole, extrapolates, range: string) =>
      extrapolates === undefined ? `[${(parseDuration(range) ?? 0) - 1}ms` : whole,
  );
}

/** Series by their labels, values as text; an error by its type. */
function comparable(body: Json): unknown {
  if (body['status'] !== 'success') return { status: body['status'], errorType: body['errorType'] };
  const { resultType, result } = body['data'] as { resultType: string; result: unknown };
  if (resultType !== 'vector' && resultType !== 'matrix') return { resultType, result };
  const rows = (result as { metric: Record<string, string>; value?: unknown; values?: unknown }[]).map(
    ({ metric, value, values }) => [JSON.stringify(metric), value ?? values] as const,
  );
  return { resultType, result: Object.fromEntries(rows) };
}

/** `theirs`, where a number that differs from ours by rounding only is replaced by ours. */
function alike(ours: unknown, theirs: unknown): unknown {
  if (typeof ours === 'string' && typeof theirs === 'string') {
    const [a, b] = [Number(ours), Number(theirs)];
    return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b)) ? ours : theirs;
  }
  if (Array.isArray(ours) && Array.isArray(theirs)) return theirs.map((one, index) => alike(ours[index], one));
  if (typeof ours === 'object' && ours !== null && typeof theirs === 'object' && theirs !== null) {
    return Object.fromEntries(Object.entries(theirs).map(([key, value]) => [key, alike((ours as Json)[key], value)]));
  }
  return theirs;
}

const queries = [
  '1+1',
  '-2^2',
  '2^3^2 % 5 - 10 / 4',
  '1 > bool 2',
  'time()',
  'pi() * 2',
  'vector(7)',
  '"text"',
  'temperature',
  'temperature{device="d1"}',
  'temperature{device!="d1"}',
  'temperature{device=~"d[12]"}',
  'temperature{device!~"d[12]"}',
  'temperature{room=""}',
  '{__name__=~"temp.*|power",device="d2"}',
  '{__name__!~"temperature|edge"}',
  'temperature offset 10m',
  'temperature offset -10m',
  'temperature @ 1772362800',
  'temperature @ end() - temperature @ start()',
  'rate(energy_total[5m])',
  'rate(energy_total[5m] offset 7m)',
  'rate(energy_total[2m])',
  'irate(energy_total[5m])',
  'increase(energy_total[1h])',
  'delta(temperature[10m])',
  'idelta(temperature[1m])',
  'deriv(temperature[7m])',
  'predict_linear(temperature[15m], 3600)',
  'changes(open[10m])',
  'resets(energy_total[2h])',
  'avg_over_time(temperature[5m])',
  'min_over_time(temperature[5m])',
  'max_over_time(temperature[5m])',
  'sum_over_time(power[11m])',
  'count_over_time(power[11m])',
  'count_over_time(edge[5m])',
  'sum_over_time(edge[1m])',
  'last_over_time(power[30m])',
  'stddev_over_time(temperature[20m])',
  'stdvar_over_time(temperature[20m])',
  'quantile_over_time(0.9, temperature[20m])',
  'present_over_time(power[5m])',
  'absent_over_time(temperature{device="d4"}[5m])',
  'max_over_time(rate(energy_total[5m])[30m:1m])',
  'avg_over_time(edge[10m:2m] offset 4m)',
  'sum_over_time(edge[3m:])',
  'sum(temperature)',
  'sum by (device) (power)',
  'sum without (device, room) (temperature)',
  'avg(temperature) by (unit)',
  'min(power)',
  'max by (agent) (power)',
  'count by (unit) ({__name__=~".+"})',
  'group by (device) (temperature)',
  'stddev(temperature)',
  'stdvar by (unit) (temperature)',
  'quantile(0.25, temperature)',
  'quantile(scalar(open{device="d1"}), temperature)',
  'topk(2, temperature)',
  'bottomk(1, temperature)',
  'topk(1, temperature) by (room)',
  'count_values("state", open)',
  'temperature * 2 + 1',
  '100 - temperature',
  'temperature > 20',
  '20 < temperature',
  'temperature > bool 20',
  'power / temperature',
  'power / on(device) temperature',
  'power / ignoring(unit) temperature',
  'power * on(device) group_left(room) temperature',
  'temperature > on(device) power',
  'temperature * on(agent) group_left max by (agent) (power)',
  'max by (agent) (power) - on(agent) group_right() temperature',
  'temperature and on(device) power > 100',
  'temperature unless on(device) power',
  'temperature{device="d1"} or power',
  'open == 1',
  // Its result keeps the name in version 2, not in 3.
  'sum by (device) (power atan2 ignoring(unit) temperature)',
  'temperature - temperature offset 1h',
  'temperature + power offset 1h * on(device) power',
  '-temperature ^ 2 + 3',
  '-edge @ 1772362800 * 2',
  '2 * edge - edge offset 5m > 3 or temperature',
  'avg_over_time(temperature[5m]) - avg_over_time(temperature[5m] offset 1h) / 2',
  '-max_over_time(edge[5m:1m] offset 5m) ^ 2',
  'abs(temperature)',
  'ceil(temperature)',
  'floor(-temperature)',
  'round(temperature)',
  'round(temperature, 0.25)',
  'clamp(temperature, 18, 21)',
  'clamp(temperature, 5, 1)',
  'clamp_min(temperature, 20)',
  'clamp_max(temperature, 20)',
  'sqrt(temperature)',
  'ln(power)',
  'exp(open)',
  'sgn(temperature)',
  'deg(atan(temperature))',
  'power / (open > bool 0)',
  '0 / vector(0)',
  'scalar(temperature{device="d1"})',
  'scalar(temperature)',
  'absent(temperature)',
  'absent(nothing{device="d1",unit="W",unit="V",kind!="x"})',
  'absent(sum(nothing))',
  'timestamp(power)',
  'timestamp(power + 0)',
  'hour() * 60 + minute()',
  'day_of_week(vector(1772362800)) + day_of_month(vector(1772362800)) + days_in_month(vector(1772362800))',
  'month() + year() + day_of_year()',
  'label_replace(temperature, "floor", "$1-${2}", "device", "(d)(.*)")',
  'label_replace(temperature, "unit", "", "device", ".*")',
  'label_replace(temperature, "x", "y", "device", "z")',
  'label_join(temperature, "where", "/", "agent", "device")',
  'sum by (where) (label_join(power, "where", "/", "agent", "device"))',
  'sort_desc(temperature)',
  'avg_over_time(temperature[5m]) > 1.01 * avg(avg_over_time(temperature[1h])) or power',
];

const orderedQueries = ['sort(temperature)', 'sort_desc(power)', 'topk(3, temperature)', 'bottomk(3, temperature)'];

const refusedByBoth = [
  'temperature + on(agent) power',
  'temperature * on(agent) group_left power',
  'label_replace(temperature, "device", "x", "device", ".*")',
  'rate({__name__=~"edge.*"}[5m])',
  'rate(temperature)',
  'sum(temperature[5m])',
  '1 > 2',
  '{}',
  '{device=~".*"}',
  'sum(',
  'nonsense(temperature)',
  'temperature{device=~"("}',
];

const selectors = fc.constantFrom(
  'temperature',
  'power',
  'energy_total',
  'open',
  'edge',
  'temperature{device=~"d1|d4"}',
  'power{room="hall 1"}',
  'power offset 90s',
);
const ranges = fc.constantFrom('61s', '2m', '5m', '13m', '1h');
const calls = fc
  .tuple(
    fc.constantFrom(
      'rate',
      'increase',
      'delta',
      'irate',
      'idelta',
      'avg_over_time',
      'max_over_time',
      'stddev_over_time',
      'changes',
      'deriv',
    ),
    fc.constantFrom('temperature', 'power', 'energy_total', 'open'),
    ranges,
  )
  .map(([name, selector, range]) => `${name}(${selector}[${range}])`);
const { vectors } = fc.letrec<{ vectors: string }>((tie) => ({
  vectors: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    selectors,
    calls,
    fc
      .tuple(
        fc.constantFrom('sum', 'avg', 'min', 'max', 'count', 'stddev'),
        fc.constantFrom('', 'by (device)', 'by (unit, room)', 'without (device)'),
        tie('vectors'),
      )
      .map(([name, grouping, inner]) => `${name} ${grouping} (${inner})`),
    fc
      .tuple(
        tie('vectors'),
        fc.constantFrom('+', '-', '*', '/', '%', '>', '<=', '!=', '== bool', '^'),
        fc.constantFrom('2', '0.5', '-3', '20'),
      )
      .map(([left, operator, right]) => `(${left}) ${operator} ${right}`),
    fc
      .tuple(
        tie('vectors'),
        fc.constantFrom('+', '/', '>', 'and', 'or', 'unless'),
        fc.constantFrom('on (device)', 'ignoring (unit)'),
        tie('vectors'),
      )
      .map(([left, operator, matching, right]) => `(${left}) ${operator} ${matching} (${right})`),
    fc
      .tuple(fc.constantFrom('abs', 'ceil', 'round', 'timestamp', 'sgn'), tie('vectors'))
      .map(([name, inner]) => `${name}(${inner})`),
    fc
      .tuple(fc.constantFrom('max_over_time', 'avg_over_time', 'last_over_time'), tie('vectors'))
      .map(([name, inner]) => `${name}((${inner})[10m:90s])`),
  ),
}));
