import { Partial } from '@fogline/shared/aggregate/partial';
import { encodeBatch } from '@fogline/shared/protocol/messages';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const hour = 3_600_000;
const minute = 60_000;
const start = Date.UTC(2026, 0, 1);
const now = start + 4 * hour;
let fixture: ApiFixture;

/** gw1: temperature of d1 as readings in minutes 0, 1 and 5 of hour 0 and a door; hour 1 was evicted; gw2: a deadband and windows. */
beforeAll(() => {
  fixture = openApiFixture(now);
  const gw1 = fixture.agent('gw1', [
    definition({ tags: [['room', 'a,"b"']] }),
    definition({ metric: 'door', type: 'text', unit: '' }),
  ]);
  const at = (index: number, value: number | string, series = 0) => ({ series, timeMs: start + index * minute, value });
  gw1.send([at(0, 20.5), at(1, 21), at(5, 19.5), at(2, 'open', 1), at(3, 'closed', 1)]);
  gw1.void(60, {
    reason: 'evicted_size',
    stats: [{ series: 0, hour: start / hour + 1, count: 50, min: 1, max: 2, mean: 1.5 }],
    statsOmitted: 10,
    hours: [[start / hour + 1, 60]],
  });
  gw1.report([
    { lane: 2, hour: start / hour, produced: 5, queued: 0, evicted: 0 },
    { lane: 2, hour: start / hour + 1, produced: 63, queued: 2, evicted: 60 },
  ]);
  const window = Partial.empty();
  for (const value of [1, 2, 6]) window.add(start, value);
  const gw2 = fixture.agent('gw2', [
    definition({ stream: 'changes', sampling: 'held', holdMs: 10 * minute }),
    definition({ stream: 'avg', kind: 'window', widthMs: 15 * minute, metric: 'humidity' }),
  ]);
  gw2.send([{ series: 0, timeMs: start, value: 7 }], [{ series: 1, startMs: start, partial: window.encode() }]);
  gw2.submit('batch', encodeBatch({ agent: 'gw2', epoch: 'ffffffffffffffff', lane: 2, first: 1, last: 1, parts: [] }));
});

const d1 = {
  agent: 'gw1',
  stream: 'raw',
  device: 'd1',
  metric: 'temperature',
  unit: 'Cel',
  kind: 'reading',
  type: 'number',
  sampling: 'all',
  room: 'a,"b"',
};

