import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../random.ts';
import { FrameCutter } from './frame-cutter.ts';
import { FrameGate, type GateStep, type PendingBudget, pendingOverheadBytes } from './frame-gate.ts';
import { defaultGateLimits, type GateLimits } from './gate-limits.ts';
import {
  connectFrame,
  disconnectFrame,
  frame,
  pingFrame,
  publishFrame,
  subscribeFrame,
} from './testing/wire-client.ts';

const newBudget = (bytesMax: number): PendingBudget => ({ bytesMax, bytes: 0, waiting: new Set() });

function newGate(limits: Partial<GateLimits> = {}, budget: PendingBudget = newBudget(1e9)): FrameGate {
  return new FrameGate({ ...defaultGateLimits, ...limits }, budget);
}

function openGate(limits: Partial<GateLimits> = {}, budget?: PendingBudget): FrameGate {
  const gate = newGate(limits, budget);
  gate.feed(connectFrame());
  expect(gate.step(0).kind).toBe('connect');
  gate.accept(0);
  return gate;
}

/** Steps until the gate waits or refuses. */
function run(gate: FrameGate, nowMs = 0): { passed: Buffer; pings: number; last: GateStep } {
  const passed: Buffer[] = [];
  let pings = 0;
  for (;;) {
    const step = gate.step(nowMs);
    if (step.kind === 'frames' || step.kind === 'connect') passed.push(step.bytes);
    else if (step.kind === 'ping') pings++;
    else return { passed: Buffer.concat(passed), pings, last: step };
  }
}

const waitBytes = { kind: 'wait', for: 'bytes' };
const lengthOf = (publish: Buffer): number => publish.length - 2;

describe('before CONNECT was accepted', () => {
  it('passes CONNECT with keepalive 0 and keeps the time-out of one and a half keepalives itself', () => {
    const gate = newGate();
    gate.feed(connectFrame({ keepaliveSeconds: 30, clientId: 'abc', username: 'u', password: 'p' }));
    const { passed, last } = run(gate);
    expect(passed).toEqual(connectFrame({ keepaliveSeconds: 0, clientId: 'abc', username: 'u', password: 'p' }));
    expect(last).toEqual({ kind: 'wait', for: 'accept' });
    expect(gate.keepaliveMs).toBe(45_000);
  });

  it('holds back what was sent behind CONNECT', () => {
    const gate = newGate();
    const publish = publishFrame('t', 'x', { qos: 1 });
    gate.feed(Buffer.concat([connectFrame(), publish]));
    expect(run(gate).passed).toEqual(connectFrame());
    expect(run(gate)).toMatchObject({ passed: Buffer.alloc(0), last: { for: 'accept' } });
    gate.accept(0);
    expect(run(gate)).toEqual({ passed: publish, pings: 0, last: waitBytes });
  });

  it.each([
    ['a PUBLISH', publishFrame('t', 'x'), 'not_connect_first'],
    ['a PINGREQ', pingFrame, 'not_connect_first'],
    ['another protocol', frame(0x10, [0, 4], Buffer.from('HTTP'), [4, 2, 0, 0, 0, 0]), 'malformed_connect'],
    ['a CONNECT without keepalive', frame(0x10, [0, 4], Buffer.from('MQTT'), [4, 2, 0]), 'malformed_connect'],
    ['an empty CONNECT', frame(0x10), 'malformed_connect'],
    ['a CONNECT of 1,025 bytes', connectFrame({ clientId: 'x'.repeat(1_010) }), 'frame_too_large'],
  ])('refuses %s', (_what, bytes, reason) => {
    const gate = newGate();
    gate.feed(bytes);
    expect(run(gate)).toMatchObject({ passed: Buffer.alloc(0), last: { kind: 'refuse', reason } });
  });
});

