import { expect, it } from 'vitest';
import { Agent, Hub, h0, hour, offer, reading, t0, visible } from './testing/agent-fixture.ts';

function ready(): { hub: Hub; agent: Agent } {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'), reading('b'));
  return { hub, agent };
}

const stat = (series: number, at: number, count: number) => ({ series, hour: at, count, min: -1, max: 1, mean: 0.5 });
const row = (series: number, time: number, value = 1) => ({ series, time, value });
const ledger = (hub: Hub) =>
  hub.core.read
    .ledger()
    .map((line) => [line.hour, line.delivered, line.voided.evicted_size, line.voided.gone].join(' '));
const gaps = (hub: Hub) =>
  hub.core.read.gaps('gw1', 0, Number.MAX_SAFE_INTEGER).map((gap) => [gap.series, gap.hourMs, gap.count]);
const held = (hub: Hub, agent: Agent) => {
  agent.hello(offer(agent.epoch));
  const ranges = hub.lastWelcome('gw1').epochs[0]?.held[2];
  return [ranges?.watermark, ...(ranges?.beyond ?? [])];
};

it('a void advances the ranges, counts by hour and reason, and leaves gaps per series', () => {
  const { hub, agent } = ready();
  agent.void(1, 6, {
    hours: [
      [h0, 4],
      [h0 + 1, 1],
    ],
    stats: [stat(0, h0, 4), stat(7, h0 + 1, 1)],
  });
  expect(held(hub, agent)).toEqual([6]);
  expect(ledger(hub)).toEqual(['-1 0 1 0', `${h0} 0 4 0`, `${h0 + 1} 0 1 0`]);
  expect(gaps(hub)).toEqual([
    [1, t0, 4],
    [undefined, t0 + hour, 1],
  ]);
  expect(hub.core.read.gaps(undefined, t0 + hour, t0 + 2 * hour)).toMatchObject([
    { agent: 'gw1', reason: 'evicted_size', min: -1, max: 1, mean: 0.5 },
  ]);
  expect(hub.core.read.voids()).toMatchObject([{ first: 1, last: 6, items: 6, reason: 'evicted_size', lane: 2 }]);
  const before = visible(hub);
  agent.void(1, 6, {
    hours: [
      [h0, 4],
      [h0 + 1, 1],
    ],
    stats: [stat(0, h0, 4)],
  });
  agent.void(2, 3, { reason: 'gone' });
  hub.restart();
  expect(visible(hub)).toEqual(before);
});

it('a void that counts more than its range, or of an unknown epoch, is quarantined', () => {
  const { hub, agent } = ready();
  agent.void(1, 2, { hours: [[h0, 3]] });
  new Agent(hub, 'gw1', 'ffffffffffffffff').void(1, 2);
  expect(hub.core.read.quarantine().map(({ reason }) => reason)).toEqual(['unknown_epoch', 'corrupt']);
  expect(held(hub, agent)).toEqual([0]);
});

it('data beats an equal void: it is withdrawn and the batch applied', () => {
  const { hub, agent } = ready();
  agent.void(1, 2, { hours: [[h0, 2]], stats: [stat(0, h0, 2)] });
  agent.send(1, row(0, t0), row(0, t0 + 1));
  expect(ledger(hub)).toEqual([`${h0} 2 0 0`]);
  expect(hub.core.read.voids()).toEqual([]);
  expect(gaps(hub)).toEqual([]);
  expect(hub.core.read.counters().voidsWithdrawn).toBe(1);
  const before = visible(hub);
  agent.send(1, row(0, t0), row(0, t0 + 1));
  agent.void(1, 2, { hours: [[h0, 2]] });
  hub.restart();
  expect(visible(hub)).toEqual(before);
});

