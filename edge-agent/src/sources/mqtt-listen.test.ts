import { pingFrame, publishFrame, subscribeFrame, WireClient } from '@fogline/shared/broker/testing/wire-client';
import { hasCode } from '@fogline/shared/errors';
import { silentLogger } from '@fogline/shared/log';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, describe, expect, it } from 'vitest';
import type { ParseConfig } from '../decoders/decoder.ts';
import type { SourceBatch } from './batch-port.ts';
import { batchWaitMsMax } from './door.ts';
import { type MqttListener, type MqttListenOptions, openMqttListener } from './mqtt-listen.ts';
import { batchBytesMax, batchRowsMax } from './source-batcher.ts';

const auto: ParseConfig = { format: 'json', metrics: 'auto' };
const clock = new ManualClock();
const batches: SourceBatch[] = [];
const clients: WireClient[] = [];
let listener: MqttListener;
let waiting: { condition: () => boolean; resolve: () => void }[] = [];

async function open(options: Partial<MqttListenOptions> = {}): Promise<void> {
  listener = await openMqttListener({
    listener: { host: '127.0.0.1', port: 0, users: {}, anonymous: 'loopback' },
    sources: [{ name: 'climate', topics: ['sensors/{device}/climate'], parse: auto }],
    ingest: {
      submit(batch) {
        // A batch crosses to a worker: it must survive that as it is.
        batches.push(structuredClone(batch));
        for (const { condition, resolve } of waiting) if (condition()) resolve();
      },
    },
    clock,
    log: silentLogger,
    ...options,
  });
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await listener.close();
  batches.length = 0;
  waiting = [];
});

async function connect(clientId = 'c', isClean = true): Promise<WireClient> {
  const client = await WireClient.connect(listener.port, { clientId, isClean });
  clients.push(client);
  return client;
}

/** Types of the frames before the answer to a ping, by which time all that was sent before has been decoded. */
async function typesUntilPong(client: WireClient): Promise<number[]> {
  client.send(pingFrame);
  const types: number[] = [];
  for (let frame = await client.next(); frame?.type !== 13; frame = await client.next()) types.push(frame?.type ?? 0);
  return types;
}

function submitted(count: number): Promise<void> {
  const condition = (): boolean => batches.length >= count;
  if (condition()) return Promise.resolve();
  return new Promise((resolve) => waiting.push({ condition, resolve }));
}

function releaseAll(): void {
  for (const { source, tokens } of batches) listener.release(source, tokens);
}

function publish(device: string, payload: string, qos: 0 | 1 | 2 = 1, id = 1): Buffer {
  return publishFrame(`sensors/${device}/climate`, payload, { qos, id });
}

const puback = 4;

describe('a batch', () => {
  it('gathers for 10 ms what came, in order of arrival, with tokens and the new definitions', async () => {
    await open();
    const client = await connect();
    client.send(publish('b', '{"t":1,"on":true}', 1, 1), publish('a', '{"t":2}', 0), publish('b', '{"t":3}', 2, 2));
    expect(await typesUntilPong(client)).toEqual([]);
    clock.advance(batchWaitMsMax - 1);
    expect(batches).toEqual([]);
    clock.advance(1);
    expect(batches.length).toBe(1);
    const { source, newSeries, columns, hasSourceTime, tokens } = batches[0] as SourceBatch;
    expect(source).toBe('climate');
    expect(newSeries.map(({ id, device, metric, type }) => [id, device, metric, type])).toEqual([
      [0, 'b', 't', 'number'],
      [1, 'b', 'on', 'boolean'],
      [2, 'a', 't', 'number'],
    ]);
    expect([...columns.series]).toEqual([0, 1, 2, 0]);
    expect([...columns.value]).toEqual([1, 1, 2, 3]);
    expect([...hasSourceTime]).toEqual([0, 0, 0, 0]);
    expect(tokens.length).toBe(2);
    client.send(publish('c', '{"t":4}', 0), publish('a', '{"t":5}', 0));
    await typesUntilPong(client);
    clock.advance(batchWaitMsMax);
    expect(batches[1]?.newSeries.map(({ id, device }) => [id, device])).toEqual([[3, 'c']]);
    expect([...(batches[1] as SourceBatch).columns.series]).toEqual([3, 2]);
  });

  it('is submitted at once when it has its most rows or bytes', async () => {
    await open();
    const client = await connect();
    for (let row = 0; row < batchRowsMax; row++) client.send(publish('d', `{"t":${row}}`, 0));
    await submitted(1);
    expect(batches[0]?.columns.count).toBe(batchRowsMax);
    const payload = `{"t":1,"pad":"${'x'.repeat(60_000)}"}`;
    for (let bytes = 0; bytes < batchBytesMax; bytes += payload.length) client.send(publish('d', payload, 0));
    await submitted(2);
    expect(batches[1]?.columns.count).toBe(Math.ceil(batchBytesMax / payload.length));
  });

  it('carries captures other than the device as tags, sorted; without {device} the source is the device', async () => {
    await open({
      sources: [
        { name: 'a', topics: ['{site}/{floor}/{device}'], parse: auto },
        { name: 'b', topics: ['weather'], parse: auto },
      ],
    });
    const client = await connect();
    client.send(publishFrame('north/2/d1', '{"t":1}'), publishFrame('weather', '{"t":2}'));
    await typesUntilPong(client);
    clock.advance(batchWaitMsMax);
    expect(batches.map(({ source, newSeries }) => [source, newSeries[0]?.device, newSeries[0]?.tags])).toEqual([
      [
        'a',
        'd1',
        [
          ['floor', '2'],
          ['site', 'north'],
        ],
      ],
      ['b', 'b', []],
    ]);
  });
});

