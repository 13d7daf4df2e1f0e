/** Bad input at the hub's doors, for agents and for callers of the API, on a real hub with a real agent that works beside it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connectFrame, publishFrame, WireClient } from '@fogline/shared/broker/testing/wire-client';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { encodeBatch, encodeReported, encodeSeries, encodeStatus, encodeVoid } from '@fogline/shared/protocol/messages';
import { type UpKind, upKinds } from '@fogline/shared/protocol/topics';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { agentId } from '../support/system.ts';
import { damagedPackets, garbage, truncatedConnects, wrongLengths } from './mqtt-bytes.ts';
import { hostileMessages } from './msgpack-bytes.ts';
import { definitionOf, enrol, Peer, partOf } from './peer.ts';
import { framesUntilEnd, openRig, packet, patienceMs, type Rig, sendAndEnd } from './rig.ts';

const rogue = 'rogue';
const epoch = '00000000000000b1';
const t0 = Date.UTC(2026, 0, 1);

let rig: Rig;
let port: number;
let token: string;
let peer: Peer;
let sent = 0;

beforeAll(async () => {
  rig = await openRig('hub-door');
  port = rig.system.hubMqttPort;
  token = await enrol(rig.stage, rig.system, rogue);
  peer = await Peer.connect(port, rogue, epoch, token);
  await peer.hello();
  await peer.define(0, [definitionOf('value')]);
});

/** The agent beside it works, and so does a good batch of the agent that misbehaved. */
afterEach(async () => {
  await rig.expectSound();
  await expectGoodToPass();
});

afterAll(async () => {
  peer.close();
  await rig.close();
});

/** Good batches have lane 3 to themselves. */
async function expectGoodToPass(): Promise<void> {
  await peer.say('batch', peer.batch(sent + 1, [{ series: 0, time: t0 + sent, value: sent }], 3));
  sent++;
  expect(await rig.atHub('peer', 'value')).toEqual(Array.from({ length: sent }, (_, n) => [t0 + n, n]));
}

async function quarantined(agent = rogue): Promise<Readonly<Record<string, number>>> {
  const answer = (await (await fetch(`${rig.system.hubUrl}/api/v1/agents`)).json()) as {
    agents: { agent: string; quarantined: Record<string, number> }[];
  };
  return answer.agents.find((row) => row.agent === agent)?.quarantined ?? {};
}

/** Says all of them; each is acked, and counted under its reason, no more and no less. */
async function expectQuarantined(
  messages: readonly (readonly [reason: string, kind: UpKind, payload: Uint8Array])[],
): Promise<void> {
  const expected = new Map(Object.entries(await quarantined()));
  for (const [reason, kind, payload] of messages) {
    await peer.say(kind, payload);
    expected.set(reason, (expected.get(reason) ?? 0) + 1);
  }
  expect(await quarantined()).toEqual(Object.fromEntries(expected));
}

