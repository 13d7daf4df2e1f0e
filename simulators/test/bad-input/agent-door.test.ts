/** Bad input at the agent's door for sensors, on a real agent with a real hub behind it. */
import {
  connectFrame,
  disconnectFrame,
  publishFrame,
  subscribeFrame,
  WireClient,
} from '@fogline/shared/broker/testing/wire-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { damagedPackets, garbage, truncatedConnects, wrongLengths } from './mqtt-bytes.ts';
import {
  ackOf,
  type Ceiling,
  framesUntilEnd,
  openRig,
  packet,
  patienceMs,
  type Rig,
  residentMaxMiB,
  sendAndEnd,
} from './rig.ts';

let rig: Rig;
let port: number;
/** Opened first, looked at late: a CONNECT that never comes is waited for 10 s. */
let mute: WireClient;
let ceiling: Ceiling = residentMaxMiB.usual;
const now = Date.now();

beforeAll(async () => {
  rig = await openRig('agent-door');
  port = rig.system.mqttPort;
  await rig.expectSound();
  mute = await WireClient.open(port);
  mute.send(connectFrame().subarray(0, 5));
});

afterEach(() => rig.expectSound(ceiling));

afterAll(() => rig.close());

const connected = (clientId = 'hostile', more: Parameters<typeof connectFrame>[0] = {}): Promise<WireClient> =>
  WireClient.connect(port, { clientId, ...more });

const reading = (value: number, timeMs = now): string => JSON.stringify({ ts: timeMs, temp: value });

