import { decodeReadings } from '@fogline/shared/codec/readings';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import {
  decodeBatch,
  decodeHello,
  decodeReported,
  decodeSeries,
  encodeFlow,
  type Hello,
  type Welcome,
} from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import { afterEach, describe, expect, it } from 'vitest';
import type { CoreConfig } from '../core-config.ts';
import { overheat, withAlarms } from '../testing/alarm-kit.ts';
import { CoreKit, coreConfig } from '../testing/core-kit.ts';
import { welcomeTo } from './testing/stub-hub.ts';

let kit: CoreKit;
afterEach(() => kit.close());

function start(config: CoreConfig = coreConfig): void {
  kit = new CoreKit(config);
  kit.core.start();
}

function hello(): Hello {
  const found = kit.hub.hello();
  if (found === undefined) throw new Error('the agent said no hello');
  return found;
}

/** Opens the connection and answers its hello. */
function greet(more: Partial<Welcome> = {}): void {
  kit.hub.events?.onOpen();
  kit.hub.say('pi', 'welcome', welcomeTo(hello(), more));
}

/** Waits for the agent to try again. */
function untilOpened(times: number): void {
  for (let waited = 0; waited < 300 && kit.hub.opened < times; waited++) kit.clock.advance(1000);
  expect(kit.hub.opened).toBe(times);
}

const kinds = (): string[] => kit.hub.published.map(({ kind }) => kind);

function payloads(kind: string): Uint8Array[] {
  return kit.hub.published.filter((message) => message.kind === kind).map(({ payload }) => payload);
}

function batches(): { first: number; last: number }[] {
  return payloads('batch').map((payload) => {
    const { first, last } = decodeBatch(payload);
    return { first, last };
  });
}

/** Commits one reading, and seals it when there is room in the window. */
function produce(): void {
  kit.clock.advance(50);
  kit.submit(kit.clock.now(), 1);
  kit.clock.advance(50);
}

