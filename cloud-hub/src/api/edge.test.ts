/** `source=edge`: what agents answer, put together; what they do not is told, whoever says what. */
import { encodeReadings } from '@fogline/shared/codec/readings';
import { type Answer, decodeQuery, encodeAnswer, type Query, rawLimits } from '@fogline/shared/protocol/raw-query';
import type { SeriesDefinition } from '@fogline/shared/reading';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { edgeLimits } from '../edge/edge-asker.ts';
import { AgentRegistry } from '../fleet/agents.ts';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const now = Date.UTC(2026, 0, 1, 12);
const from = now - 600_000;
const url = `/api/v1/data?match=temperature&source=edge&from=${from}&to=${now}`;
const calm = definition({ stream: 'calm', sampling: 'held', holdMs: 60_000 });
const source = definition({ stream: 'climate' });
const nothing: Omit<Answer, 'agent' | 'id' | 'page'> = {
  refused: undefined,
  next: undefined,
  missing: [],
  definitions: [],
  block: undefined,
};

let fixture: ApiFixture;
let asked: Query[];

beforeEach(() => {
  fixture = openApiFixture(now);
  for (const agent of ['gw1', 'gw2'])
    fixture.agent(agent, [calm, definition({ metric: 'stats', kind: 'window', widthMs: 10_000 })]);
  asked = [];
});
afterEach(() => fixture.api.close());

type Row = readonly [atMs: number, value: number, quality?: number];

function page(rows: readonly Row[], more: Partial<Answer> = {}, of: SeriesDefinition = source) {
  const columns = {
    count: rows.length,
    series: new Uint32Array(rows.length),
    time: Float64Array.from(rows, ([atMs]) => atMs),
    value: Float64Array.from(rows, ([, value]) => value),
    flags: Uint8Array.from(rows, ([, , quality = 0]) => quality),
    strings: [],
  };
  return { ...nothing, definitions: [of], block: encodeReadings(columns, 'fast'), ...more };
}

/** Agents answer at once with this. */
function answering(answer: (query: Query) => Partial<Answer> | undefined): void {
  fixture.edgeAgents.onQuery = (agent, payload) => {
    const query = decodeQuery(payload);
    asked.push(query);
    const given = answer(query);
    if (given === undefined) return;
    const { id, page: number } = query;
    queueMicrotask(() => fixture.edge.take(agent, encodeAnswer({ agent, id, page: number, ...nothing, ...given })));
  };
}

interface Body {
  readonly series: readonly {
    readonly id: number;
    readonly labels: object;
    readonly columns: Record<string, unknown[]>;
  }[];
  readonly meta: { readonly edge: readonly { readonly agent: string; readonly missing: readonly object[] }[] };
  readonly complete: boolean;
  readonly next: string | null;
}

/** Time passes while the answer is waited for. */
async function get(address = url): Promise<Body> {
  let isDone = false;
  const answer = fixture.get(address).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    fixture.clock.advance(edgeLimits.lookMs);
    await new Promise(setImmediate);
  }
  const { status, body } = await answer;
  expect(status, JSON.stringify(body)).toBe(200);
  return body as unknown as Body;
}