describe('data', () => {
  it('columns, with what answered and what is missing', async () => {
    const { body } = await fixture.get(
      `/api/v1/data?match=temperature{agent="gw1"}&from=${start}&to=${start + 10 * minute}&every=1m`,
    );
    expect(body).toEqual({
      series: [
        {
          id: 1,
          labels: d1,
          columns: {
            time: [start, start + minute, start + 5 * minute],
            mean: [20.5, 21, 19.5],
            min: [20.5, 21, 19.5],
            max: [20.5, 21, 19.5],
            count: [1, 1, 1],
          },
        },
      ],
      meta: {
        fromMs: start,
        toMs: start + 10 * minute,
        every: '1m',
        source: [{ series: 1, stream: 'raw', level: '1m' }],
        also: [],
        gaps: [
          { series: 1, fromMs: start + 2 * minute, toMs: start + 5 * minute, cause: 'not_recorded' },
          { series: 1, fromMs: start + 6 * minute, toMs: start + 10 * minute, cause: 'not_recorded' },
        ],
        gapsOmitted: 0,
      },
      complete: true,
      next: null,
    });
  });

  it('rows', async () => {
    const { body } = await fixture.get(
      `/api/v1/data?match=temperature{agent="gw1"}&from=${start}&to=${start + 2 * minute}&shape=rows&limit=1`,
    );
    expect(body).toMatchObject({
      rows: [{ time: start, series: 1, labels: d1, value: 20.5, quality: 'good' }],
      complete: false,
      next: expect.any(String),
    });
  });

  it('csv quotes what needs it and says in headers whether it is complete', async () => {
    const { headers, body } = await fixture.text(
      `/api/v1/data?match=temperature{agent="gw1"}&from=${start}&to=${start + minute}&every=1m&agg=max,last&format=csv`,
    );
    expect(body).toBe(
      [
        'time,series,labels.agent,labels.stream,labels.device,labels.metric,labels.unit,labels.kind,labels.type,labels.sampling,labels.room,max,last',
        `${start},1,gw1,raw,d1,temperature,Cel,reading,number,all,"a,""b""",20.5,20.5`,
        '',
      ].join('\r\n'),
    );
    expect(headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8', 'fogline-complete': 'true' });
  });

  it('ndjson ends with a line that says whether it is complete', async () => {
    const { headers, body } = await fixture.text(
      `/api/v1/data?match=door&from=${start}&to=${start + hour}&format=ndjson&limit=1`,
    );
    const lines = body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      { time: start + 2 * minute, value: 'open' },
      { complete: false, next: headers['fogline-next'] },
    ]);
  });

  it('pretty is for people: local times, aligned, with what comes next', async () => {
    const { headers, body } = await fixture.text(
      `/api/v1/data?match=temperature{agent="gw1"}&from=${start}&to=${start + hour}&every=1m&tz=Asia/Kathmandu&format=pretty&limit=2&agg=max,twa`,
    );
    expect(body).toBe(
      [
        'temperature{agent="gw1",device="d1",stream="raw"} in Cel, from readings',
        'time                            max   twa',
        '2026-01-01T05:45:00.000+05:45  20.5  20.5',
        '2026-01-01T05:46:00.000+05:45    21    21',
        '',
        `more: repeat the question with cursor=${String(headers['fogline-next'])}`,
        '',
      ].join('\n'),
    );
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    const list = await fixture.text('/api/v1/series?match=door&format=pretty');
    expect(list.body).toMatch(/^id {2}labels\.agent .*\n 2 {2}gw1 .*\ncomplete\n$/);
  });

  it('POST answers a JSON body as GET does its query, page by page', async () => {
    const post = async (payload: object) => {
      const headers = { host: 'localhost' };
      const response = await fixture.api.app.inject({ method: 'POST', url: '/api/v1/data', headers, payload });
      return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
    };
    const to = start + 10 * minute;
    const body = {
      match: ['temperature{agent="gw1"}', 'humidity'],
      from: start,
      to,
      every: '15m',
      agg: ['max', 'last'],
    };
    const first = await post({ ...body, fill: null, limit: 1, cursor: null });
    const query = `match=temperature{agent="gw1"}&match=humidity&from=${start}&to=${to}&every=15m&agg=max,last&fill=null`;
    expect(first).toEqual(await fixture.get(`/api/v1/data?${query}&limit=1`));
    const second = await post({ ...body, fill: null, cursor: first.body['next'] });
    expect(second.body).toEqual((await fixture.get(`/api/v1/data?${query}&cursor=${String(first.body['next'])}`)).body);
    expect(second.body).toMatchObject({
      series: [{ labels: { metric: 'humidity' }, columns: { max: [6] } }],
      complete: true,
    });
    for (const [wrong, detail] of [
      [{ ...body, form: 1 }, /^unknown parameter "form" \(did you mean "from"\?\); this address takes match, from/],
      [{ ...body, agg: [1] }, 'agg: write a text or a list of texts'],
      [{ ...body, limit: '5' }, 'limit: write a whole number'],
      [{ ...body, limit: 1.5 }, 'limit: write a whole number'],
      [{ ...body, limit: -5 }, 'limit: write a whole number from 1 to 100000'],
      [{ ...body, from: 1_767_225_600 }, /^from: 1767225600 looks like seconds/],
      [
        { ...body, from: { gte: 'now-1h' } },
        'from: write a text such as now-6h, or whole milliseconds since the epoch',
      ],
      [{ ...body, match: [] }, /^match: name the series/],
      [[body], 'the body must be a JSON object, with "Content-Type: application/json"'],
    ] as const) {
      const refused = await post(wrong);
      expect(refused.status).toBe(400);
      const expected: unknown = typeof detail === 'string' ? detail : expect.stringMatching(detail);
      expect(refused.body['detail']).toEqual(expected);
    }
  });

  it('readings that show the shape', async () => {
    const { body } = await fixture.get(
      `/api/v1/data?match=temperature{agent="gw1"}&from=${start}&to=${start + hour}&points=3&downsample=lttb`,
    );
    expect(body).toMatchObject({
      series: [{ columns: { time: [0, 1, 5].map((index) => start + index * minute), value: [20.5, 21, 19.5] } }],
      meta: { source: [{ series: 1, stream: 'raw', level: 'readings' }] },
      complete: true,
    });
  });

  it('an offset whose plus sign came as a space is understood', async () => {
    const { status, body } = await fixture.get(
      '/api/v1/data?match=door&from=2026-01-01T01:00:00+01:00&to=2026-01-01T02:00:00+01:00',
    );
    expect([status, body['series']]).toMatchObject([200, [{ columns: { value: ['open', 'closed'] } }]]);
  });

  it('nothing matching is an empty answer', async () => {
    const { body } = await fixture.get('/api/v1/data?match=pressure');
    expect(body).toMatchObject({ series: [], complete: true, next: null });
  });
});