describe('a session', () => {
  it('begins with hello, and nothing else leaves before the welcome', () => {
    start();
    produce();
    kit.hub.events?.onOpen();
    produce();
    kit.core.checkpoint();
    kit.core.report();
    kit.clock.advance(5000);
    expect(new Set(kinds())).toEqual(new Set(['hello']));
    kit.hub.say('pi', 'flow', encodeFlow({ agent: 'pi', window: 9 }));
    expect(new Set(kinds())).toEqual(new Set(['hello']));
    kit.hub.say('pi', 'welcome', welcomeTo(hello()));
    expect(kinds().slice(0, 4)).toEqual(['hello', 'series', 'status', 'batch']);
  });

  it('pages hello, and waits for every page of the welcome, in any order, whatever slips in between', () => {
    kit = new CoreKit();
    const epochs = protocolLimits.epochsPerPageMax * 2 + 5;
    for (let n = 1; n < epochs; n++) {
      kit.submit(n, n);
      kit.core.commit();
      kit.open();
    }
    kit.core.start();
    kit.hub.events?.onOpen();
    const pages = payloads('hello').map(decodeHello);
    expect(pages.map(({ page, pages, epochs }) => [page, pages, epochs.length])).toEqual([
      [1, 3, 64],
      [2, 3, 64],
      [3, 3, 5],
    ]);
    const [first, second, third] = pages;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three pages');
    kit.hub.say('pi', 'welcome', welcomeTo(third));
    // The hub asks for definitions of its own accord: one page, one epoch, in the session of the last hello.
    kit.hub.say('pi', 'welcome', welcomeTo({ ...first, pages: 1, epochs: first.epochs.slice(0, 1) }));
    kit.hub.say('pi', 'welcome', welcomeTo(second));
    kit.hub.say('pi', 'welcome', welcomeTo(second));
    kit.hub.say('pi', 'welcome', welcomeTo({ ...second, page: 4 }));
    expect(kit.core.isConnected).toBe(false);
    kit.hub.say('pi', 'welcome', welcomeTo(first));
    expect(kit.core.isConnected).toBe(true);
    for (let n = 0; n < 600; n++) {
      kit.hub.ackAll();
      kit.clock.advance(50);
    }
    expect(kit.core.status().queuedItems).toEqual([0, 0, 0, 0]);
  });

  it('takes no answer to an earlier hello, or to another process, for its own', () => {
    start();
    kit.hub.events?.onOpen();
    kit.hub.say('pi', 'welcome', welcomeTo({ ...hello(), session: hello().session + 1 }));
    kit.hub.say('pi', 'welcome', welcomeTo({ ...hello(), current: 'ffffffffffffffff' }));
    expect(kit.core.isConnected).toBe(false);
    const before = hello();
    kit.hub.say('pi', 'welcome', welcomeTo(before));
    expect(kit.core.isConnected).toBe(true);
    kit.hub.published.length = 0;
    kit.hub.say('pi', 'welcome', welcomeTo({ ...before, session: before.session + 1 }));
    kit.hub.say('pi', 'welcome', welcomeTo({ ...before, current: 'ffffffffffffffff' }));
    expect(kinds()).toEqual([]);
    expect(kit.core.isConnected).toBe(true);
  });

  it('says hello again on the same connection when the hub knows less than it did', () => {
    start();
    greet();
    produce();
    const said = hello();
    kit.hub.ackAll();
    kit.hub.say('pi', 'welcome', welcomeTo(said));
    expect(kit.hub.opened).toBe(1);
    expect(kinds()).toEqual(['hello']);
    kit.hub.say('pi', 'welcome', welcomeTo(hello()));
    // It holds nothing any more: definitions and batch go again.
    expect(kinds()).toEqual(['hello', 'series', 'status', 'batch']);
  });

  it('ends within seconds when the link goes silent while batches wait for their acks', () => {
    start();
    greet();
    kit.hub.ackAll();
    produce();
    kit.hub.isSilent = true;
    kit.clock.advance(8_000);
    expect(kit.hub.pings).toBe(1);
    expect(kit.core.isConnected).toBe(true);
    kit.clock.advance(5_000);
    expect(kit.core.isConnected).toBe(false);
    untilOpened(2);
    // Nothing answers there either: the next attempt comes soon.
    kit.clock.advance(12_000);
    untilOpened(3);
  });

  it('goes on for minutes with a hub that answers pings and withholds its acks, and not for ever', () => {
    start();
    greet();
    kit.hub.ackAll();
    produce();
    kit.clock.advance(290_000);
    expect(kit.core.isConnected).toBe(true);
    expect(kit.hub.opened).toBe(1);
    kit.clock.advance(20_000);
    expect(kit.core.isConnected).toBe(false);
  });

  it('is not doubted while nothing waits for the hub', () => {
    start();
    greet();
    kit.hub.ackAll();
    kit.hub.isSilent = true;
    kit.clock.advance(200_000);
    kit.hub.ackAll();
    expect(kit.hub.pings).toBe(0);
    expect(kit.core.isConnected).toBe(true);
  });

  it('ends when the hub refuses the agent, keeps everything, and tries again later', () => {
    start();
    produce();
    greet({ refused: 'cloned' });
    expect(kit.core.isConnected).toBe(false);
    expect(kit.hub.events).toBeUndefined();
    untilOpened(2);
    greet();
    expect(batches()).toEqual([{ first: 1, last: 1 }]);
  });

  it('ends when the hub does not take every epoch: what it does not know it would quarantine', () => {
    kit = new CoreKit();
    produce();
    kit.open();
    kit.core.start();
    kit.hub.events?.onOpen();
    const { epochs } = hello();
    expect(epochs).toHaveLength(2);
    kit.hub.say('pi', 'welcome', welcomeTo({ ...hello(), epochs: epochs.slice(1) }));
    expect(kit.core.isConnected).toBe(false);
    expect(batches()).toEqual([]);
  });

  it.each([
    ['does not come about', () => undefined],
    ['is not greeted', () => kit.hub.events?.onOpen()],
    [
      'brings a message that is none',
      () => {
        kit.hub.events?.onOpen();
        kit.hub.say('pi', 'welcome', Uint8Array.of(1, 2, 3));
      },
    ],
    [
      'falls silent',
      () => {
        greet();
        kit.hub.isSilent = true;
        produce();
      },
    ],
  ])('ends and is begun anew when it %s', (_name, begin) => {
    start();
    begin();
    expect(kit.hub.opened).toBe(1);
    untilOpened(2);
    greet();
    expect(kit.core.isConnected).toBe(true);
  });
});