describe('an ack', () => {
  it('leaves when its token is released, and not before; a subscriber gets the message then too', async () => {
    await open();
    const [client, reader] = [await connect('sensor'), await connect('reader')];
    reader.send(subscribeFrame(1, ['#', 0]));
    await reader.next();
    client.send(publish('d', '{"t":1}', 1, 9));
    expect(await typesUntilPong(client)).toEqual([]);
    clock.advance(batchWaitMsMax);
    expect(await typesUntilPong(client)).toEqual([]);
    expect(await typesUntilPong(reader)).toEqual([]);
    releaseAll();
    expect((await client.next())?.body.readUInt16BE(0)).toBe(9);
    expect((await reader.next())?.type).toBe(3);
  });

  it('of a message that gave no rows waits for its turn and is not forgotten', async () => {
    await open();
    const client = await connect();
    client.send(publish('d', '{"t":1}', 1, 1), publish('d', 'junk', 1, 2), publish('', '{"t":1}', 1, 3));
    expect(await typesUntilPong(client)).toEqual([]);
    clock.advance(batchWaitMsMax);
    expect(batches[0]).toMatchObject({
      columns: { count: 1 },
      tokens: [expect.anything(), expect.anything(), expect.anything()],
    });
    releaseAll();
    expect(await typesUntilPong(client)).toEqual([puback, puback, puback]);
    expect(listener.sourceCounters('climate')).toEqual({
      readings: 1,
      series: 1,
      rejected: { junk_json: 1, device_name_invalid: 1 },
    });
  });

  it('of a topic that is no source’s leaves at once, in its order; the message goes to local subscribers', async () => {
    await open();
    const [client, reader] = [await connect('sensor'), await connect('reader')];
    reader.send(subscribeFrame(1, ['#', 0]));
    await reader.next();
    client.send(publishFrame('other', 'x', { qos: 1, id: 1 }));
    expect((await client.next())?.type).toBe(puback);
    expect((await reader.next())?.type).toBe(3);
    client.send(publish('d', '{"t":1}', 1, 2), publishFrame('other', 'x', { qos: 1, id: 3 }));
    expect(await typesUntilPong(client)).toEqual([]);
    clock.advance(batchWaitMsMax);
    releaseAll();
    expect([(await client.next())?.body[1], (await client.next())?.body[1]]).toEqual([2, 3]);
    expect(listener.counters()).toMatchObject({ topic_unmatched: 2 });
  });

  it('released for a token that is unknown, or a client that is gone, hurts nobody', async () => {
    await open();
    const client = await connect();
    client.send(publish('d', '{"t":1}'));
    await typesUntilPong(client);
    client.destroy();
    await client.closed;
    clock.advance(batchWaitMsMax);
    releaseAll();
    releaseAll();
    listener.release('unknown', [1]);
    expect(await typesUntilPong(await connect('next'))).toEqual([]);
  });
});

