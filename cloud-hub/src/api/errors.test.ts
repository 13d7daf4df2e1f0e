import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { openApiFixture } from '../testing/api-fixture.ts';

const now = Date.UTC(2026, 0, 1);
const { api } = openApiFixture(now);

const bad = {
  type: 'urn:fogline:problem:query-invalid',
  title: 'The request cannot be answered as asked',
  status: 400,
};

describe('every error is a problem document that says what to do', () => {
  it.each([
    [
      'GET',
      '/api/v1/data',
      'match: name the series, for example match=temperature or match={device="d1"}; match={} means all',
    ],
    [
      'GET',
      '/api/v1/data?match=t&form=now-1h',
      'unknown parameter "form" (did you mean "from"?); this address takes match, from, to, every, tz, agg, hold, points, downsample, fill, quality, source, shape, format, limit, cursor',
    ],
    ['GET', '/api/v1/data?match=t&from=now-1h&from=now-2h', 'from: given 2 times, it can be given once'],
    [
      'GET',
      '/api/v1/data?match=t&from=1767225600',
      'from: 1767225600 looks like seconds; times are milliseconds since the epoch: write 1767225600000 (2026-01-01T00:00:00.000Z)',
    ],
    [
      'GET',
      '/api/v1/data?match=t%7Bdevice=~%22d.*%22%7D',
      'match: the regular expression matcher =~ on "device" is not supported; name each value: repeat match, once per value, with device="…"',
    ],
    [
      'GET',
      '/api/v1/data?match=t&every=5ms',
      'every: 5ms is finer than one second; leave every out for the readings themselves',
    ],
    [
      'GET',
      '/api/v1/data?match=t&every=1m&agg=avg',
      'agg: "avg" is none of mean, min, max, count, sum, first, last, stddev, twa, rate, delta, or a percentile such as p95 (did you mean "mean"?)',
    ],
    [
      'GET',
      '/api/v1/data?match=t&tz=Europe/Paris',
      'tz: only buckets follow a time zone, and the times of format=pretty; add every, for example every=1m, or leave tz out',
    ],
    [
      'GET',
      '/api/v1/data?match=t&agg=mean',
      'agg: aggregates need buckets; add every, for example every=1m, or leave agg out',
    ],
    [
      'GET',
      '/api/v1/data?match=t&every=1m&hold=5m',
      'hold: only twa asks how long a value stands; write agg=twa, or leave hold out',
    ],
    ['GET', '/api/v1/data?match=t&every=1m&agg=twa&hold=90d', 'hold: write 1s to 31d'],
    [
      'GET',
      '/api/v1/data?match=t&format=cvs',
      'format: "cvs" is none of json, ndjson, csv, pretty (did you mean "csv"?)',
    ],
    ['GET', '/api/v1/data?match=t&shape=row', 'shape: "row" is none of columns, rows (did you mean "rows"?)'],
    [
      'GET',
      '/api/v1/data?match=t&shape=columns&format=csv',
      'shape: csv has rows only; leave shape out, or write format=json',
    ],
    ['GET', '/api/v1/data?match=t&limit=0', 'limit: write a whole number from 1 to 100000'],
    ['GET', '/api/v1/data?match=t&limit=100001', 'limit: at most 100000; follow next for more'],
    [
      'GET',
      '/api/v1/data?match=t&cursor=x',
      'cursor: it is damaged; pass next of the page before as it was, or leave cursor out to begin again',
    ],
    ['GET', '/api/v1/series?metric=t', 'unknown parameter "metric"; this address takes match, format, limit, cursor'],
    ['GET', '/api/v1/ledger?lane=hihg', 'lane: "hihg" is none of alarm, high, normal, low (did you mean "high"?)'],
    ['GET', '/api/v1/ledger?to=now', 'to: give from as well, for example from=now-24h'],
    ['GET', '/healthz?verbose=1', 'unknown parameter "verbose"; this address takes none'],
  ] as const)('%s %s', async (method, url, detail) => {
    const response = await api.app.inject({ method, url, headers: { host: 'localhost' } });
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.json()).toEqual({ ...bad, detail, instance: url.split('?')[0] });
    expect(response.statusCode).toBe(400);
  });

  it.each([
    [
      { method: 'GET', url: '/api/v1/sensors' },
      {
        type: 'urn:fogline:problem:not-found',
        title: 'There is nothing here',
        status: 404,
        detail: 'nothing is at /api/v1/sensors; the API begins at /api/v1/, for example /api/v1/series',
        instance: '/api/v1/sensors',
      },
    ],
    [
      { method: 'DELETE', url: '/api/v1/series?match=t' },
      {
        type: 'urn:fogline:problem:method-not-allowed',
        title: 'This method is not supported here',
        status: 405,
        detail: 'DELETE is not supported at /api/v1/series; it takes GET, HEAD',
        instance: '/api/v1/series',
      },
    ],
    [
      { method: 'GET', url: '/api/v1/series/%zz' },
      {
        type: 'urn:fogline:problem:request-malformed',
        title: 'The request is not well-formed HTTP',
        status: 400,
        detail: "'/api/v1/series/%zz' is not a valid url component",
        instance: '/api/v1/series/%zz',
      },
    ],
  ] as const)('%j', async (request, problem) => {
    const response = await api.app.inject({ ...request, headers: { host: 'localhost' } });
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.json()).toEqual(problem);
    expect(response.statusCode).toBe(problem.status);
  });

  it('a body that is no JSON is refused with the header that is missing', async () => {
    const headers = { host: 'localhost', 'content-type': 'application/x-www-form-urlencoded' };
    const response = await api.app.inject({ method: 'POST', url: '/api/v1/data', headers, payload: 'match=t' });
    expect([response.statusCode, response.json<{ detail: string }>().detail]).toEqual([
      415,
      'Unsupported Media Type; send JSON, with "Content-Type: application/json"',
    ]);
  });

  it('405 names what is allowed', async () => {
    const response = await api.app.inject({
      method: 'POST',
      url: '/api/v1/latest',
      headers: { host: 'localhost' },
      payload: {},
    });
    expect([response.statusCode, response.headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  it('a bug answers 500 without its inner workings', async () => {
    const fixture = openApiFixture(now);
    fixture.db.close();
    const response = await fixture.api.app.inject({
      method: 'GET',
      url: '/api/v1/series',
      headers: { host: 'localhost' },
    });
    expect(response.json()).toEqual({
      type: 'urn:fogline:problem:internal',
      title: 'The hub failed',
      status: 500,
      detail: 'an unexpected error; the log of the hub has it under this request',
      instance: '/api/v1/series',
    });
  });

  it('too many requests from one address are told when to come back', async () => {
    const { app } = openApiFixture(now).api;
    let response = await app.inject({ method: 'GET', url: '/healthz', headers: { host: 'localhost' } });
    for (let n = 0; n < 2_000; n++)
      response = await app.inject({ method: 'GET', url: '/healthz', headers: { host: 'localhost' } });
    expect(response.statusCode).toBe(429);
    expect(response.headers['retry-after']).toBe('1');
    expect(response.json()).toMatchObject({
      type: 'urn:fogline:problem:rate-limited',
      detail: 'too many requests from 127.0.0.1; try again in 1 s',
    });
  });
});

describe('what is no HTTP request', () => {
  it.each([
    ['junk', 'nonsense\r\n\r\n', 400, 'urn:fogline:problem:request-malformed'],
    [
      'huge headers',
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      431,
      'urn:fogline:problem:headers-too-large',
    ],
    [
      'a huge body',
      `POST /api/v1/data HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 70000\r\n\r\n`,
      413,
      'urn:fogline:problem:payload-too-large',
    ],
  ])('%s', async (_name, request, status, type) => {
    const { app } = openApiFixture(now).api;
    const address = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
    const socket = connect(Number(address.port), address.hostname);
    socket.write(request);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (answer.includes('\n{')) socket.end();
    });
    await once(socket, 'close');
    await app.close();
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain('content-type: application/problem+json');
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toMatchObject({ status, type });
  });
});
