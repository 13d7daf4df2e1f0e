/** The Prometheus door from outside: what is refused, how, and to whom. */
import { afterEach, describe, expect, it } from 'vitest';
import { AgentRegistry } from '../fleet/agents.ts';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition, type ReadingInput } from '../testing/store-fixture.ts';

const nowMs = Date.UTC(2026, 2, 1, 12);
const nowS = nowMs / 1000;
let fixture: ApiFixture;
afterEach(() => fixture.api.close());

async function query(text: string, atS = nowS) {
  const { status, body } = await fixture.get(
    `/prometheus/api/v1/query?${new URLSearchParams({ query: text, time: String(atS) }).toString()}`,
  );
  return { status, ...body } as { status: number; error?: string; errorType?: string; data?: { result: unknown } };
}

async function valueOf(text: string, atS = nowS): Promise<unknown> {
  const { data, error } = await query(text, atS);
  expect(error).toBeUndefined();
  const result = data?.result as { value: [number, string] }[];
  expect(result.length).toBeLessThan(2);
  return result[0]?.value[1];
}

describe('one metric in several streams', () => {
  const both = () => {
    fixture = openApiFixture(nowMs);
    const agent = fixture.agent('gw1', [
      definition({ stream: 'raw' }),
      definition({ stream: 'calm', sampling: 'held', holdMs: 3_600_000 }),
    ]);
    agent.send([
      { series: 0, timeMs: nowMs - 1_000, value: 10 },
      { series: 1, timeMs: nowMs - 1_000, value: 20 },
    ]);
  };

  it('is several series that the label stream tells apart', async () => {
    both();
    expect(await valueOf('temperature{stream="raw"}')).toBe('10');
    expect(await valueOf('temperature{stream="calm"}')).toBe('20');
    expect(await valueOf('max(temperature{sampling="all"})')).toBe('10');
  });

  it('is never aggregated across them: the error names the way out', async () => {
    both();
    expect(await query('sum(temperature)')).toMatchObject({
      status: 'error',
      errorType: 'bad_data',
      error:
        'sum would mix the streams "raw" and "calm", which both carry temperature{agent="gw1",device="d1",unit="Cel"}; choose one with {stream="calm"}, or keep them apart with by (stream)',
    });
    expect((await query('avg by (device) (rate(temperature[5m]) or temperature)')).error).toContain('would mix');
    expect((await query('sum by (stream) (temperature)')).data?.result).toHaveLength(2);
    expect((await query('topk(5, temperature)')).data?.result).toHaveLength(2);
  });
});

it('a query in the address may have question marks in it', async () => {
  fixture = openApiFixture(nowMs);
  fixture.agent('gw1', [definition()]).send([{ series: 0, timeMs: nowMs, value: 10 }]);
  const { body } = await fixture.get(`/prometheus/api/v1/query?time=${nowS}&query=temperature{device=~"d1?1"}`);
  expect(body).toMatchObject({ status: 'success', data: { result: [{ value: [nowS, '10'] }] } });
});

describe('a stream with a deadband', () => {
  const held = () => {
    fixture = openApiFixture(nowMs);
    const agent = fixture.agent('gw1', [definition({ sampling: 'held', holdMs: 3_600_000 })]);
    agent.send([{ series: 0, timeMs: nowMs - 3_600_000, value: 20 }]);
  };

  it('stands until its heartbeat is due, and for the usual five minutes more', async () => {
    held();
    expect(await valueOf('temperature', nowS)).toBe('20');
    expect(await valueOf('temperature', nowS + 299)).toBe('20');
    expect(await valueOf('temperature', nowS + 300)).toBeUndefined();
  });

  it('is not averaged over its changes, but over time', async () => {
    held();
    const refused = await query('avg_over_time(temperature[2h])');
    expect(refused).toMatchObject({ errorType: 'bad_data', error: expect.stringContaining('[5m:10s]') as string });
    expect(await valueOf('avg_over_time(temperature[30m:10s])')).toBe('20');
    expect(await valueOf('max_over_time(temperature[2h])')).toBe('20');
  });
});

