import { setImmediate as nextTurn } from 'node:timers/promises';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { definition, openStoreFixture, type ReadingInput } from '../testing/store-fixture.ts';
import { feedLimits, LiveFeed, type Watch } from './feed.ts';
import type { Frame } from './frames.ts';
import type { Policy } from './viewer.ts';

const now = Date.UTC(2026, 0, 1);

interface Row {
  readonly series: number;
  readonly time: number[];
  readonly value: unknown[];
  readonly skipped?: number;
}

/** A client that reads or does not. */
class Client {
  isFull = false;
  readonly frames: (Record<string, unknown> & { type: string })[] = [];
  lastId: string | undefined;
  watch: Watch | undefined;
  isEnded = false;
  readonly #feed: LiveFeed;
  readonly #match: readonly string[];

  constructor(feed: LiveFeed, match: readonly string[]) {
    this.#feed = feed;
    this.#match = match;
  }

  async open(policy: Policy, lastId?: string): Promise<this> {
    const question = { match: this.#match, sites: undefined };
    const sink = {
      isFull: false,
      send: ({ type, fields, at }: Frame) => {
        this.frames.push({ ...(JSON.parse(`{${fields}}`) as object), type });
        if (at !== undefined) this.lastId = this.#feed.idOf(question, at);
      },
      end: () => {
        this.isEnded = true;
      },
    };
    Object.defineProperty(sink, 'isFull', { get: () => this.isFull });
    this.watch = await this.#feed.watch(question, policy, sink, lastId);
    return this;
  }

  types(): string[] {
    return this.frames.map(({ type }) => type);
  }

  /** Values by series, in the order in which they were shown. */
  shown(): Map<number, unknown[]> {
    const shown = new Map<number, unknown[]>();
    for (const { type, rows } of this.frames)
      if (type === 'committed')
        for (const { series, value } of rows as Row[]) shown.set(series, [...(shown.get(series) ?? []), ...value]);
    return shown;
  }

  skipped(): Map<number, number> {
    const skipped = new Map<number, number>();
    for (const { type, values } of this.frames)
      if (type === 'skipped')
        for (const row of values as Row[]) skipped.set(row.series, (skipped.get(row.series) ?? 0) + (row.skipped ?? 0));
    return skipped;
  }
}

function world(ringBytesMax?: number, beforeDelivery: () => void = () => undefined) {
  const clock = new ManualClock(now);
  const fixture = openStoreFixture(clock, { onCommitted: (change) => feed.committed(change) });
  const feed: LiveFeed = new LiveFeed({
    store: fixture.core.read,
    clock,
    random: new SeededRandom(7),
    log: silentLogger,
    beforeDelivery,
    ...(ringBytesMax === undefined ? {} : { ringBytesMax }),
  });
  const settle = async (): Promise<void> => {
    clock.advance(feedLimits.pumpEveryMs);
    await nextTurn();
  };
  return { ...fixture, clock, feed, settle, client: (...match: string[]) => new Client(feed, match) };
}

const reading = (series: number, value: number | string, timeMs = now): ReadingInput => ({ series, timeMs, value });

describe('the feed', () => {
  it('tells the current values first, then what is committed, late readings with their own time', async () => {
    const { agent, client, settle } = world();
    const gw = agent('gw', [
      definition(),
      definition({ metric: 'state', type: 'text' }),
      definition({ metric: 'empty' }),
    ]);
    gw.send([reading(0, 20), reading(1, 'on')]);
    const viewer = await client('{agent="gw"}').open('complete');
    gw.send([reading(0, 21, now + 1000), reading(0, 5, now - 86_400_000)]);
    await settle();
    expect(viewer.frames).toEqual([
      {
        type: 'current',
        values: [
          {
            series: 1,
            labels: expect.objectContaining({ metric: 'temperature' }),
            timeMs: now,
            value: 20,
            quality: 'good',
          },
          {
            series: 2,
            labels: expect.objectContaining({ metric: 'state' }),
            timeMs: now,
            value: 'on',
            quality: 'good',
          },
          { series: 3, labels: expect.objectContaining({ metric: 'empty' }), timeMs: null },
        ],
      },
      { type: 'live', series: 3 },
      {
        type: 'committed',
        rows: [{ series: 1, time: [now + 1000, now - 86_400_000], value: [21, 5], quality: ['good', 'good'] }],
      },
    ]);
  });

  it('tells only what matches, and a series that is defined later as soon as it is', async () => {
    const { agent, client, settle } = world();
    const gw = agent('gw', [definition(), definition({ metric: 'humidity' })]);
    const viewer = await client('temperature').open('complete');
    gw.send([reading(1, 50)]);
    await settle();
    expect(viewer.types()).toEqual(['current', 'live']);
    agent('gw2', [definition({ metric: 'humidity' }), definition()]).send([reading(0, 51), reading(1, 22)]);
    await settle();
    expect(viewer.frames.slice(2)).toMatchObject([
      { type: 'current', values: [{ series: 4, labels: { agent: 'gw2' }, value: 22 }] },
      { type: 'committed', rows: [{ series: 4, value: [22] }] },
    ]);
  });

  it('misses no series that is defined while what matches is looked up', async () => {
    const { agent, client, settle } = world();
    const humidity = Array.from({ length: 400 }, (_, n) => definition({ metric: 'humidity', device: `d${n}` }));
    agent('gw', [definition()]);
    for (const name of ['a', 'b', 'c']) agent(name, humidity);
    await client('nothing').open('complete');
    const opening = client('temperature', 'humidity').open('complete');
    await nextTurn();
    await nextTurn();
    const late = agent('gw2', [definition()]);
    late.send([reading(0, 21)]);
    const viewer = await opening;
    late.send([reading(0, 22)]);
    await settle();
    expect(viewer.watch?.series).toBe(1_202);
    expect(viewer.shown().get(1_202)).toEqual([22]);
  });

  it('goes on where the client was, and tells series that came meanwhile', async () => {
    const { agent, client, settle } = world();
    const gw = agent('gw', [definition()]);
    const first = await client('temperature').open('complete');
    gw.send([reading(0, 1)]);
    await settle();
    first.watch?.close();
    gw.send([reading(0, 2)]);
    agent('gw2', [definition()]).send([reading(0, 3)]);
    const second = await client('temperature').open('complete', first.lastId);
    expect(second.types()).toEqual(['current', 'live', 'committed', 'committed']);
    expect([...second.shown()]).toEqual([
      [1, [2]],
      [2, [3]],
    ]);
  });

  it.each([
    ['nonsense', 'nonsense'],
    ['another process', '000000000000.1.1.abc'],
  ])('%s is no place to go on from: reset, and all anew', async (_name, lastId) => {
    const { agent, client } = world();
    agent('gw', [definition()]).send([reading(0, 1)]);
    expect((await client('temperature').open('complete', lastId)).types()).toEqual(['reset', 'current', 'live']);
  });

  it('a place of another question, or of before agents moved, is none either', async () => {
    const { agent, client, feed } = world();
    agent('gw', [definition()]).send([reading(0, 1)]);
    const first = await client('temperature').open('complete');
    expect((await client('{}').open('complete', first.lastId)).types()[0]).toBe('reset');
    expect((await client('temperature').open('complete', first.lastId)).types()).toEqual(['live']);
    feed.sitesChanged();
    expect((await client('temperature').open('complete', first.lastId)).types()[0]).toBe('reset');
  });

  it('what nobody watches for a minute is kept no longer', async () => {
    const { agent, client, clock } = world();
    const gw = agent('gw', [definition()]);
    const first = await client('temperature').open('complete');
    first.watch?.close();
    clock.advance(feedLimits.lingerMs);
    gw.send([reading(0, 2)]);
    expect((await client('temperature').open('complete', first.lastId)).types()).toEqual(['reset', 'current', 'live']);
  });

  it('that minute begins with the last one who leaves', async () => {
    const { agent, client, clock } = world();
    const gw = agent('gw', [definition()]);
    (await client('temperature').open('complete')).watch?.close();
    clock.advance(feedLimits.lingerMs - 1_000);
    const second = await client('temperature').open('complete');
    second.watch?.close();
    clock.advance(2_000);
    gw.send([reading(0, 2)]);
    expect((await client('temperature').open('complete', second.lastId)).types()).toEqual(['live', 'committed']);
  });

  it('sends nothing to one who may no longer watch when its series are found', async () => {
    let revoke: () => void = () => undefined;
    const { agent, client } = world(undefined, () => revoke());
    agent('gw', [definition()]);
    const late = client('temperature');
    revoke = () => {
      late.isFull = true;
    };
    expect((await late.open('latest')).types()).toEqual([]);
  });

  it('a question for too many series is refused with the fix', async () => {
    const { agent, client } = world();
    for (let n = 0; n < 11; n++)
      agent(
        `gw${n}`,
        Array.from({ length: 1_000 }, (_, device) => definition({ device: `d${device}` })),
      );
    await expect(client().open('complete')).rejects.toThrow('match: more than 10000 series; narrow it');
    await expect(client('temperature[').open('complete')).rejects.toThrow('match:');
  });
});

/** What a run does: commit so many readings of the series, stop or start to read, let time pass, define one more series. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ commit: fc.array(fc.nat(3), { minLength: 1, maxLength: 30 }) }) },
  { weight: 3, arbitrary: fc.record({ isFull: fc.boolean() }) },
  { weight: 3, arbitrary: fc.constant('settle' as const) },
  { weight: 1, arbitrary: fc.constant('define' as const) },
);

async function run(
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
  policy: Policy,
  ring: number,
) {
  const { agent, client, settle } = world(ring);
  const gw = agent(
    'gw',
    [0, 1, 2, 3].map((n) => definition({ device: `d${n}` })),
  );
  const viewer = await client('temperature').open(policy);
  const committed = new Map<number, number[]>();
  const note = (series: number, value: number) => committed.set(series, [...(committed.get(series) ?? []), value]);
  let value = 0;
  let more = 0;
  for (const action of steps) {
    if (action === 'settle') await settle();
    else if (action === 'define') {
      agent(`more${++more}`, [definition()]).send([reading(0, ++value)]);
      note(4 + more, value);
    } else if ('isFull' in action) {
      viewer.isFull = action.isFull;
      if (!viewer.isFull) viewer.watch?.pump();
    } else {
      const rows = action.commit.map((series) => reading(series, ++value, now + value));
      for (const { series } of rows) expect(series).toBeLessThan(4);
      gw.send(rows);
      for (const row of rows) note(row.series + 1, row.value as number);
    }
  }
  viewer.isFull = false;
  viewer.watch?.pump();
  await settle();
  return { viewer, committed };
}

describe('a client that is slow now and then', () => {
  it('of policy latest: for every series, shown + skipped = committed, and what is shown comes in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom(1_000, 4_000, 1_000_000),
        async (steps, ring) => {
          const { viewer, committed } = await run(steps, 'latest', ring);
          const shown = viewer.shown();
          const skipped = viewer.skipped();
          for (const [series, values] of committed) {
            const seen = shown.get(series) ?? [];
            expect(seen.length + (skipped.get(series) ?? 0)).toBe(values.length);
            expect(seen).toEqual([...seen].sort((a, b) => Number(a) - Number(b)));
            if ((skipped.get(series) ?? 0) === 0) expect(seen).toEqual(values);
          }
          expect(viewer.types()).not.toContain('reset');
        },
      ),
      { numRuns: 150 },
    );
  });

  it('of policy complete: after the last reset nothing is missing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom(1_000, 4_000, 1_000_000),
        async (steps, ring) => {
          const { viewer, committed } = await run(steps, 'complete', ring);
          const resetAt = viewer.types().lastIndexOf('reset');
          if (ring === 1_000_000) expect(resetAt).toBe(-1);
          viewer.frames.splice(0, resetAt + 1);
          const told = new Map<number, unknown>();
          for (const { type, values } of viewer.frames)
            if (type === 'current')
              for (const row of values as (Row & { value?: number })[]) told.set(row.series, row.value);
          for (const [series, values] of committed) {
            const seen = viewer.shown().get(series) ?? [];
            // The value at the beginning, then everything after it.
            const from = resetAt === -1 ? 0 : values.indexOf(told.get(series) as number) + 1;
            const expected = values.slice(from);
            expect(seen.slice(seen.length - expected.length)).toEqual(expected);
            if (resetAt === -1) expect(seen).toEqual(values);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
