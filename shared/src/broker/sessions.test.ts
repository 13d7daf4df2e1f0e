import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { topicMatches } from '../topic-filter.ts';
import { defaultGateLimits, type GateLimits } from './gate-limits.ts';
import { Sessions, type StoredPacket } from './sessions.ts';
import { SubscriptionTree } from './subscription-tree.ts';

function open(limits: Partial<GateLimits> = {}): { sessions: Sessions; counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  const sessions = new Sessions({ ...defaultGateLimits, ...limits }, (reason) => {
    counts[reason] = (counts[reason] ?? 0) + 1;
  });
  return { sessions, counts };
}

function packet(topic: string, payload: string, counter = 1): StoredPacket {
  const bytes = Buffer.from(payload);
  return { cmd: 'publish', topic, payload: bytes, qos: 1, retain: false, brokerId: 'b', brokerCounter: counter };
}

async function retained(sessions: Sessions, filter: string): Promise<string[]> {
  const found: string[] = [];
  for await (const one of sessions.createRetainedStream(filter)) found.push((one as StoredPacket).payload.toString());
  return found.sort();
}

async function subscribe(sessions: Sessions, id: string, filter: string): Promise<{ id: string }> {
  const client = { id };
  sessions.begin(client, false, undefined).granted.add(filter);
  await sessions.addSubscriptions(client, [{ topic: filter, qos: 1 }]);
  return client;
}

describe('retained messages', () => {
  it('are bounded by topics: one more topic is not retained, a known one is replaced', async () => {
    const { sessions, counts } = open({ retainedTopicsMax: 2 });
    for (const topic of ['a', 'b', 'c']) await sessions.storeRetained(packet(topic, topic));
    await sessions.storeRetained(packet('a', 'a2'));
    expect(await retained(sessions, '#')).toEqual(['a2', 'b']);
    expect(counts).toEqual({ retained_dropped: 1 });
  });

  it('are bounded by bytes, and an empty payload gives its bytes back', async () => {
    const { sessions, counts } = open({ retainedBytesMax: 100 });
    await sessions.storeRetained(packet('a', 'x'.repeat(90)));
    await sessions.storeRetained(packet('b', 'y'.repeat(20)));
    expect(await retained(sessions, '+')).toEqual(['x'.repeat(90)]);
    await sessions.storeRetained(packet('a', ''));
    await sessions.storeRetained(packet('b', 'y'.repeat(20)));
    expect(await retained(sessions, '+')).toEqual(['y'.repeat(20)]);
    expect(counts).toEqual({ retained_dropped: 1 });
  });

  it('rather forget a topic than keep a value that was replaced by one too large', async () => {
    const { sessions } = open({ retainedBytesMax: 50 });
    await sessions.storeRetained(packet('a', 'old'));
    await sessions.storeRetained(packet('a', 'x'.repeat(90)));
    expect(await retained(sessions, 'a')).toEqual([]);
  });

  it('keep a copy: the buffer of the socket is not held', async () => {
    const { sessions } = open();
    const one = packet('a', 'before');
    await sessions.storeRetained(one);
    one.payload.fill(0);
    expect(await retained(sessions, 'a')).toEqual(['before']);
  });
});