describe('what comes', () => {
  it('is asked for by the names that the agent knows, of each agent, and comes in order of time under its source', async () => {
    fixture.core.order({ kind: 'series_rename', series: 1, names: { device: 'renamed' } });
    answering(({ agent }) =>
      agent === 'gw1'
        ? page([
            [now - 5, 2, 1],
            [now - 9, 1],
          ])
        : page([[now - 7, 3]]),
    );
    const { series, complete, meta } = await get();
    expect(series.map(({ id, labels, columns }) => [id, labels, columns])).toMatchObject([
      [
        1,
        { agent: 'gw1', stream: 'climate', device: 'd1', sampling: 'all' },
        { time: [now - 9, now - 5], value: [1, 2], quality: ['good', 'uncertain'] },
      ],
      [3, { agent: 'gw2', stream: 'climate' }, { time: [now - 7], value: [3] }],
    ]);
    expect([complete, meta.edge]).toEqual([
      true,
      ['gw1', 'gw2'].map((agent, i) => ({ agent, readings: 2 - i, missing: [], nothingOf: [] })),
    ]);
    expect(asked).toMatchObject(
      ['gw1', 'gw2'].map((agent) => ({
        agent,
        page: 1,
        fromMs: from,
        toMs: now,
        names: [{ device: 'd1', metric: 'temperature' }],
      })),
    );
  });

  it('is gathered page by page until the limit, and next goes on exactly there', async () => {
    const all = Array.from({ length: 10 }, (_, i): Row => [now - 100 + i, i]);
    answering(({ agent, cursor, rowsMax }) => {
      if (agent === 'gw2') return page([[now - 1, 99]]);
      const begin = cursor?.[0] ?? 0;
      const end = Math.min(begin + Math.min(3, rowsMax), all.length);
      return page(all.slice(begin, end), end < all.length ? { next: [end, now, 0] } : {});
    });
    const values: unknown[] = [];
    let pages = 0;
    for (let next: string | null = ''; next !== null; pages++) {
      const body: Body = await get(`${url}&limit=4${next === '' ? '' : `&cursor=${next}`}`);
      const rows = body.series.flatMap(({ columns }) => columns['value'] ?? []);
      expect(rows.length).toBeLessThanOrEqual(4);
      expect(body.complete).toBe(body.next === null);
      values.push(...rows);
      next = body.next;
    }
    expect(values).toEqual([...all.map(([, value]) => value), 99]);
    expect(pages).toBe(3);
  });

  it('is of the series that matched at first, on all pages; where they are called otherwise meanwhile, it ends', async () => {
    const only = url.replace('temperature', encodeURIComponent('{agent="gw1",kind="reading"}'));
    answering(({ cursor }) => page([[now - 5, 1]], { next: [(cursor?.[0] ?? 0) + 1, now, 3] }));
    const first = await get(`${only}&limit=1`);
    // The place within a commit counts readings of the names that were asked for.
    fixture.agent('gw1', [calm, definition({ device: 'd2' })], '00000000000000a2');
    const second = await get(`${only}&limit=1&cursor=${first.next}`);
    expect(asked.map(({ names, cursor }) => [names.map(({ device }) => device), cursor?.[2]])).toEqual([
      [['d1'], undefined],
      [['d1'], 3],
    ]);
    const own = url.replace('temperature', encodeURIComponent('{agent="gw1",stream="calm"}'));
    const begun = await get(`${own}&limit=1`);
    fixture.agent('gw1', [calm, { ...calm, device: 'd3' }], '00000000000000a3');
    const all = await get(`${own}&limit=1`);
    const [, added] = asked.at(-1)?.names ?? [];
    expect([asked.at(-1)?.cursor, added?.device]).toEqual([undefined, 'd3']);
    fixture.core.order({ kind: 'series_rename', series: 1, names: { stream: 'other' } });
    for (const { next } of [begun, all])
      expect(await fixture.get(`${own}&limit=1&cursor=${next}`)).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('begin again') },
      });
    expect(second.next).not.toBeNull();
  });

  it('is asked for in larger pages while they come fast, and in smaller ones where they come slowly', async () => {
    const rowsAsked = async (pages: number, tookMs: number): Promise<number[]> => {
      asked = [];
      fixture.edgeAgents.onQuery = (agent, payload) => {
        const query = decodeQuery(payload);
        asked.push(query);
        const next = query.page < pages ? ([query.page, now, 0] as const) : undefined;
        const answer = encodeAnswer({ agent, id: query.id, page: query.page, ...nothing, next });
        fixture.clock.after('link', tookMs, () => fixture.edge.take(agent, answer));
      };
      await get(`${url.replace('temperature', encodeURIComponent('temperature{agent="gw1"}'))}&limit=100000`);
      return asked.map(({ rowsMax }) => rowsMax);
    };
    expect(await rowsAsked(6, 0)).toEqual([1_024, 2_048, 4_096, 8_192, 8_192, 8_192]);
    expect(await rowsAsked(5, 3_000)).toEqual([1_024, 512, 256, 256, 256]);
  });

  it('is narrowed to qualities, and other parameters have no meaning', async () => {
    answering(() =>
      page([
        [now - 5, 2, 1],
        [now - 9, 1],
      ]),
    );
    const { series } = await get(`${url}&quality=uncertain`);
    expect(series.map(({ columns }) => columns['value'])).toEqual([[2], [2]]);
    for (const more of ['every=1m', 'points=10', 'fill=null'])
      expect(await fixture.get(`${url}&${more}`)).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('source=edge answers with the readings themselves') },
      });
  });

  it('is of no other site than those of the caller', async () => {
    new AgentRegistry(fixture.db, fixture.clock).setSite('gw2', 'oslo');
    const token = fixture.tokens.create('oslo', { scopes: ['read'], sites: ['oslo'] });
    answering(() => page([[now - 5, 2]]));
    const headers = { host: 'localhost', authorization: `Bearer ${token}` };
    const response = await fixture.api.app.inject({ method: 'GET', url, headers });
    expect(asked.map(({ agent }) => agent)).toEqual(['gw2']);
    expect(response.json<Body>().meta.edge.map(({ agent }) => agent)).toEqual(['gw2']);
  });
});