describe('definitions', () => {
  it('precede the batches that use them, also of what could not be sealed at once', () => {
    start({ ...coreConfig, uplink: { ...coreConfig.uplink, window: 1 } });
    greet();
    produce();
    expect(kinds()).toEqual(['hello', 'status', 'series', 'batch']);
    // The window is full: what comes now becomes backlog, with a series the hub has not heard of.
    kit.core.submit({
      source: 'climate',
      newSeries: [{ id: 1, device: 'new', metric: 't', unit: '', type: 'number', tags: [] }],
      columns: {
        count: 1,
        series: Uint32Array.of(1),
        time: Float64Array.of(7),
        value: Float64Array.of(7),
        flags: new Uint8Array(1),
        strings: [],
      },
      hasSourceTime: new Uint8Array(1),
      tokens: [],
    });
    kit.clock.advance(15_000);
    expect(batches()).toEqual([{ first: 1, last: 1 }]);
    kit.hub.ackAll();
    expect(kinds()).toEqual(['series', 'batch']);
    expect(payloads('series').map(decodeSeries)).toMatchObject([{ first: 1, definitions: [{ device: 'new' }] }]);
  });

  it('of a parent that produced nothing are told by the child that uses them', () => {
    const stats = { everyMs: 10_000, latenessMs: 0, hasSketch: false };
    const windowsOnly = {
      ...coreConfig,
      pipelines: [{ name: 'stats', from: 'climate', window: stats, lane: 2 as const }],
    };
    kit = new CoreKit(windowsOnly);
    produce();
    kit.open(windowsOnly);
    kit.core.start();
    kit.clock.advance(25_000);
    kit.hub.events?.onOpen();
    const { epochs } = hello();
    expect(epochs.map(({ last, seriesBase, seriesCount }) => [last[2], seriesBase, seriesCount])).toEqual([
      [0, 0, 1],
      [1, 1, 2],
    ]);
    kit.hub.say('pi', 'welcome', welcomeTo(hello()));
    expect(kinds()).toEqual(['hello', 'series', 'status', 'batch']);
    expect(payloads('series').map(decodeSeries)).toMatchObject([{ epoch: epochs[1]?.epoch, first: 0 }]);
    expect(decodeSeries(payloads('series')[0] ?? new Uint8Array()).definitions).toHaveLength(2);
  });

  it('of streams that stay here never leave, and what is sent is known by its own, also after a stream changed sides', () => {
    const calm = { name: 'calm', from: 'climate', only: ['t'], lane: 2 as const };
    const within = { ...calm, name: 'within' };
    const streams = new Set<string>();
    const used = new Set<string>();
    const hear = (): void => {
      const byId = new Map<number, string>();
      for (const { first, definitions } of payloads('series').map(decodeSeries))
        for (const [at, { stream }] of definitions.entries()) byId.set(first + at, stream);
      for (const stream of byId.values()) streams.add(stream);
      for (const { bytes } of payloads('batch').flatMap((payload) => [...decodeBatch(payload).parts]))
        for (const id of decodeReadings(bytes).series) used.add(byId.get(id) ?? `${id} is unknown`);
      kit.hub.ackAll();
    };
    start({ ...coreConfig, pipelines: [calm, { ...within, isLocal: true }], alarms: withAlarms(overheat).alarms });
    produce();
    greet();
    produce();
    hear();
    expect([[...streams], [...used]]).toEqual([['calm'], ['calm']]);
    kit.open({ ...coreConfig, pipelines: [within, { ...calm, isLocal: true }] });
    kit.core.start();
    greet();
    produce();
    hear();
    expect([[...streams].sort(), [...used].sort()]).toEqual([
      ['calm', 'within'],
      ['calm', 'within'],
    ]);
  });

  it('of an agent that sends nothing are not told at all', () => {
    start({ ...coreConfig, pipelines: [{ name: 'within', from: 'climate', lane: 2, isLocal: true }] });
    greet();
    produce();
    kit.hub.ackAll();
    expect(payloads('series')).toEqual([]);
  });

  it('that the hub knows are not told again, nor those that a child inherits', () => {
    kit = new CoreKit();
    produce();
    kit.open();
    kit.core.start();
    produce();
    kit.hub.events?.onOpen();
    const held = () => hello().queued.map(() => SeqRanges.empty());
    const known = hello().epochs.map(({ epoch }, index) => ({ epoch, seriesKnown: index === 0 ? 1 : 0, held: held() }));
    kit.hub.say('pi', 'welcome', welcomeTo(hello(), { epochs: known }));
    expect(kinds()).toEqual(['hello', 'status', 'batch', 'batch'].slice(0, kinds().length));
    expect(kinds()).not.toContain('series');
  });
});