it('what is bad or text is no sample; uncertain is one; of two values at one time the greater counts', async () => {
  fixture = openApiFixture(nowMs);
  const agent = fixture.agent('gw1', [definition(), definition({ metric: 'state', type: 'text' })]);
  const rows: ReadingInput[] = [
    { series: 0, timeMs: nowMs - 30_000, value: 1, quality: 1 },
    { series: 0, timeMs: nowMs - 20_000, value: 7 },
    { series: 0, timeMs: nowMs - 10_000, value: 99, quality: 2 },
    { series: 1, timeMs: nowMs - 10_000, value: 'on' },
  ];
  agent.send(rows);
  agent.send([{ series: 0, timeMs: nowMs - 20_000, value: 5 }]);
  expect(await valueOf('temperature')).toBe('7');
  expect(await valueOf('count_over_time(temperature[1m])')).toBe('2');
  expect((await query('{agent="gw1"}')).data?.result).toHaveLength(1);
});

it('values are printed as Prometheus prints them', async () => {
  fixture = openApiFixture(nowMs);
  const result = async (text: string) => {
    const { data } = await query(text);
    return (data?.result as unknown[] | undefined)?.[1];
  };
  const texts: [string, string][] = [
    ['1e21', '1e+21'],
    ['123456789012345680000', '123456789012345680000'],
    ['0.000001', '0.000001'],
    ['1e-7', '1e-7'],
    ['-0', '-0'],
    ['1 / 0', '+Inf'],
    ['-1 / 0', '-Inf'],
    ['0 / 0', 'NaN'],
    ['0x1F', '31'],
    ['5m', '300'],
  ];
  for (const [text, printed] of texts) expect(await result(text), text).toBe(printed);
});

describe('refused with what is wrong and where:', () => {
  const table: [text: string, error: string][] = [
    ['sum(', '1:5: parse error: unexpected end of input'],
    ['temperature{device="d1"', '1:24: parse error: unexpected end of input'],
    ['1 +\n* 2', '2:1: parse error: unexpected "* 2"'],
    ['nosuch(temperature)', '1:1: parse error: unknown function with name "nosuch"'],
    [
      'avg_over_tim(temperature[5m])',
      '1:1: parse error: unknown function with name "avg_over_tim" (did you mean "avg_over_time"?)',
    ],
    ['rate(temperature)', 'expected type range vector in call to function "rate", got instant vector'],
    ['limitk(2, temperature)', '1:1: parse error: the aggregation "limitk" is not supported; topk is'],
    [
      'mad_over_time(temperature[5m])',
      'the function "mad_over_time" is refused: it is experimental in Prometheus and not supported here',
    ],
    ['temperature{device=~"("}', 'the regular expression "(" cannot be used: error parsing regexp: missing closing )'],
    ['temperature[5m] + 1', 'binary expression must contain only scalar and instant vector types'],
    [
      'temperature[1m+1m]',
      '1:13: parse error: the duration "1m+1m" must be written out, such as 90s; expressions are not supported',
    ],
    ['clamp(temperature, 1)', 'expected 3 argument(s) in call to "clamp", got 2'],
    ['{device=~".*"}', 'vector selector must contain at least one non-empty matcher, such as {__name__!=""}'],
    ['count_values("a b", temperature)', 'invalid label name "a b" in count_values()'],
    [`${'('.repeat(300)}1${')'.repeat(300)}`, 'the query is nested more than 200 deep'],
    [`1${'+1'.repeat(300)}`, 'the query is nested more than 200 deep'],
  ];
  it.each(table)('%s', async (text, error) => {
    fixture = openApiFixture(nowMs);
    expect(await query(text)).toMatchObject({ errorType: 'bad_data', error: expect.stringContaining(error) as string });
  });

  const requests: [url: string, status: number, errorType: string, error: string][] = [
    ['query', 400, 'bad_data', 'invalid parameter "query": it is missing'],
    ['query?query=1&time=yesterday', 400, 'bad_data', 'invalid parameter "time": cannot parse "yesterday"'],
    ['query_range?query=1&start=1&end=2&step=0', 400, 'bad_data', 'invalid parameter "step": "0" is not a duration'],
    ['query_range?query=1&start=2&end=1&step=1', 400, 'bad_data', 'end timestamp must not be before start time'],
    ['query_range?query=a[5m]&start=1&end=2&step=1', 400, 'bad_data', 'invalid expression type "range vector"'],
    ['series', 400, 'bad_data', 'invalid parameter "match[]": it is missing'],
    ['series?match[]=sum(x)', 400, 'bad_data', 'match[]: "sum(x)" is no series selector'],
    ['labels?limit=many', 400, 'bad_data', 'invalid parameter "limit"'],
    ['admin/tsdb/snapshot', 404, 'not_found', 'nothing is at /prometheus/api/v1/admin/tsdb/snapshot'],
  ];
  it.each(requests)('%s', async (url, status, errorType, error) => {
    fixture = openApiFixture(nowMs);
    expect(await fixture.get(`/prometheus/api/v1/${url}`)).toMatchObject({
      status,
      body: { status: 'error', errorType, error: expect.stringContaining(error) as string },
    });
  });

  it('a method that an address does not take', async () => {
    fixture = openApiFixture(nowMs);
    const headers = { host: 'localhost' };
    const url = '/prometheus/api/v1/query';
    const response = await fixture.api.app.inject({ method: 'DELETE', url, headers });
    expect([response.statusCode, response.headers['allow'], response.json()]).toEqual([
      405,
      'GET, HEAD, POST',
      {
        status: 'error',
        errorType: 'method_not_allowed',
        error: 'DELETE is not supported at /prometheus/api/v1/query; it takes GET, HEAD, POST',
      },
    ]);
  });

  it('a result that is too large, before it is made', async () => {
    fixture = openApiFixture(nowMs);
    const devices = Array.from({ length: 1_000 }, (_, index) => `d${index}`);
    for (const name of ['gw1', 'gw2']) {
      const agent = fixture.agent(
        name,
        devices.map((device) => definition({ device })),
      );
      agent.send(devices.map((_, series) => ({ series, timeMs: nowMs - 1_000, value: series })));
    }
    expect((await query('sum(temperature)')).data?.result).toEqual([{ metric: {}, value: [nowS, '999000'] }]);
    const range = { query: 'temperature', start: String(nowS - 10_999), end: String(nowS), step: '1' };
    const { status, body } = await fixture.get(
      `/prometheus/api/v1/query_range?${new URLSearchParams(range).toString()}`,
    );
    expect([status, body]).toEqual([
      422,
      {
        status: 'error',
        errorType: 'execution',
        error:
          'the query needs more than 20,000,000 points in its results (cellsMax); narrow the selector or the time range, or enlarge the step',
      },
    ]);
  });
});