describe('the queue of an offline session', () => {
  it('is bounded in messages and bytes: new ones are dropped and counted', async () => {
    for (const limits of [{ offlineMessagesMax: 3 }, { offlineBytesMax: 15 }]) {
      const { sessions, counts } = open(limits);
      const client = await subscribe(sessions, 'c', 'a');
      for (let i = 0; i < 5; i++) {
        await sessions.outgoingEnqueueCombi(await sessions.subscriptionsByTopic('a'), packet('a', `five${i}`, i + 1));
      }
      const queued: string[] = [];
      for await (const one of sessions.outgoingStream(client)) queued.push((one as StoredPacket).payload.toString());
      expect(queued).toEqual(['five0', 'five1', 'five2']);
      expect(counts).toEqual({ offline_queue_full: 2 });
    }
  });

  it('gives room back when messages are acked', async () => {
    const { sessions, counts } = open({ offlineMessagesMax: 1, offlineBytesMax: 10 });
    const client = await subscribe(sessions, 'c', 'a');
    for (let i = 1; i <= 20; i++) {
      await sessions.outgoingEnqueue({ clientId: 'c' }, packet('a', '0123456789', i));
      await sessions.outgoingUpdate(client, { ...packet('a', '', i), messageId: i });
      expect((await sessions.outgoingClearMessageId(client, { messageId: i }))?.brokerCounter).toBe(i);
    }
    expect(counts).toEqual({});
  });
});

describe('sessions', () => {
  it('are bounded: the one that is offline for longest is forgotten, none that is online', async () => {
    const { sessions, counts } = open({ sessionsMax: 3 });
    const began = ['a', 'b', 'c'].map((id) => sessions.begin({ id }, false, undefined));
    for (const index of [1, 0]) sessions.end(began[index] as NonNullable<(typeof began)[number]>);
    sessions.begin({ id: 'd' }, false, undefined);
    expect(counts).toEqual({ session_evicted: 1 });
    expect(sessions.begin({ id: 'a' }, false, undefined)).toBe(began[0]);
    expect(sessions.begin({ id: 'c' }, false, undefined)).toBe(began[2]);
    expect(sessions.begin({ id: 'b' }, false, undefined)).not.toBe(began[1]);
  });

  it('do not pass to another user of the same client id', async () => {
    const { sessions } = open();
    const first = sessions.begin({ id: 'c' }, false, 'alice');
    first.granted.add('secret');
    await sessions.outgoingEnqueue({ clientId: 'c' }, packet('secret', 'hers'));
    const other = { id: 'c' };
    expect(sessions.begin(other, false, 'mallory')).not.toBe(first);
    expect(await sessions.outgoingStream(other).toArray()).toEqual([]);
  });

  it('store granted filters only, though the broker asks to store all of a SUBSCRIBE', async () => {
    const { sessions } = open();
    const client = { id: 'c' };
    sessions.begin(client, false, undefined).granted.add('mine');
    await sessions.addSubscriptions(client, [
      { topic: 'mine', qos: 1 },
      { topic: 'forbidden', qos: 1 },
    ]);
    expect(await sessions.subscriptionsByTopic('forbidden')).toEqual([]);
    expect(await sessions.subscriptionsByClient({ id: 'c' })).toEqual([{ topic: 'mine', qos: 1 }]);
  });
});

describe('SubscriptionTree', () => {
  const level = fc.constantFrom('a', 'b', '', '$x');
  const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
  const filter = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, isOpen]) => (isOpen ? [...levels, '#'] : levels).join('/'));

  it('finds exactly the clients whose filter matches, with their highest QoS, also after deletions', () => {
    const operations = fc.array(fc.tuple(filter, fc.constantFrom('c1', 'c2', 'c3'), fc.constantFrom(-1, 1, 2)));
    fc.assert(
      fc.property(operations, topic, (steps, name) => {
        const tree = new SubscriptionTree();
        const model = new Map<string, number>();
        for (const [one, client, qos] of steps) {
          if (qos < 0) {
            tree.delete(one, client);
            model.delete(`${client} ${one}`);
          } else {
            tree.set(one, client, qos);
            model.set(`${client} ${one}`, qos);
          }
        }
        const expected = new Map<string, number>();
        for (const [key, qos] of model) {
          const client = key.slice(0, 2);
          if (topicMatches(key.slice(3), name)) expected.set(client, Math.max(expected.get(client) ?? 0, qos));
        }
        expect(tree.match(name)).toEqual(expected);
        expect(tree.size).toBe(model.size);
      }),
      { numRuns: 1_000 },
    );
  });
});