describe('the window', () => {
  it('bounds what is in flight, as the hub and the configuration say, and follows it up and down', () => {
    start({ ...coreConfig, uplink: { ...coreConfig.uplink, window: 8 } });
    greet({ window: 4 });
    const inFlight = (): number => batches().length;
    for (let n = 0; n < 12; n++) produce();
    expect(inFlight()).toBe(4);
    kit.hub.say('pi', 'flow', encodeFlow({ agent: 'pi', window: 6 }));
    for (let n = 0; n < 12; n++) produce();
    // No more than the welcome allowed.
    expect(inFlight()).toBe(4);
    kit.hub.ackAll();
    kit.clock.advance(100);
    kit.hub.ackAll();
    kit.hub.say('pi', 'flow', encodeFlow({ agent: 'pi', window: 1 }));
    for (let n = 0; n < 12; n++) produce();
    expect(inFlight()).toBe(1);
    kit.hub.say('pi', 'flow', encodeFlow({ agent: 'pi', window: 3 }));
    kit.clock.advance(100);
    // More is sealed at once, without waiting for an ack.
    expect(inFlight()).toBe(2);
    for (let n = 0; n < 12; n++) produce();
    expect(inFlight()).toBe(3);
  });

  it('of a session that ended holds nothing back in the next, and every batch goes again as it was', () => {
    start();
    greet();
    produce();
    produce();
    const [first, second] = payloads('batch');
    if (first === undefined || second === undefined) throw new Error('two batches');
    kit.hub.cut();
    untilOpened(2);
    greet();
    // The first goes again; the hub does not get to ack it.
    expect(batches()).toEqual([{ first: 1, last: 1 }]);
    const sent = payloads('batch');
    kit.hub.cut();
    untilOpened(3);
    greet();
    for (let n = 0; n < 5; n++) {
      sent.push(...payloads('batch'));
      kit.hub.ackAll();
    }
    kit.core.checkpoint();
    for (const before of [first, second])
      expect(sent.some((payload) => Buffer.compare(payload, before) === 0)).toBe(true);
    expect(kit.core.status().queuedItems).toEqual([0, 0, 0, 0]);
  });
});

describe('the account', () => {
  it('is told until the hub confirms it as it stands', () => {
    start();
    greet();
    produce();
    kit.clock.advance(11_000);
    const [told] = payloads('reported').map(decodeReported);
    expect(told?.rows).toMatchObject([{ lane: 2, produced: 1, queued: 1 }]);
    // The ack of the batch changes it before the report is confirmed.
    kit.hub.ackAll();
    kit.clock.advance(11_000);
    const later = payloads('reported').map(decodeReported);
    expect(later.at(-1)?.rows).toMatchObject([{ lane: 2, produced: 1, queued: 0, evicted: 0 }]);
    kit.hub.ackAll();
    kit.clock.advance(30_000);
    expect(payloads('reported')).toEqual([]);
  });
});