describe('overload', () => {
  it('withholds acks, drops and counts QoS 0, and takes what waited in order when it is over', async () => {
    await open();
    const client = await connect();
    listener.pause();
    client.send(publish('d', '{"t":1}', 1, 1), publish('d', '{"t":2}', 0), publish('d', '{"t":3}', 2, 2));
    expect(await typesUntilPong(client)).toEqual([]);
    clock.advance(1_000);
    expect(batches).toEqual([]);
    expect(listener.sourceCounters('climate').rejected).toEqual({ qos0_dropped_overload: 1 });
    listener.resume();
    clock.advance(batchWaitMsMax);
    expect([...(batches[0] as SourceBatch).columns.value]).toEqual([1, 3]);
    releaseAll();
    expect(await typesUntilPong(client)).toEqual([puback, 5]);
  });

  it('forgets what a client that left wanted to hand over: its redelivery counts once', async () => {
    await open();
    listener.pause();
    for (let attempt = 0; attempt < 3; attempt++) {
      const client = await connect('c', false);
      client.send(publish('d', '{"t":1}', 1, 1), publish('d', '{"t":2}', 2, 2));
      await typesUntilPong(client);
      if (attempt === 2) break;
      client.destroy();
      await client.closed;
    }
    // The broker has seen the end of each earlier connection, because the same client id connected again.
    listener.resume();
    clock.advance(batchWaitMsMax);
    expect([...(batches[0] as SourceBatch).columns.value]).toEqual([1, 2]);
    releaseAll();
    expect(await typesUntilPong(clients.at(-1) as WireClient)).toEqual([puback, 5]);
  });

  it('stops again when the core pauses while it takes what waited', async () => {
    const submitted: SourceBatch[] = [];
    const sources = [{ name: 'climate', topics: ['sensors/{device}/climate'], parse: auto }];
    await open({
      sources,
      ingest: {
        submit(batch) {
          submitted.push(batch);
          listener.pause();
        },
      },
    });
    listener.pause();
    const client = await connect();
    const payload = `{"t":1,"pad":"${'x'.repeat(50_000)}"}`;
    for (let id = 1; id <= 12; id++) client.send(publish('d', payload, 1, id));
    await typesUntilPong(client);
    listener.resume();
    expect(submitted.map(({ tokens }) => tokens.length)).toEqual([6]);
    listener.resume();
    expect(submitted.map(({ tokens }) => tokens.length)).toEqual([6, 6]);
  });
});

describe('what became no reading', () => {
  it('is reported with the message it is about; what is harmless without', async () => {
    const reported: (readonly [string, string, string, string | undefined])[] = [];
    const metrics = ['t', 'u'].map((name) => ({ name, field: name, unit: '', type: 'number' as const }));
    await open({
      sources: [{ name: 'climate', topics: ['sensors/{device}/climate'], parse: { format: 'json', metrics } }],
      onRejected: (source, reason, topic, payload) =>
        reported.push([source, reason, topic, payload === undefined ? undefined : Buffer.from(payload).toString()]),
    });
    const client = await connect();
    client.send(publish('d', 'junk'), publish('d', '{"t":"1","u":2}'), publish('d', '{"t":1}'), publish('', '{"t":1}'));
    client.send(publishFrame('other', 'x'));
    await typesUntilPong(client);
    listener.pause();
    client.send(publish('d', '{"t":1,"u":1}', 0));
    await typesUntilPong(client);
    expect(reported).toEqual([
      ['climate', 'junk_json', 'sensors/d/climate', 'junk'],
      ['climate', 'wrong_type', 'sensors/d/climate', '{"t":"1","u":2}'],
      ['climate', 'field_missing', 'sensors/d/climate', undefined],
      ['climate', 'device_name_invalid', 'sensors//climate', '{"t":1}'],
      ['climate', 'qos0_dropped_overload', 'sensors/d/climate', '{"t":1,"u":1}'],
    ]);
  });
});

describe('the door', () => {
  it('needs credentials or a word beyond loopback', async () => {
    await open();
    const wide = { host: '0.0.0.0', port: 0, users: {}, anonymous: 'loopback' as const };
    const error: unknown = await openMqttListener({
      listener: wide,
      sources: [],
      ingest: { submit() {} },
      clock,
      log: silentLogger,
    }).catch((reason: unknown) => reason);
    expect(hasCode(error, 'config_invalid')).toBe(true);
  });

  it('refuses a client without password where users are set', async () => {
    await open({ listener: { host: '127.0.0.1', port: 0, users: { ann: 'right' }, anonymous: 'nobody' } });
    await expect(connect()).rejects.toThrow(/not accepted/);
    const client = await WireClient.connect(listener.port, { username: 'ann', password: 'right' });
    clients.push(client);
    expect(listener.connectionCount()).toBe(1);
  });

  it('submits what was decoded when it closes', async () => {
    await open();
    const client = await connect();
    client.send(publish('d', '{"t":1}', 0));
    await typesUntilPong(client);
    await listener.close();
    expect(batches[0]?.columns.count).toBe(1);
  });
});
