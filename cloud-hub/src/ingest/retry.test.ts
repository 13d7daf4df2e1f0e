/** Quarantined messages once more: what has become possible is ingested, the rest stays and says why; ledger and ranges agree. */
import { expect, it } from 'vitest';
import { hubProblem } from '../store/hub-check.ts';
import { OrderTable } from '../store/orders.ts';
import { Agent, epochId, Hub, offer, reading, readingsPart, t0, visible } from './testing/agent-fixture.ts';

const row = (i: number) => ({ series: 0, time: t0 + i * 1000, value: i });
const delivered = (hub: Hub) => hub.core.read.ledger().reduce((sum, line) => sum + line.delivered, 0);
const quarantined = (hub: Hub) => hub.core.read.ledger().reduce((sum, line) => sum + line.quarantined, 0);

function ready(): { hub: Hub; agent: Agent } {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  return { hub, agent };
}

const ids = (hub: Hub) => hub.core.read.quarantine().map(({ id }) => id);
const retry = (hub: Hub, id = ids(hub)[0] ?? 0) => hub.core.order({ kind: 'quarantine_retry', id });
const drop = (hub: Hub, id = ids(hub)[0] ?? 0) => hub.core.order({ kind: 'quarantine_drop', id });

it('a batch of an epoch that was not known is ingested once it is', () => {
  const { hub, agent } = ready();
  const other = new Agent(hub, 'gw1', epochId(2));
  other.send(1, row(1), row(2));
  expect(retry(hub)).toBe(`quarantined again: unknown_epoch: epoch ${epochId(2)}`);
  agent.hello(offer(epochId(2), { parent: { epoch: agent.epoch, last: [0, 0, 0, 0] }, seriesBase: 1, seriesCount: 1 }));
  expect(retry(hub)).toBe('ingested');
  expect(ids(hub)).toEqual([]);
  expect(delivered(hub)).toBe(2);
  expect(hub.changes.at(-1)?.batches).toHaveLength(1);
});

it('what contradicts what is held stays, and what is held already is let go', () => {
  const { hub, agent } = ready();
  agent.send(1, row(1), row(2));
  agent.send(1, row(1), row(3));
  expect(retry(hub)).toContain('quarantined again: conflict');
  expect(drop(hub)).toBe('dropped');
  expect(ids(hub)).toEqual([]);
  expect(() => retry(hub, 99)).toThrow('nothing is quarantined under 99');
});

it('a damaged batch whose range is held stays until it decodes; dropped, its range stays explained', () => {
  const { hub, agent } = ready();
  const sound = readingsPart([row(1), row(2)]);
  // The range is one item longer than the parts.
  hub.take('gw1', 'batch', agent.batchBytes(1, [sound], 3));
  expect(quarantined(hub)).toBe(3);
  expect(retry(hub)).toContain('still corrupt');
  expect(quarantined(hub)).toBe(3);
  hub.core.fold();
  expect(drop(hub)).toContain('its range stays held');
  expect(hubProblem(hub.db)).toBeUndefined();
  agent.send(1, row(1), row(2), row(3));
  expect(delivered(hub)).toBe(0);
});

it('a batch that waits for definitions says so, and comes by itself with them', () => {
  const { hub, agent } = ready();
  agent.send(1, { series: 5, time: t0, value: 1 });
  expect(retry(hub)).toBe('still waits for the definition of series 5');
  agent.define(1, ...Array.from({ length: 5 }, (_, i) => reading(`m${i}`)));
  expect(ids(hub)).toEqual([]);
  expect([delivered(hub), quarantined(hub)]).toEqual([1, 0]);
});

it('orders of other processes are answered in the database; one that fails is refused and blocks no other', () => {
  const { hub, agent } = ready();
  agent.send(1, row(1));
  agent.send(1, row(2));
  const shown = visible(hub);
  const orders = new OrderTable(hub.db);
  const asked = [
    { kind: 'quarantine_drop' as const, id: 77 },
    { kind: 'quarantine_drop' as const, id: ids(hub)[0] ?? 0 },
  ].map((order) => orders.add(order, 0));
  hub.core.takeOrders();
  expect(asked.map((id) => orders.get(id))).toMatchObject([
    { state: 'refused', answer: 'nothing is quarantined under 77' },
    { state: 'done', answer: 'dropped' },
  ]);
  expect(visible(hub)).toEqual(shown);
});