describe('after it', () => {
  it.each([
    ['a second CONNECT', connectFrame(), 'second_connect'],
    ['a PUBLISH without room for its topic', frame(0x30, [0, 9, 97]), 'malformed_publish'],
    ['a PUBLISH without topic', frame(0x30, [0, 0, 97]), 'malformed_publish'],
    ['a PUBLISH of one byte', frame(0x30, [0]), 'malformed_publish'],
    ['a QoS 1 PUBLISH without packet id', frame(0x32, [0, 1, 97]), 'malformed_publish'],
    ['packet id 0', publishFrame('t', 'x', { qos: 1, id: 0 }), 'malformed_publish'],
    ['a frame beyond the limit', publishFrame('t', 'x'.repeat(3_000)), 'frame_too_large'],
  ])('refuses %s, and passes what came before it', (_what, bytes, reason) => {
    const gate = openGate({ frameBytesMax: 2_000 });
    const good = publishFrame('t', 'good');
    gate.feed(Buffer.concat([good, bytes]));
    expect(run(gate)).toMatchObject({ passed: good, last: { kind: 'refuse', reason } });
  });

  it('answers PINGREQ itself and passes the rest unchanged and in order', () => {
    const gate = openGate();
    const rest = [publishFrame('t', '1', { qos: 1, id: 1 }), subscribeFrame(2, ['a', 0]), publishFrame('t', '2')];
    gate.feed(
      Buffer.concat([pingFrame, rest[0] as Buffer, pingFrame, rest[1] as Buffer, rest[2] as Buffer, pingFrame]),
    );
    expect(run(gate)).toEqual({ passed: Buffer.concat(rest), pings: 3, last: waitBytes });
  });

  it('passes nothing more at pendingBytesMax, and goes on at half of it', () => {
    const publish = publishFrame('t', 'x'.repeat(96), { qos: 1, id: 1 });
    const cost = lengthOf(publish) + pendingOverheadBytes;
    const gate = openGate({ pendingBytesMax: cost * 4 });
    gate.feed(Buffer.concat(Array.from({ length: 20 }, () => publish)));
    expect(run(gate)).toMatchObject({ last: { kind: 'wait', for: 'settle' } });
    expect(gate.pendingBytes).toBe(cost * 4);
    gate.settle(lengthOf(publish));
    expect(run(gate).passed.length).toBe(0);
    gate.settle(lengthOf(publish));
    gate.settle(lengthOf(publish));
    expect(run(gate).passed.length).toBe(publish.length * 3);
    expect(gate.pendingBytes).toBe(cost * 4);
  });

  it('shares one budget over all connections', () => {
    const budget = newBudget(500);
    const [one, two] = [openGate({}, budget), openGate({}, budget)];
    const publish = publishFrame('t', 'x'.repeat(100), { qos: 1 });
    for (const gate of [one, two]) gate.feed(Buffer.concat([publish, publish, publish]));
    expect(run(one).last).toEqual({ kind: 'wait', for: 'bytes' });
    expect(run(two)).toMatchObject({ passed: Buffer.alloc(0), last: { for: 'settle' } });
    const unheld = openGate({}, budget);
    unheld.feed(publishFrame('t', 'QoS 0'));
    expect(run(unheld)).toMatchObject({ passed: publishFrame('t', 'QoS 0'), last: { for: 'bytes' } });
    unheld.close();
    one.settle(lengthOf(publish));
    expect(run(two)).toMatchObject({ passed: publish, last: { for: 'settle' } });
    one.close();
    expect(run(two).passed).toEqual(Buffer.concat([publish, publish]));
    two.close();
    expect(budget.bytes).toBe(0);
  });

  it('keeps to the message rate by waiting, dropping nothing', () => {
    const gate = openGate({ messagesPerSecondMax: 10, messageBurstMax: 5 });
    const publish = publishFrame('t', 'x');
    gate.feed(Buffer.concat(Array.from({ length: 25 }, () => publish)));
    let passed = 0;
    let nowMs = 0;
    for (let turn = 0; turn < 100; turn++) {
      const { passed: bytes, last } = run(gate, nowMs);
      passed += bytes.length / publish.length;
      if (last.kind !== 'wait' || last.for !== 'rate') break;
      expect(passed).toBeLessThanOrEqual(5 + nowMs / 100);
      nowMs += last.ms;
    }
    expect(passed).toBe(25);
    expect(nowMs).toBeGreaterThanOrEqual(2_000);
    expect(nowMs).toBeLessThan(2_500);
  });

  it('holds DISCONNECT until the publishes before it are settled', () => {
    const gate = openGate();
    const publish = publishFrame('t', 'x', { qos: 1 });
    gate.feed(Buffer.concat([publish, disconnectFrame]));
    expect(run(gate)).toMatchObject({ passed: publish, last: { for: 'settle_all' } });
    gate.settle(lengthOf(publish));
    expect(run(gate).passed).toEqual(disconnectFrame);
  });

  it('survives seeded garbage behind a CONNECT, and never passes half a frame', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = new SeededRandom(seed);
      const gate = openGate({ frameBytesMax: 500 });
      for (let piece = 0; piece < 20; piece++) {
        const good = publishFrame('a/b', Buffer.from(random.bytes(random.below(80))), {
          qos: 1,
          id: 1 + random.below(9),
        });
        const damaged = Buffer.from(good);
        if (random.chance(0.3)) damaged[random.below(damaged.length)] = random.below(256);
        gate.feed(random.chance(0.1) ? Buffer.from(random.bytes(random.below(40))) : damaged);
        const { passed, last } = run(gate);
        const cutter = new FrameCutter(500);
        cutter.feed(passed);
        while (cutter.peek() === 'frame') cutter.consume();
        expect(cutter.bufferedBytes, `seed ${seed}`).toBe(0);
        expect(gate.bufferedBytes, `seed ${seed}`).toBeLessThanOrEqual(600);
        if (last.kind === 'refuse') break;
      }
    }
  });
});