it('data beats a part of a wider void, and only once', () => {
  const { hub, agent } = ready();
  agent.void(1, 10, {
    hours: [
      [h0, 6],
      [h0 + 1, 4],
    ],
    stats: [stat(0, h0, 6), stat(1, h0 + 1, 4)],
  });
  agent.send(4, row(0, t0), row(0, t0 + 1), row(1, t0 + hour));
  expect(ledger(hub)).toEqual([`${h0} 2 4 0`, `${h0 + 1} 1 3 0`]);
  expect(gaps(hub)).toEqual([
    [1, t0, 4],
    [2, t0 + hour, 3],
  ]);
  expect(hub.core.read.voids()).toMatchObject([{ items: 7 }]);
  agent.send(4, row(0, t0), row(0, t0 + 1), row(1, t0 + hour));
  agent.send(5, row(0, t0), row(0, t0 + 1));
  agent.send(6, row(0, t0), row(0, t0 + 1));
  expect(hub.core.read.quarantine().map(({ reason }) => reason)).toEqual(['overlap', 'overlap']);
  expect(ledger(hub)).toEqual([`${h0} 2 4 0`, `${h0 + 1} 1 3 0`]);
  agent.send(1, row(0, t0), row(0, t0), row(0, t0));
  agent.send(7, row(0, t0), row(1, t0 + hour), row(1, t0 + hour), row(1, t0 + hour));
  expect(ledger(hub)).toEqual([`${h0} 6 0 0`, `${h0 + 1} 4 0 0`]);
  expect(hub.core.read.voids()).toEqual([]);
  expect(gaps(hub)).toEqual([]);
});

it('a gap of which everything arrived is gone, though its void is not', () => {
  const { hub, agent } = ready();
  agent.void(1, 3, { hours: [[h0, 3]], stats: [stat(0, h0, 2), stat(1, h0, 1)] });
  agent.send(1, row(0, t0), row(0, t0 + 1));
  expect(gaps(hub)).toEqual([[2, t0, 1]]);
  expect(hub.core.read.voids()).toMatchObject([{ items: 1 }]);
});

it('data beats several voids and free numbers at once', () => {
  const { hub, agent } = ready();
  agent.void(1, 2, { hours: [[h0, 2]] });
  agent.void(3, 4, { hours: [[h0, 2]], reason: 'gone' });
  agent.send(2, row(0, t0), row(0, t0), row(0, t0), row(0, t0));
  expect(ledger(hub)).toEqual([`${h0} 4 1 0`]);
  expect(held(hub, agent)).toEqual([5]);
});

it('a void around data is void only where nothing is held', () => {
  const { hub, agent } = ready();
  agent.send(3, row(0, t0), row(1, t0 + hour));
  agent.void(1, 6, {
    hours: [
      [h0, 4],
      [h0 + 1, 2],
    ],
    stats: [stat(0, h0, 4), stat(1, h0 + 1, 1)],
    reason: 'gone',
  });
  expect(ledger(hub)).toEqual([`${h0} 1 0 3`, `${h0 + 1} 1 0 1`]);
  expect(gaps(hub)).toEqual([[1, t0, 3]]);
  expect(hub.core.read.voids()).toMatchObject([{ items: 4 }]);
  expect(held(hub, agent)).toEqual([6]);
});

it('a wider void takes the place of the narrower ones inside it', () => {
  const { hub, agent } = ready();
  agent.void(1, 2, { hours: [[h0, 2]], stats: [stat(0, h0, 2)] });
  agent.void(5, 6, { hours: [[h0, 2]], stats: [stat(0, h0, 2)] });
  agent.void(1, 8, { hours: [[h0, 8]], stats: [stat(0, h0, 8)] });
  expect(hub.core.read.voids()).toMatchObject([{ first: 1, last: 8, items: 8 }]);
  expect(ledger(hub)).toEqual([`${h0} 0 8 0`]);
  expect(gaps(hub)).toEqual([[1, t0, 8]]);
});

it('a void that straddles another counts every number once', () => {
  const { hub, agent } = ready();
  agent.void(1, 4, { hours: [[h0, 4]] });
  agent.void(3, 6, { hours: [[h0, 4]], reason: 'gone' });
  expect(ledger(hub)).toEqual([`${h0} 0 4 2`]);
});

it('unknown series in the range of a void: the void yields when the batch arrives, the batch counts when it is understood', () => {
  const { hub, agent } = ready();
  agent.void(1, 2, { hours: [[h0, 2]] });
  agent.send(1, row(2, t0), row(2, t0));
  expect(hub.core.read.ledger()).toMatchObject([{ quarantined: 2, delivered: 0, voided: { evicted_size: 0 } }]);
  agent.define(2, reading('c'));
  expect(hub.core.read.ledger()).toMatchObject([{ quarantined: 0, delivered: 2, voided: { evicted_size: 0 } }]);
});