describe('what could not be got', () => {
  const missing = (body: Body): unknown => body.meta.edge.map((one) => one.missing);

  it('is told: what the agent said is gone or damaged, and of what it has nothing', async () => {
    const gone = { reason: 'not_held', fromMs: undefined, toMs: from + 1 } as const;
    answering(({ agent }) => (agent === 'gw1' ? { missing: [gone] } : page([[now - 5, 2]])));
    const body = await get();
    expect(body).toMatchObject({ complete: false, next: null });
    expect(body.meta.edge).toMatchObject([
      {
        missing: [{ cause: 'not_held', fromMs: null, toMs: from + 1 }],
        nothingOf: [{ device: 'd1', metric: 'temperature' }],
      },
      { missing: [], nothingOf: [] },
    ]);
    const { body: text, headers } = await fixture.text(`${url}&format=pretty`);
    expect([text.split('\n').at(-2), headers['fogline-complete']]).toEqual([
      'not complete: format=json says in meta what is missing',
      'false',
    ]);
  });

  it('is not forgotten on the pages that follow: the last one is not complete either', async () => {
    const rows = [now - 5, now - 4].map((atMs, i): Row => [atMs, i]);
    answering(({ agent, cursor }) => {
      if (agent === 'gw1') return { refused: 'busy' };
      return page(rows.slice(cursor?.[0] ?? 0).slice(0, 1), cursor === undefined ? { next: [1, now, 0] } : {});
    });
    const first = await get(`${url}&limit=1`);
    expect(missing(first)).toMatchObject([[{ cause: 'refused' }], []]);
    const last = await get(`${url}&limit=1&cursor=${first.next}`);
    expect([last.next, last.series[0]?.columns['value'], missing(last)]).toEqual([null, [1], [[]]]);
    expect(last.complete).toBe(false);
  });

  it('is told of an agent that is not there, refuses, or does not answer; the others are heard', async () => {
    expect(missing(await get())).toMatchObject([[{ cause: 'offline' }], [{ cause: 'offline' }]]);
    answering(({ agent }) => (agent === 'gw1' ? undefined : { refused: 'busy: 4 questions wait already' }));
    const body = await get();
    expect(missing(body)).toMatchObject([
      [{ cause: 'timed_out' }],
      [{ cause: 'refused', detail: 'busy: 4 questions wait already' }],
    ]);
    expect(body.complete).toBe(false);
    expect(asked.filter(({ agent }) => agent === 'gw1').length).toBeGreaterThan(1);
  });

  it('is asked for again when the agent was away in the middle', async () => {
    let isCut = false;
    answering(({ page: number, agent }) => {
      if (agent === 'gw2' || number === 1)
        return page([[now - 5, number]], agent === 'gw1' ? { next: [1, now, 0] } : {});
      if (isCut) return page([[now - 4, number]]);
      isCut = true;
      const { onQuery } = fixture.edgeAgents;
      fixture.edgeAgents.onQuery = undefined;
      fixture.clock.after('back', 1_000, () => {
        fixture.edgeAgents.onQuery = onQuery;
      });
      return undefined;
    });
    const startedMs = fixture.clock.monotonic();
    const body = await get();
    expect([body.complete, body.series[0]?.columns['value']]).toEqual([true, [1, 2]]);
    expect(isCut).toBe(true);
    // At once when it was back, and not when it was time to ask again anyway.
    expect(fixture.clock.monotonic() - startedMs).toBeLessThan(edgeLimits.repeatMs);
  });

  it.each([
    [
      'more readings than were asked for',
      () => page(Array.from({ length: 5 }, (_, i): Row => [now - 5 + i, i])),
      '&limit=4',
    ],
    ['readings outside the range', () => page([[from - 1, 1]]), ''],
    ['a series that nobody asked for', () => page([[now - 5, 1]], {}, definition({ metric: 'other' })), ''],
    ['ids without a definition', () => page([[now - 5, 1]], { definitions: [] }), ''],
    ['bytes that are no readings', () => ({ definitions: [source], block: Uint8Array.of(1, 2, 3) }), ''],
  ] as const)('is everything of an agent that sends %s', async (_, answer, more) => {
    answering(({ agent }) => (agent === 'gw1' ? answer() : page([[now - 3, 7]])));
    const body = await get(`${url}${more}`);
    expect(missing(body)).toMatchObject([[{ cause: 'invalid' }], []]);
    expect(body.series.map(({ columns }) => columns['value'])).toEqual([[7]]);
    expect(fixture.edge.counters()).toMatchObject({ invalid: 1 });
  });
});

