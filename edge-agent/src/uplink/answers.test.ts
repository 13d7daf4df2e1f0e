/** Questions of the hub to the journal: what comes is what sources delivered, each reading once; what cannot be had is told; fresh data comes first. */
import { decodeReadings } from '@fogline/shared/codec/readings';
import { silentLogger } from '@fogline/shared/log';
import { encodeFlow } from '@fogline/shared/protocol/messages';
import { type Answer, decodeAnswer, encodeQuery, type Query, type RawCursor } from '@fogline/shared/protocol/raw-query';
import { SeededRandom } from '@fogline/shared/random';
import { flagText } from '@fogline/shared/reading';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CoreConfig } from '../core-config.ts';
import { encodeCommit } from '../journal/commit-record.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import { Outbox } from '../outbox/outbox.ts';
import { CoreKit, coreConfig } from '../testing/core-kit.ts';
import { Answers, answerLimits } from './answers.ts';
import { welcomeTo } from './testing/stub-hub.ts';

/** The hub is sent hardly anything of what comes in. */
const calm: CoreConfig = {
  ...coreConfig,
  pipelines: [
    { name: 'calm', from: 'climate', deadband: { thresholds: { t: 1_000 }, heartbeatMs: 3_600_000 }, lane: 2 },
  ],
};
const name = { device: 'd', metric: 't', tags: [] };
const everything = { fromMs: -1_000_000_000, toMs: 8_000_000_000_000 };

let kit: CoreKit;
beforeEach(() => {
  kit = new CoreKit(calm);
  kit.core.start();
  greet();
});
afterEach(() => kit.close());

function greet(): void {
  kit.hub.events?.onOpen();
  const hello = kit.hub.hello();
  if (hello !== undefined) kit.hub.say('pi', 'welcome', welcomeTo(hello));
  kit.hub.ackAll();
}

function say(query: Partial<Query>): void {
  const asked = { agent: 'pi', id: 1, page: 1, ...everything, rowsMax: 8_192, cursor: undefined, names: [name] };
  kit.hub.say('pi', 'query', encodeQuery({ ...asked, ...query }));
}

const answers = (): Answer[] =>
  kit.hub.published.filter(({ kind }) => kind === 'answer').map(({ payload }) => decodeAnswer(payload));

/** One page; the hub acks meanwhile. */
function ask(query: Partial<Query> = {}): Answer {
  say(query);
  for (let waited = 0; waited < 100 && answers().length === 0; waited++) kit.clock.advance(50);
  const [answer] = answers();
  if (answer === undefined) throw new Error('no answer came');
  kit.hub.ackAll();
  return answer;
}

const timesIn = ({ block }: Answer): number[] => (block === undefined ? [] : [...decodeReadings(block).time]);

/** All pages. */
function askAll(query: Partial<Query> = {}): { times: number[]; pages: Answer[] } {
  const pages: Answer[] = [];
  let cursor: RawCursor | undefined;
  do {
    const answer = ask({ ...query, page: pages.length + 1, cursor });
    pages.push(answer);
    cursor = answer.next;
  } while (cursor !== undefined && pages.length < 1_000);
  return { times: pages.flatMap(timesIn), pages };
}

/** In a commit of its own. */
function commit(...times: readonly number[]): void {
  kit.submitAll(times.map((time) => [time, time % 7]));
  kit.core.commit();
  kit.clock.advance(1_000);
}