describe('series, latest', () => {
  it('series come in pages that follow on', async () => {
    const metrics: unknown[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const { body } = await fixture.get(`/api/v1/series?limit=3${next === '' ? '' : `&cursor=${next}`}`);
      metrics.push((body['series'] as { labels: { metric: string } }[]).map(({ labels }) => labels.metric));
      expect(body['complete']).toBe(body['next'] === null);
      next = body['next'] as string | null;
    }
    expect(metrics).toEqual([['temperature', 'door', 'temperature'], ['humidity']]);
  });

  it('HEAD answers as GET, without the body', async () => {
    const response = await fixture.api.app.inject({
      method: 'HEAD',
      url: '/api/v1/series',
      headers: { host: 'localhost' },
    });
    expect([response.statusCode, response.headers['fogline-complete'], response.body]).toEqual([200, 'true', '']);
  });

  it('several selectors are joined', async () => {
    const { body } = await fixture.get('/api/v1/series?match=door&match=humidity');
    expect(body['series']).toMatchObject([{ id: 2 }, { id: 4, widthMs: 15 * minute }]);
  });

  it('latest says how old each value is', async () => {
    const { body } = await fixture.get('/api/v1/latest');
    expect(body['latest']).toMatchObject([
      { series: 1, timeMs: start + 5 * minute, ageMs: now - start - 5 * minute, value: 19.5, quality: 'good' },
      { series: 2, value: 'closed' },
      { series: 3, value: 7 },
      { series: 4, timeMs: start, widthMs: 15 * minute, count: 3, mean: 3, min: 1, max: 6 },
    ]);
  });
});

describe('gaps', () => {
  const of = async (match: string, rest: string) => {
    const { body } = await fixture.get(`/api/v1/gaps?match=${match}&from=${start}&to=${start + 2 * hour}&${rest}`);
    return {
      ...body,
      gaps: (body['gaps'] as { fromMs: number; toMs: number; cause: string; items: unknown }[]).map(
        ({ fromMs, toMs, cause, items }) => [(fromMs - start) / minute, (toMs - start) / minute, cause, items],
      ),
    };
  };

  it('a declared loss explains its hour, the rest was not recorded', async () => {
    expect(await of('temperature{agent="gw1"}', 'every=1m')).toMatchObject({
      gaps: [
        [2, 5, 'not_recorded', null],
        [6, 60, 'not_recorded', null],
        [60, 120, 'evicted_size', 50],
      ],
      meta: { lostWithoutDetail: { gw1: 10 } },
      complete: true,
      next: null,
    });
  });

  it('a value that stands is quiet, not missing', async () => {
    expect((await of('temperature{agent="gw2"}', 'every=1m')).gaps).toEqual([
      [1, 10, 'quiet', null],
      [10, 120, 'not_recorded', null],
    ]);
  });

  it('windows have gaps no finer than themselves, text is looked up reading by reading', async () => {
    expect((await of('humidity', 'every=1m')).gaps).toEqual([[15, 120, 'not_recorded', null]]);
    expect((await of('door', 'every=1m')).gaps).toEqual([
      [0, 2, 'not_recorded', null],
      [4, 120, 'not_recorded', null],
    ]);
  });

  it('pages follow on, and what has not happened yet is not missing', async () => {
    const url = `/api/v1/gaps?match=temperature&from=${start}&to=${now + hour}&every=15m&limit=2`;
    const gaps: unknown[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const { body } = await fixture.get(`${url}${next === '' ? '' : `&cursor=${next}`}`);
      gaps.push(
        ...(body['gaps'] as { series: number; toMs: number }[]).map(({ series, toMs }) => [
          series,
          (toMs - start) / minute,
        ]),
      );
      next = body['next'] as string | null;
    }
    expect(gaps).toEqual([
      [1, 60],
      [1, 120],
      [1, 240],
      [3, 240],
    ]);
  });
});