describe('an answer that nobody waits for', () => {
  it('is counted by what is wrong with it, and changes nothing', async () => {
    const say = (agent: string, fields: Partial<Answer>) =>
      fixture.edge.take(agent, encodeAnswer({ agent, id: 1, page: 1, ...nothing, ...fields }));
    say('gw1', {});
    expect(fixture.edge.counters()).toMatchObject({ unasked: 1 });
    answering((query) => {
      if (query.agent === 'gw1') {
        say('gw1', { id: query.id + 1, ...page([[now - 5, 666]]) });
        say('gw1', { id: query.id, page: query.page + 1, ...page([[now - 5, 666]]) });
        say('gw1', { id: query.id, agent: 'gw2', ...page([[now - 5, 666]]) });
        say('gw2', { id: query.id, ...page([[now - 5, 666]]) });
        fixture.edge.take('gw1', Uint8Array.of(0xc1));
        fixture.edge.take('gw1', new Uint8Array(rawLimits.answerBytesMax + 1));
      }
      return page([[now - 5, 1]]);
    });
    const { series, complete } = await get();
    expect(series.map(({ columns }) => columns['value'])).toEqual([[1], [1]]);
    expect(complete).toBe(true);
    expect(fixture.edge.counters()).toMatchObject({ unasked: 4, foreign: 1, malformed: 2, answered: 2 });
  });
});

describe('questions are bounded:', () => {
  it('so many at once, then later; a client that goes away frees its place', async () => {
    fixture.edgeAgents.onQuery = () => undefined;
    let isAbandoned = false;
    const held = [0, 1, 2].map((id) =>
      fixture.edge.within(() => fixture.edge.ask({ ...question(), id }, () => isAbandoned)),
    );
    expect(await held[2]).toBe('busy');
    const others = Array.from({ length: edgeLimits.questionsMax - 2 }, () =>
      fixture.edge.within(() => new Promise<void>((resolve) => void fixture.clock.after('other', 60_000, resolve))),
    );
    expect(await fixture.get(url)).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('try again') },
    });
    isAbandoned = true;
    fixture.clock.advance(edgeLimits.lookMs);
    expect(await Promise.all(held.slice(0, 2))).toEqual(['abandoned', 'abandoned']);
    fixture.clock.advance(60_000);
    await Promise.all(others);
  });

  it('so many spans that are missing in one answer', async () => {
    const spans = Array.from({ length: rawLimits.missingMax }, (_, i) => {
      return { reason: 'not_held', fromMs: from + i, toMs: from + i + 1 } as const;
    });
    answering(({ page: number }) => ({ missing: spans, next: [number, now, 0] }));
    const { meta, next } = await get();
    expect(meta.edge.flatMap((one) => one.missing).length).toBeLessThan(50_000);
    expect(next).not.toBeNull();
  });

  it('so many agents and names', async () => {
    const many = Array.from({ length: rawLimits.seriesMax + 1 }, (_, i) => definition({ device: `d${i}` }));
    fixture.agent('gw3', many);
    expect(await fixture.get(url)).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('narrow it') },
    });
  });

  it('a hub that stops ends them', async () => {
    fixture.edgeAgents.onQuery = () => undefined;
    const asking = fixture.edge.ask(question(), () => false);
    fixture.edge.stop();
    expect(await asking).toBe('abandoned');
  });

  function question(): Query {
    const names = [{ device: 'd1', metric: 'temperature', tags: [] }];
    return { agent: 'gw1', id: 5, page: 1, fromMs: from, toMs: now, rowsMax: 10, cursor: undefined, names };
  }
});