describe('what comes', () => {
  it('is every reading of the range as it was delivered, once, whatever pipelines sent and wherever pages end', () => {
    const commits = fc.array(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 30 }), {
      minLength: 1,
      maxLength: 8,
    });
    const bounds = fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 400 }));
    fc.assert(
      fc.property(commits, bounds, fc.integer({ min: 1, max: 12 }), (rows, [from, length], rowsMax) => {
        kit.close();
        kit = new CoreKit(calm);
        kit.core.start();
        greet();
        const seen = new Set<number>();
        for (const times of rows) {
          // The agent lets exact repeats go; here every reading is another.
          const fresh = [...new Set(times)].filter((time) => !seen.has(time));
          for (const time of fresh) seen.add(time);
          if (fresh.length > 0) commit(...fresh);
        }
        const range = { fromMs: from, toMs: from + length };
        const { times, pages } = askAll({ ...range, rowsMax });
        const wanted = [...seen].filter((time) => time >= range.fromMs && time < range.toMs).sort((a, b) => a - b);
        expect(times.toSorted((a, b) => a - b)).toEqual(wanted);
        for (const page of pages) expect(timesIn(page).length).toBeLessThanOrEqual(rowsMax);
      }),
      { numRuns: 40 },
    );
  });

  it('has values, texts and qualities, under the definitions of the sources', () => {
    const columns = { series: Uint32Array.of(0, 1), time: Float64Array.of(5, 6), strings: ['open'] };
    const flags = Uint8Array.of(2, flagText | 1);
    const tags = [['room', 'cellar']] as const;
    const types = ['number', 'text'] as const;
    const newSeries = types.map((type, id) => ({ id, device: 'e', metric: `m${id}`, unit: 'V', type, tags }));
    kit.core.submit({
      source: 'climate',
      newSeries,
      columns: { count: 2, ...columns, value: Float64Array.of(-0, 0), flags },
      hasSourceTime: Uint8Array.of(1, 1),
      tokens: [],
    });
    kit.core.commit();
    const names = newSeries.map(({ device, metric }) => ({ device, metric, tags }));
    const answer = ask({ names: [...names, name] });
    expect(answer.definitions).toMatchObject(
      newSeries.map(({ metric, type }) => ({ device: 'e', metric, type, unit: 'V' })),
    );
    expect(decodeReadings(answer.block ?? new Uint8Array())).toEqual({
      count: 2,
      ...columns,
      value: Float64Array.of(-0, 0),
      flags,
    });
    expect(timesIn(ask({ id: 2, names: names.map((other) => ({ ...other, tags: [] })) }))).toEqual([]);
  });

  it('ends a page before it is too large for an answer', () => {
    for (let n = 0; n < 4; n++) commit(...Array.from({ length: 5_000 }, (_, i) => n * 5_000 + i));
    const { times, pages } = askAll();
    expect(times.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
    expect(pages.length).toBeGreaterThan(2);
    const count = 3_000;
    const random = new SeededRandom(3);
    const word = (): string => random.uint32().toString(36);
    const strings = Array.from({ length: count }, () => Array.from({ length: 35 }, word).join('').slice(0, 250));
    const time = Float64Array.from(strings, (_, i) => i);
    const columns = { count, series: new Uint32Array(count), time, value: time, flags: new Uint8Array(count), strings };
    kit.core.submit({
      source: 'climate',
      newSeries: [{ id: 0, device: 'd', metric: 'state', unit: '', type: 'text', tags: [] }],
      columns: { ...columns, flags: columns.flags.fill(flagText) },
      hasSourceTime: new Uint8Array(count).fill(1),
      tokens: [],
    });
    kit.core.commit();
    const texts = askAll({ id: 2, names: [{ ...name, metric: 'state' }] }).pages.flatMap(({ block }) =>
      block === undefined ? [] : decodeReadings(block).strings,
    );
    expect(texts).toEqual(strings);
  });
});