describe('what is no MQTT ends its connection, and no other:', () => {
  it('truncations, garbage, wrong lengths, oversized frames', async () => {
    for (const bytes of [...truncatedConnects(), ...wrongLengths(), ...garbage(60)]) await sendAndEnd(port, bytes);
    const connectAs = connectFrame({ clientId: `${rogue}:00000000000000b2`, username: rogue, password: token });
    for (const bytes of damagedPackets(60)) await sendAndEnd(port, Buffer.concat([connectAs, bytes]));
    await rig.expectCounted('hub', 'hub_mqtt_refused_total', 'frame_too_large', 2, async () => {
      await sendAndEnd(port, Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
      const client = await WireClient.connect(port, {
        clientId: `${rogue}:00000000000000b2`,
        username: rogue,
        password: token,
      });
      client.send(publishFrame(`fl/1/${rogue}/batch`, Buffer.alloc(10_000_000), { qos: 1 }));
      expect(await framesUntilEnd(client)).not.toContain(packet.puback);
    });
  });
});

describe('who is not who it says', () => {
  it.each([
    ['a wrong token', { clientId: `${rogue}:${epoch}`, username: rogue, password: 'wrong' }],
    ['no token', { clientId: `${rogue}:${epoch}` }],
    ['the id of another agent', () => ({ clientId: `${agentId}:${epoch}`, username: agentId, password: token })],
    ['a client id of another agent', () => ({ clientId: `${agentId}:${epoch}`, username: rogue, password: token })],
    ['a client id without epoch', () => ({ clientId: rogue, username: rogue, password: token })],
  ])('is refused with %s', async (_what, who) => {
    await rig.expectCounted('hub', 'hub_mqtt_refused_total', 'auth_refused', 1, async () => {
      await expect(WireClient.connect(port, typeof who === 'function' ? who() : who)).rejects.toThrow('not accepted');
    });
  });

  it('touches no topic of another agent: the publish is not acked, the connection ends', async () => {
    for (const topic of [
      `fl/1/${agentId}/batch`,
      `fl/1/${agentId}/hello`,
      `fl/1/${rogue}/welcome`,
      `fl/1/${rogue}/batch/x`,
      'fl/2/rogue/batch',
      'x',
    ]) {
      await rig.expectCounted('hub', 'hub_mqtt_refused_total', 'forbidden_publish', 1, async () => {
        const client = await WireClient.connect(port, {
          clientId: `${rogue}:00000000000000b3`,
          username: rogue,
          password: token,
        });
        client.send(publishFrame(topic, 'forged', { qos: 1 }));
        expect(await framesUntilEnd(client)).toEqual([]);
      });
    }
  });

  it('speaks for no other agent in what it says either', async () => {
    await expectQuarantined([
      ['foreign', 'status', encodeStatus({ agent: agentId, epoch, isOnline: false })],
      [
        'foreign',
        'batch',
        encodeBatch({
          agent: agentId,
          epoch,
          lane: 2,
          first: 1,
          last: 1,
          parts: [partOf([{ series: 0, time: t0, value: 1 }])],
        }),
      ],
    ]);
  });
});

describe('messages that are not what they should be are acked and counted:', () => {
  it.each(upKinds)('%s: whatever MessagePack can hide', async (kind) => {
    await expectQuarantined(Object.values(hostileMessages).map((payload) => ['corrupt', kind, payload] as const));
  });

  it('batches that do not add up', async () => {
    const good = partOf([{ series: 0, time: t0, value: 1 }]);
    const damaged = good.bytes.slice();
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 0x10;
    const last = Number.MAX_SAFE_INTEGER;
    const unknown = encodeBatch({ agent: rogue, epoch: 'ffffffffffffffff', lane: 1, first: 1, last: 1, parts: [good] });
    await expectQuarantined([
      ['corrupt', 'batch', peer.batchOf(1, 1, [{ kind: 'readings', bytes: damaged }], 1)],
      ['corrupt', 'batch', peer.batchOf(2, 2, [{ kind: 'windows', bytes: good.bytes }], 1)],
      ['corrupt', 'batch', peer.batchOf(3, 9, [good], 1)],
      ['corrupt', 'batch', peer.batchOf(10, 10, [good, good], 1)],
      ['corrupt', 'batch', peer.batchOf(11, last, [good], 1)],
      ['corrupt', 'batch', peer.batchOf(last, last, [], 1)],
      ['unknown_epoch', 'batch', unknown],
    ]);
  });

  it('duplicates that contradict: the first stands', async () => {
    await peer.define(1, [definitionOf('twice', { device: 'twice' })]);
    const row = (value: number) => ({ series: 1, time: t0, value });
    await peer.say('batch', peer.batch(1, [row(1), row(2)], 2));
    await expectQuarantined([
      ['conflict', 'batch', peer.batch(1, [row(1), row(3)], 2)],
      ['overlap', 'batch', peer.batch(2, [row(1), row(3)], 2)],
      ['conflict', 'series', encodeSeries({ agent: rogue, epoch, first: 0, definitions: [definitionOf('other')] })],
    ]);
    const before = await quarantined();
    await peer.say('batch', peer.batch(1, [row(1), row(2)], 2));
    expect(await quarantined()).toEqual(before);
    expect(await rig.atHub('twice', 'twice')).toEqual([
      [t0, 1],
      [t0, 2],
    ]);
  });

  it('batches that unfold to a hundred times their size', async () => {
    const strings = Array.from({ length: 60_000 }, (_, n) => `${'x'.repeat(250)}${n % 10}`);
    const columns = {
      count: 1,
      series: Uint32Array.of(0),
      time: Float64Array.of(t0),
      value: Float64Array.of(0),
      flags: Uint8Array.of(4),
      strings,
    };
    const part = { kind: 'readings', bytes: encodeReadings(columns, 'dense') } as const;
    const parts = Array.from({ length: Math.floor(1_000_000 / part.bytes.length) }, () => part);
    await expectQuarantined([['corrupt', 'batch', peer.batchOf(100, 99 + parts.length, parts, 1)]]);
  });

  it('batches that wait for definitions are ingested when those come', async () => {
    await expectQuarantined([['unknown_series', 'batch', peer.batch(200, [{ series: 2, time: t0, value: 42 }], 1)]]);
    await peer.define(2, [definitionOf('late', { device: 'late' })]);
    await rig.stage.until(
      'what waited is there',
      patienceMs,
      async () => (await rig.atHub('late', 'late')).length === 1,
    );
  });

  it('claims of absurd size, and times at the ends of time: every answer of the API still comes', async () => {
    const end = 8_640_000_000_000_000;
    const hour = 2_400_000_000;
    const common = { agent: rogue, epoch, reason: 'gone', stats: [], statsOmitted: 0 } as const;
    await peer.say(
      'void',
      encodeVoid({
        ...common,
        lane: 0,
        first: 1,
        last: Number.MAX_SAFE_INTEGER,
        hours: [
          [hour, 5],
          [-hour, 5],
        ],
      }),
    );
    await peer.say(
      'void',
      encodeVoid({
        ...common,
        lane: 1,
        first: 1_000,
        last: 2_000,
        hours: [],
        stats: [{ series: 0, hour, count: 1, min: 1, max: 1, mean: 1 }],
      }),
    );
    const row = { lane: 2, produced: Number.MAX_SAFE_INTEGER, queued: 0, evicted: Number.MAX_SAFE_INTEGER } as const;
    await peer.say(
      'reported',
      encodeReported({
        agent: rogue,
        atMs: -end,
        rows: [
          { ...row, hour },
          { ...row, hour: -hour },
          { ...row, hour: 0 },
        ],
        counters: [['x', 1]],
      }),
    );
    const stats = [{ series: 0, hour: hour + 1, count: 1, min: 1, max: 1, mean: 1 }];
    await expectQuarantined([
      ['corrupt', 'void', encodeVoid({ ...common, lane: 1, first: 3_000, last: 3_000, hours: [[hour + 1, 1]] })],
      ['corrupt', 'void', encodeVoid({ ...common, lane: 1, first: 3_000, last: 3_000, hours: [], stats })],
      [
        'corrupt',
        'reported',
        encodeReported({ agent: rogue, atMs: 0, rows: [{ ...row, hour: -hour - 1 }], counters: [] }),
      ],
    ]);
    await peer.define(3, [definitionOf('edge', { device: 'edge' })]);
    await peer.say(
      'batch',
      peer.batch(
        300,
        [-(2 ** 53), -end - 1, -end, 0, end, end + 1, 2 ** 53].map((time, n) => ({ series: 3, time, value: n })),
        1,
      ),
    );
    for (const resource of [
      'agents',
      'series',
      'latest?match={}',
      'ledger',
      'gaps?match={}',
      'data?match=edge&from=1970-01-01T00:00:00Z',
      'data?match={}&every=1d&from=2026-01-01T00:00:00Z',
    ]) {
      const response = await fetch(`${rig.system.hubUrl}/api/v1/${resource}`);
      expect([resource, response.status, (await response.text()).slice(0, response.status === 200 ? 0 : 300)]).toEqual([
        resource,
        200,
        '',
      ]);
    }
  });

  it('definitions of everything but series', async () => {
    const say = (first: number, ...definitions: Parameters<Peer['define']>[1]): Uint8Array =>
      encodeSeries({ agent: rogue, epoch, first, definitions });
    await expectQuarantined([
      ['corrupt', 'series', say(10, definitionOf('w', { kind: 'window' }))],
      ['corrupt', 'series', say(10, definitionOf('w', { widthMs: 10 }))],
      ['limit', 'series', say(0x7fff_ffff, definitionOf('far'))],
      [
        'unknown_epoch',
        'series',
        encodeSeries({ agent: rogue, epoch: 'ffffffffffffffff', first: 0, definitions: [definitionOf('x')] }),
      ],
    ]);
  });
});

describe('the API', () => {
  it.each([
    ['/api/v1/data?match=%zz', 400],
    ['/api/v1/data?match=temperature&form=now-1h', 400],
    ['/api/v1/data?match=temperature{device=~".*"}', 400],
    ['/api/v1/data?match=temperature&from=1e400', 400],
    ['/api/v1/data?match=temperature&every=0s', 400],
    ['/api/v1/data?match=temperature&every=NaN', 400],
    ['/api/v1/data?match=temperature&limit=99999999999999999999', 400],
    ['/api/v1/data?match=temperature&cursor=AAAA', 400],
    [`/api/v1/data?match=${'x'.repeat(8_000)}`, 400],
    [`/api/v1/data?${'match=a&'.repeat(1_500)}`, 400],
    ['/api/v1/../../etc/passwd', 404],
    ['/api/v1/agents?__proto__=1', 400],
  ])('answers %s with the problem, not with a fault', async (path, status) => {
    const response = await fetch(rig.system.hubUrl + path);
    const problem = (await response.json()) as { status: number; detail: string };
    expect([response.status, problem.status, response.headers.get('content-type')]).toEqual([
      status,
      status,
      'application/problem+json',
    ]);
    expect(problem.detail).not.toBe('');
  });

  it.each([
    ['no HTTP', 'nonsense\r\n\r\n', 400],
    ['headers of 100 KB', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, 431],
    ['1,500 headers', `GET / HTTP/1.1\r\nhost: x\r\n${'x: y\r\n'.repeat(5_000)}\r\n`, 431],
    [
      'a body of 10 MB',
      'POST /api/v1/data HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10000000\r\n\r\n',
      413,
    ],
  ])('answers %s and closes', async (_what, request, status) => {
    const { hostname, port: httpPort } = new URL(rig.system.hubUrl);
    const socket = connect(Number(httpPort), hostname);
    // The hub may close before it took all of it.
    socket.on('error', () => socket.destroy());
    socket.write(request);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });
});