describe('beyond the loopback', () => {
  const ask = async (path: string, token?: string) => {
    const headers = { host: 'hub.example', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const response = await fixture.api.app.inject({ url: `/prometheus/api/v1/${path}`, headers });
    return [response.statusCode, response.json()] as const;
  };

  it('refusals keep the envelope, for addresses that are not there too', async () => {
    fixture = openApiFixture(nowMs, { isLoopback: false });
    const writer = fixture.tokens.create('writer', { scopes: ['write'], sites: undefined });
    const error = expect.any(String) as string;
    for (const path of ['query?query=1', 'nothing']) {
      expect(await ask(path)).toEqual([401, { status: 'error', errorType: 'unauthorized', error }]);
      expect(await ask(path, writer)).toEqual([403, { status: 'error', errorType: 'forbidden', error }]);
    }
  });

  it('a token that is limited to sites sees their agents only', async () => {
    fixture = openApiFixture(nowMs, { isLoopback: false });
    for (const [agent, site] of [
      ['gw1', 'oslo'],
      ['gw2', 'rome'],
    ] as const) {
      fixture.agent(agent, [definition()]).send([{ series: 0, timeMs: nowMs - 1_000, value: 1 }]);
      new AgentRegistry(fixture.db, fixture.clock).setSite(agent, site);
    }
    const osloer = fixture.tokens.create('osloer', { scopes: ['read'], sites: ['oslo'] });
    const boss = fixture.tokens.create('boss', { scopes: ['admin'], sites: undefined });
    const query = `query?query=${encodeURIComponent('count by (site) (temperature)')}&time=${nowS}`;
    const ofSite = (site: string) => ({ metric: { site }, value: [nowS, '1'] });
    expect(await ask(query, boss)).toMatchObject([200, { data: { result: [ofSite('oslo'), ofSite('rome')] } }]);
    expect(await ask(query, osloer)).toEqual([
      200,
      { status: 'success', data: { resultType: 'vector', result: [ofSite('oslo')] } },
    ]);
    expect(await ask('label/agent/values', osloer)).toMatchObject([200, { data: ['gw1'] }]);
  });
});