describe('what cannot be had is told:', () => {
  it('what was written before the journal, and what was recycled', () => {
    kit.clock.advance(10_000);
    const began = kit.clock.now();
    for (let n = 0; n < 4; n++) commit(began + n);
    const [first = 0, second = 0] = [1, 2].map((id) => kit.store.readCommit(id).now);
    expect(ask({ fromMs: first - 1, toMs: first + 9_000 }).missing).toEqual([
      { reason: 'not_held', fromMs: undefined, toMs: first },
    ]);
    expect(ask({ id: 2, fromMs: first, toMs: first + 9_000 }).missing).toEqual([]);
    kit.store.deleteCommit(1);
    expect(ask({ id: 3, fromMs: first, toMs: first + 9_000 })).toMatchObject({
      missing: [{ reason: 'not_held', fromMs: undefined, toMs: second }],
    });
    kit.store.deleteCommit(3);
    const { missing } = ask({ id: 4, fromMs: second, toMs: second + 9_000 });
    expect(missing).toEqual([{ reason: 'not_held', fromMs: second, toMs: kit.store.readCommit(4).now }]);
  });

  it('when each reading came that its buffer had no room for; all others come', () => {
    kit.close();
    kit = new CoreKit({ ...calm, buffer: { ...calm.buffer, sizeBytesMax: 768 * 1024 } });
    kit.core.start();
    greet();
    const random = new SeededRandom(7);
    const written = new Map<number, number>();
    for (let n = 0; n < 150; n++) {
      const times = Array.from({ length: 1_000 }, (_, i) => kit.clock.now() - 1_000 + i);
      for (const time of times) written.set(time, kit.clock.now());
      kit.submitAll(times.map((time) => [time, random.uint32() / 1_000]));
      kit.core.commit();
      kit.hub.ackAll();
      kit.clock.advance(1_000);
    }
    const { times, pages } = askAll();
    const spans = pages.flatMap(({ missing }) => missing);
    const isDeclared = (at: number): boolean =>
      spans.some(({ fromMs = Number.NEGATIVE_INFINITY, toMs }) => at > fromMs && at < toMs);
    const came = new Set(times);
    const lost = [...written.keys()].filter((time) => !came.has(time));
    expect(lost.length).toBeGreaterThan(10_000);
    expect(times.length).toBeGreaterThan(10_000);
    expect(lost.filter((time) => !isDeclared(written.get(time) ?? 0))).toEqual([]);
    expect(times.filter((time) => isDeclared(written.get(time) ?? 0))).toEqual([]);
  });

  it('what was written last, with nothing after it, also between two pages; and what an older journal never had', () => {
    kit.clock.advance(10_000);
    for (let n = 0; n < 4; n++) commit(kit.clock.now(), kit.clock.now() + 1);
    const first = kit.store.readCommit(1).now;
    const { next } = ask({ fromMs: first, rowsMax: 2 });
    kit.core.checkpoint();
    for (const id of [2, 3, 4]) kit.store.deleteCommit(id);
    const gone = { missing: [{ reason: 'not_held', fromMs: first }], next: undefined, block: undefined };
    expect(ask({ id: 2, fromMs: first, page: 2, cursor: next })).toMatchObject(gone);
    expect(ask({ id: 3, fromMs: first })).toMatchObject({ missing: gone.missing, next: undefined });
    expect(ask({ id: 4, fromMs: first, page: 2, cursor: [900, first, 0] })).toMatchObject(gone);
    commit(kit.clock.now());
    expect(ask({ id: 5, fromMs: kit.store.readCommit(5).now }).missing).toEqual([]);
  });

  it('what is damaged; the rest comes, and the agent goes on', () => {
    for (let n = 0; n < 4; n++) commit(n);
    const { body } = kit.store.nextCommit(1) ?? { body: new Uint8Array() };
    const flipped = body.slice();
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] ?? 0) ^ 1;
    kit.db.prepare('UPDATE commits SET body = ? WHERE id = 2').run(flipped);
    const third = kit.store.readCommit(3);
    const inputs = third.inputs.map((input) => ({ ...input, bytes: input.bytes.slice(0, -1) }));
    kit.db.prepare('UPDATE commits SET body = ? WHERE id = 3').run(encodeCommit({ ...third, inputs }));
    const { missing, ...answer } = ask({ fromMs: 0, toMs: 10 });
    expect(timesIn({ missing, ...answer })).toEqual([0, 3]);
    expect(missing).toContainEqual({ reason: 'damaged', fromMs: kit.store.readCommit(1).now, toMs: third.now });
    expect(missing).toContainEqual({ reason: 'damaged', fromMs: third.now, toMs: third.now + 1 });
    commit(5);
    expect(timesIn(ask({ id: 2, fromMs: 5, toMs: 6 }))).toEqual([5]);
  });

  it('that too many ask at once', () => {
    for (let id = 1; id <= answerLimits.pendingMax + 1; id++) say({ id });
    expect(answers()).toMatchObject([{ id: answerLimits.pendingMax + 1, refused: expect.stringContaining('busy') }]);
    for (let turn = 0; turn < 50; turn++) kit.clock.advance(50);
    expect(answers().filter(({ refused }) => refused === undefined)).toHaveLength(1);
  });
});