describe('what is no MQTT ends its connection, and no other:', () => {
  it('every truncation of a CONNECT, and wrong remaining lengths', async () => {
    for (const bytes of [...truncatedConnects(), ...wrongLengths()])
      expect(await sendAndEnd(port, bytes)).not.toContain(packet.publish);
  });

  it('seeded garbage before and after CONNECT', async () => {
    for (const bytes of garbage(60)) await sendAndEnd(port, bytes);
    for (const bytes of [...garbage(30), ...damagedPackets(120)])
      await sendAndEnd(port, Buffer.concat([connectFrame({ clientId: 'hostile' }), bytes]));
  });

  it('a frame that announces more than is allowed, before CONNECT', async () => {
    await rig.expectCounted('agent', 'agent_broker_total', 'frame_too_large', 2, async () => {
      await sendAndEnd(port, Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
      await sendAndEnd(port, connectFrame({ clientId: 'x'.repeat(5_000) }));
    });
  });

  it('payloads of 10 MB, after CONNECT: refused from the header, never acked', async () => {
    const payload = Buffer.alloc(10_000_000, 0x20);
    await rig.expectCounted('agent', 'agent_broker_total', 'frame_too_large', 5, async () => {
      await Promise.all(
        Array.from({ length: 5 }, async (_, n) => {
          const client = await connected(`big${n}`);
          client.send(publishFrame('sensors/big/climate', payload, { qos: 1 }));
          expect(await framesUntilEnd(client)).toEqual([]);
        }),
      );
    });
    expect(await rig.atHub('big')).toEqual([]);
  });
});

describe('what is no reading is acked, counted by reason, and kept out:', () => {
  it.each([
    ['no JSON', 'junk_json', 'junk'],
    ['an empty payload', 'junk_json', ''],
    ['bytes that are no UTF-8', 'junk_json', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['JSON cut short', 'junk_json', reading(1).slice(0, -1)],
    ['JSON nested 30,000 deep', 'not_object', '['.repeat(30_000) + ']'.repeat(30_000)],
    ['NaN', 'junk_json', `{"ts":${now},"temp":NaN}`],
    ['Infinity', 'junk_json', `{"ts":${now},"temp":-Infinity}`],
    ['1e999', 'not_finite', `{"ts":${now},"temp":1e999}`],
    ['a number in quotes', 'wrong_type', `{"ts":${now},"temp":"21.5"}`],
    ['a boolean for a number', 'wrong_type', `{"ts":${now},"temp":true}`],
    ['an object for a number', 'wrong_type', `{"ts":${now},"temp":{"toString":1}}`],
    ['a list of no objects', 'not_object', '[1]'],
    ['null', 'not_object', 'null'],
    ['other fields only', 'no_known_field', `{"ts":${now},"__proto__":{"temp":1},"constructor":1}`],
    ['no time', 'time_missing', '{"temp":1}'],
    ['a time that is text', 'time_invalid', '{"ts":"soon","temp":1}'],
    ['a time of 1970', 'time_before_2000', reading(1, 86_400_000)],
    ['a time before 1970', 'time_before_2000', reading(1, -86_400_000)],
    ['a time of 2200', 'time_future', reading(1, Date.UTC(2200, 0, 1))],
    ['a time beyond 2^53', 'time_invalid', `{"ts":1e300,"temp":1}`],
    ['100 KB', 'payload_too_large', `{"ts":${now},"temp":1,"pad":"${'x'.repeat(100_000)}"}`],
  ])('%s', async (_what, reason, payload) => {
    await rig.expectCounted('agent', 'agent_rejected_total', reason, 1, () => rig.sensor.publish('odd', payload));
    expect(await rig.atHub('odd')).toEqual([]);
  });

  it('device names with control characters, broken UTF-8, or too long', async () => {
    const names = ['a\u0001b', '\u007f', 'x'.repeat(200), '\ufffd', ''];
    await rig.expectCounted('agent', 'agent_rejected_total', 'device_name_invalid', names.length, async () => {
      for (const name of names) await rig.sensor.publish(name, reading(1));
    });
  });

  it('topics of no source: they go to local subscribers only', async () => {
    const topics = ['sensors/odd', 'sensors/odd/climate/x', '/', 'sensors//climate/', 'other/odd/climate'];
    await rig.expectCounted('agent', 'agent_broker_total', 'topic_unmatched', topics.length, async () => {
      for (const topic of topics) await rig.sensor.publish('', reading(1), topic);
    });
    expect(await rig.atHub('odd')).toEqual([]);
  });
});

describe('clients that misbehave:', () => {
  it('two with one id: the later takes over, whatever the first had acked stays', async () => {
    const first = await connected('twin', { isClean: false });
    first.send(publishFrame('sensors/twin/climate', reading(1), { qos: 1, id: 1 }));
    await ackOf(first, 1);
    const second = await connected('twin', { isClean: false });
    expect(await framesUntilEnd(first)).toEqual([]);
    second.send(publishFrame('sensors/twin/climate', reading(2, now + 1), { qos: 1, id: 1 }));
    await ackOf(second, 1);
    second.send(disconnectFrame);
    await rig.stage.until('both are at the hub', patienceMs, async () => (await rig.atHub('twin')).length === 2);
    for (let n = 0; n < 50; n++) await connected('twin', { isClean: n % 2 === 0 });
  });

  it('wills: of a client that vanished a reading counts once, junk is counted, and a polite one has none', async () => {
    const vanish = async (payload: string): Promise<void> => {
      const client = await connected('mortal', { will: { topic: 'sensors/mortal/climate', payload, qos: 1 } });
      client.socket.resetAndDestroy();
    };
    await vanish(reading(7));
    await rig.stage.until('the will is at the hub', patienceMs, async () => (await rig.atHub('mortal')).length === 1);
    await rig.expectCounted('agent', 'agent_rejected_total', 'junk_json', 1, () => vanish('last words'));
    const polite = await connected('polite', {
      will: { topic: 'sensors/mortal/climate', payload: reading(8, now + 1), qos: 1 },
    });
    polite.send(disconnectFrame);
    await polite.closed;
    expect(await rig.atHub('mortal')).toEqual([[now, 7]]);
  });

  it('retained messages: a reading counts once however many subscribe later; beyond the limit none is kept', async () => {
    const client = await connected();
    client.send(publishFrame('sensors/kept/climate', reading(3), { qos: 1, id: 1, isRetained: true }));
    await ackOf(client, 1);
    for (const id of [2, 3]) {
      const late = await connected(`late${id}`);
      late.send(subscribeFrame(id, ['sensors/kept/+', 1]));
      expect(new Set([(await late.next())?.type, (await late.next())?.type])).toEqual(
        new Set([packet.publish, packet.suback]),
      );
      late.destroy();
    }
    // 10,000 topics is the limit, and some are taken.
    const before = await rig.count('agent', 'agent_broker_total', 'retained_dropped');
    const frames = Array.from({ length: 10_050 }, (_, n) => publishFrame(`junk/${n}`, 'x', { isRetained: true }));
    client.send(...frames, publishFrame('junk/end', 'x', { qos: 1, id: 2 }));
    await ackOf(client, 2);
    expect(await rig.count('agent', 'agent_broker_total', 'retained_dropped')).toBeGreaterThan(before + 50);
    client.send(...Array.from({ length: 10_050 }, (_, n) => publishFrame(`junk/${n}`, '', { isRetained: true })));
    client.send(publishFrame('junk/end', 'x', { qos: 1, id: 3 }));
    await ackOf(client, 3);
    client.destroy();
    expect(await rig.atHub('kept')).toEqual([[now, 3]]);
  });

  it('a subscriber that does not read is disconnected; publishers are acked', async () => {
    await rig.expectCounted('agent', 'agent_broker_total', 'slow_reader', 1, async () => {
      const lazy = await connected('lazy');
      lazy.send(subscribeFrame(1, ['flood', 0]));
      await lazy.next();
      lazy.socket.pause();
      const payload = Buffer.alloc(60_000, 0x20);
      const client = await connected('flooder');
      for (let id = 1; id <= 300; id++) {
        client.send(publishFrame('flood', payload, { qos: 1, id }));
        await ackOf(client, id);
      }
      client.destroy();
      lazy.socket.resume();
      await lazy.closed;
    });
  });

  it('more connections than are allowed, most of them half open: those that speak go on', async () => {
    const before = await rig.count('agent', 'agent_broker_total', 'connections_max');
    const sockets = await Promise.all(
      Array.from({ length: 1_100 }, () => WireClient.open(port).catch(() => undefined)),
    );
    for (const [n, client] of sockets.entries())
      if (n % 2 === 0) client?.send(connectFrame().subarray(0, 1 + (n % 12)));
    await rig.stage.until(
      'connections are refused',
      patienceMs,
      async () => (await rig.count('agent', 'agent_broker_total', 'connections_max')) > before,
    );
    await rig.sensor.publish('busy', reading(1));
    for (const client of sockets) client?.destroy();
    await rig.stage.until('the places are free again', patienceMs, async () => {
      const late = await connected('late').catch(() => undefined);
      late?.destroy();
      return late !== undefined;
    });
  });

  it('half-open sockets: one that never says CONNECT, one that is silent beyond its keepalive', async () => {
    await rig.expectCounted('agent', 'agent_broker_total', 'keepalive_timeout', 1, async () => {
      const will = { topic: 'sensors/dead/climate', payload: reading(9), qos: 1 } as const;
      const dead = await connected('dead', { keepaliveSeconds: 1, will });
      await dead.closed;
    });
    await rig.stage.until(
      'the will of the silent one is at the hub',
      patienceMs,
      async () => (await rig.atHub('dead')).length === 1,
    );
    expect(await framesUntilEnd(mute)).toEqual([]);
    expect(await rig.count('agent', 'agent_broker_total', 'connect_timeout')).toBe(1);
  });
});

describe('what was refused', () => {
  it('is shown to who asks, by reason and with samples', async () => {
    const { stage, system } = rig;
    const counted = (reason: string): Promise<number> => rig.count('agent', 'agent_rejected_total', reason);
    const reasons = [
      'junk_json',
      'not_finite',
      'wrong_type',
      'time_future',
      'time_before_2000',
      'payload_too_large',
      'device_name_invalid',
    ];
    const expected = await Promise.all(reasons.map(async (reason) => `climate.${reason}\t${await counted(reason)}`));
    // Samples are durable with a checkpoint, which a clean stop makes.
    await system.agent.stop();
    const { code, out } = await stage.run('agent', ['quarantine', '--config', system.agentConfig]);
    await system.agent.start();
    rig.sensor.close();
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual(expect.arrayContaining(expected));
    const samples = out
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, string>);
    expect(samples).toContainEqual(
      expect.objectContaining({
        source: 'climate',
        reason: 'not_finite',
        topic: 'sensors/odd/climate',
        payload: `{"ts":${now},"temp":1e999}`,
      }),
    );
    expect(Math.max(...samples.map(({ payload, topic }) => `${payload}${topic}`.length))).toBeLessThan(1_000);
    expect(samples.filter(({ reason }) => reason === 'junk_json').length).toBeLessThanOrEqual(8);
  });
});

describe('more device names than a source may have:', () => {
  const seriesMax = 100_000;
  const surplus = 20_000;

  beforeAll(() => {
    ceiling = residentMaxMiB.mostSeries;
  });

  it('the first are series, the rest are counted, and those known go on', async () => {
    const before = await rig.count('agent', 'agent_source_series', 'climate');
    const taken = seriesMax - before;
    const total = taken + surplus;
    await rig.expectCounted('agent', 'agent_rejected_total', 'series_limit', surplus, async () => {
      const clients = await Promise.all([0, 1, 2, 3].map((n) => connected(`many${n}`)));
      await Promise.all(
        clients.map(async (client, n) => {
          for (let from = n; from < total; from += 4 * 1_000) {
            const frames = Array.from({ length: 1_000 }, (_, i) => from + 4 * i).filter((i) => i < total);
            client.send(...frames.map((i) => publishFrame(`sensors/device-${i}/climate`, reading(i))));
            client.send(publishFrame('pace', '', { qos: 1, id: 1 }));
            await ackOf(client, 1);
          }
          client.destroy();
        }),
      );
    });
    expect(await rig.count('agent', 'agent_source_series', 'climate')).toBe(seriesMax);
    await rig.stage.until(
      'the backlog is at the hub',
      patienceMs,
      async () => (await rig.count('agent', 'agent_queued_items', 'normal')) === 0,
    );
  });
});