describe('agents and ledger', () => {
  it('agents: what waits with them and what was refused', async () => {
    const { body } = await fixture.get('/api/v1/agents');
    expect(body).toMatchObject({
      agents: [
        {
          agent: 'gw1',
          isOnline: true,
          lastSeenMs: now,
          software: 'fixture 1',
          queued: { alarm: 0, high: 0, normal: 0, low: 0 },
          quarantined: {},
          counters: { rejected: 3 },
        },
        { agent: 'gw2', quarantined: { unknown_epoch: 1 }, hasCredential: false },
      ],
      complete: true,
      next: null,
    });
  });

  it('ledger: everything produced is somewhere, and what is not is told', async () => {
    const { body } = await fixture.get('/api/v1/ledger?agent=gw1');
    expect(body).toMatchObject({
      ledger: [
        { agent: 'gw1', lane: 'normal', hour: '2026-01-01T00:00:00.000Z', produced: 5, delivered: 5, unaccounted: 0 },
        {
          hourMs: start + hour,
          produced: 63,
          delivered: 0,
          queued: 2,
          evicted: 60,
          voided: { evicted_size: 60 },
          unaccounted: 1,
        },
      ],
      meta: { totals: { produced: 68, delivered: 5, queued: 2, evicted: 60, unaccounted: 1 } },
      complete: true,
      next: null,
    });
  });

  it('ledger: what an agent gave up and the hub held all the same is delivered, and counts once', async () => {
    const other = openApiFixture(now);
    const gw = other.agent('gw', [definition()]);
    gw.send([{ series: 0, timeMs: start, value: 1 }]);
    gw.void(2, { reason: 'evicted_size', stats: [], statsOmitted: 2, hours: [[start / hour, 2]] });
    // Before its disk was put back it had sent one of the three that it evicted since; another void is still to come.
    const ledgerAfter = async (produced: number, evicted: number) => {
      gw.report([{ lane: 2, hour: start / hour, produced, queued: 0, evicted }]);
      return (await other.get('/api/v1/ledger')).body;
    };
    const whole = { produced: 3, delivered: 1, evicted: 2, unaccounted: 0 };
    expect(await ledgerAfter(3, 3)).toMatchObject({ ledger: [whole], meta: { totals: whole } });
    expect(await ledgerAfter(4, 4)).toMatchObject({ ledger: [{ evicted: 3, unaccounted: 0 }] });
    expect(await ledgerAfter(6, 4)).toMatchObject({ ledger: [{ evicted: 4, unaccounted: 1 }] });
  });

  it('ledger: hours, lanes and pages', async () => {
    const one = await fixture.get('/api/v1/ledger?agent=gw1&limit=1');
    const two = await fixture.get(`/api/v1/ledger?agent=gw1&limit=1&cursor=${String(one.body['next'])}`);
    expect([one.body['complete'], two.body]).toMatchObject([
      false,
      { ledger: [{ hourMs: start + hour }], complete: true, next: null },
    ]);
    const hours = await fixture.get(`/api/v1/ledger?from=${start}&to=${start + minute}&lane=normal`);
    expect((hours.body['ledger'] as { agent: string }[]).map(({ agent }) => agent)).toEqual(['gw1', 'gw2']);
    expect((await fixture.get('/api/v1/ledger?lane=alarm')).body['ledger']).toEqual([]);
  });
});

describe('devices and events', () => {
  it('devices stand under their agent, with what they measure and when they were seen last, page by page', async () => {
    const first = await fixture.get('/api/v1/devices?limit=1');
    expect(first.body).toMatchObject({
      devices: [
        { agent: 'gw1', device: 'd1', metrics: ['door', 'temperature'], series: 2, lastMs: start + 5 * minute },
      ],
      complete: false,
    });
    const second = await fixture.get(`/api/v1/devices?limit=1&cursor=${String(first.body['next'])}`);
    expect(second.body).toMatchObject({ devices: [{ agent: 'gw2', device: 'd1', series: 2 }], complete: true });
    const matched = await fixture.get('/api/v1/devices?match=humidity');
    expect(matched.body['devices']).toMatchObject([{ agent: 'gw2', metrics: ['humidity'] }]);
  });

  it('events are told newest first, page by page, of one agent when asked', async () => {
    const own = openApiFixture(now);
    for (const agent of ['gw1', 'gw2'])
      for (const epoch of ['00000000000000a1', '00000000000000b2', '00000000000000c3']) own.agent(agent, [], epoch);
    const all = await own.get('/api/v1/events');
    expect(all.body).toMatchObject({ complete: true, next: null });
    const kinds = (all.body['events'] as { agent: string; kind: string }[]).map(
      ({ agent, kind }) => `${agent} ${kind}`,
    );
    expect(kinds).toEqual(['gw2 replaced', 'gw2 replaced', 'gw1 replaced', 'gw1 replaced']);
    const told: unknown[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const { body } = await own.get(`/api/v1/events?agent=gw1&limit=1${next === '' ? '' : `&cursor=${next}`}`);
      told.push(...(body['events'] as { epoch: string }[]).map(({ epoch }) => epoch));
      next = body['next'] as string | null;
    }
    expect(told).toEqual(['00000000000000c3', '00000000000000b2']);
  });
});