describe('an answer', () => {
  it('waits for a place that fresh data leaves, and no batch waits for it', () => {
    kit.hub.say('pi', 'flow', encodeFlow({ agent: 'pi', window: 3 }));
    // Acks are withheld: the one place beside those of fresh data is taken by the first answer.
    say({ id: 1 });
    kit.clock.advance(100);
    say({ id: 2 });
    kit.clock.advance(1_000);
    expect(answers().map(({ id }) => id)).toEqual([1]);
    // A change beyond the deadband is a batch, which goes at once.
    kit.submitAll([[kit.clock.now(), 1e6]]);
    kit.clock.advance(200);
    expect(kit.hub.published.map(({ kind }) => kind)).toContain('batch');
    kit.hub.ackAll();
    kit.clock.advance(100);
    expect(answers().map(({ id }) => id)).toEqual([2]);
  });

  it('is not read and sent again while it is on its way, which is long on a slow link', () => {
    commit(1);
    say({});
    kit.clock.advance(1_000);
    say({});
    expect(answers()).toHaveLength(1);
    kit.hub.ackAll();
    kit.clock.advance(1_000);
    expect(answers()).toEqual([]);
    expect(timesIn(ask())).toEqual([1]);
  });

  it('is forgotten with its session; asked again in the next, it comes', () => {
    commit(1);
    say({});
    kit.hub.cut();
    kit.clock.advance(60_000);
    greet();
    kit.clock.advance(1_000);
    expect(answers()).toEqual([]);
    expect(timesIn(ask())).toEqual([1]);
  });

  it('does not leave before the welcome, not even a refusal', () => {
    kit.hub.cut();
    kit.clock.advance(60_000);
    kit.hub.events?.onOpen();
    for (let id = 1; id <= answerLimits.pendingMax + 1; id++) say({ id });
    kit.clock.advance(1_000);
    expect(new Set(kit.hub.published.map(({ kind }) => kind))).toEqual(new Set(['hello']));
    const hello = kit.hub.hello();
    if (hello !== undefined) kit.hub.say('pi', 'welcome', welcomeTo(hello));
    kit.hub.ackAll();
    kit.clock.advance(1_000);
    expect(answers()[0]).toMatchObject({ id: 2, refused: undefined });
  });

  it('does not follow what is no question to this agent', () => {
    kit.hub.say('pi', 'query', Uint8Array.of(1, 2, 3));
    say({ agent: 'other' });
    kit.clock.advance(1_000);
    expect(kit.core.isConnected).toBe(true);
    expect(answers()).toEqual([]);
    expect(ask().refused).toBeUndefined();
  });
});

/** Time passes while it is looked at. */
class BusyClock extends ManualClock {
  override monotonic(): number {
    return super.monotonic() + this.#looks++;
  }

  #looks = 0;
}

it('the journal is read in slices; what is committed between two of them comes too', () => {
  for (let n = 0; n < 40; n++) commit(n);
  const clock = new BusyClock(kit.clock.now());
  const series = new DurableSeries();
  for (const packed of kit.store.series()) series.load(packed);
  const published: Uint8Array[] = [];
  const questions = new Answers(
    { agent: 'pi', outbox: new Outbox(kit.store, 'pi'), series },
    {
      clock,
      log: silentLogger,
      mayPublish: () => true,
      isUnderWay: () => false,
      publish: (payload) => void published.push(payload),
      refuse: (payload) => void published.push(payload),
    },
  );
  questions.take(
    encodeQuery({ agent: 'pi', id: 1, page: 1, ...everything, rowsMax: 100, cursor: undefined, names: [name] }),
  );
  clock.advance(answerLimits.pauseMs);
  expect(published).toEqual([]);
  commit(40);
  let slices = 1;
  for (; published.length === 0 && slices < 1_000; slices++) clock.advance(answerLimits.pauseMs);
  expect(slices).toBeGreaterThan(10);
  expect(published.map((payload) => timesIn(decodeAnswer(payload)).length)).toEqual([41]);
});
