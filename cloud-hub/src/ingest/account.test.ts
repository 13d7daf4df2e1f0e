/** However data and declared losses of one lane cross, every number is accounted for exactly once, and data wins in the end. */
import type { VoidReason } from '@fogline/shared/protocol/messages';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Agent, Hub, h0, hour, offer, reading, t0 } from './testing/agent-fixture.ts';

const seqMax = 24;
const batchItems = 3;
const hourOf = (seq: number): number => h0 + Math.floor(seq / 5);
const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

const step = fc.oneof(
  fc.nat({ max: seqMax / batchItems - 1 }).map((batch) => ({ kind: 'batch', batch }) as const),
  fc
    .tuple(
      fc.integer({ min: 1, max: seqMax }),
      fc.nat({ max: 9 }),
      fc.constantFrom<VoidReason>('evicted_size', 'gone'),
      fc.boolean(),
    )
    .map(
      ([first, more, reason, isTold]) =>
        ({ kind: 'void', first, last: Math.min(seqMax, first + more), reason, isTold }) as const,
    ),
  fc.constant({ kind: 'restart' } as const),
  fc.constant({ kind: 'fold' } as const),
);

function sendBatch(agent: Agent, batch: number): void {
  const first = batch * batchItems + 1;
  const rows = numbers(first, first + batchItems - 1).map((seq) => ({
    series: seq % 2,
    time: t0 + Math.floor(seq / 5) * hour,
    value: seq,
  }));
  agent.send(first, ...rows);
}

function sendVoid(agent: Agent, first: number, last: number, reason: VoidReason, isTold: boolean): void {
  const hours = new Map<number, number>();
  const stats = new Map<
    string,
    { series: number; hour: number; count: number; min: number; max: number; mean: number }
  >();
  for (const seq of numbers(first, last)) {
    hours.set(hourOf(seq), (hours.get(hourOf(seq)) ?? 0) + 1);
    const key = `${seq % 2}/${hourOf(seq)}`;
    const count = (stats.get(key)?.count ?? 0) + 1;
    stats.set(key, { series: seq % 2, hour: hourOf(seq), count, min: 0, max: 1, mean: 0 });
  }
  agent.void(first, last, { reason, hours: isTold ? [...hours] : [], stats: isTold ? [...stats.values()] : [] });
}

function check(hub: Hub, agent: Agent, isRestored: boolean): void {
  const { read } = hub.core;
  const ledger = read.ledger();
  const sum = (of: (line: (typeof ledger)[number]) => number): number =>
    ledger.reduce((total, line) => total + of(line), 0);
  const voided = sum((line) => line.voided.evicted_size + line.voided.gone);
  agent.hello(offer(agent.epoch));
  const held = hub.lastWelcome('gw1').epochs[0]?.held[2]?.size;
  expect(sum((line) => line.delivered) + voided).toBe(held);
  expect(read.voids().reduce((total, row) => total + row.items, 0)).toBe(voided);
  for (const line of ledger) {
    const { delivered, voided } = line;
    for (const count of [delivered, voided.evicted_size, voided.gone]) expect(count).toBeGreaterThanOrEqual(0);
    const produced = numbers(1, seqMax).filter((seq) => hourOf(seq) === line.hour).length;
    if (line.hour !== -1) expect(delivered).toBeLessThanOrEqual(produced);
    if (isRestored && line.hour !== -1) expect(delivered).toBe(produced);
  }
  if (!isRestored) return;
  expect(voided).toBe(0);
  expect(read.voids()).toEqual([]);
  expect(read.gaps(undefined, 0, Number.MAX_SAFE_INTEGER)).toEqual([]);
}

it('ledger, ranges, voids and gaps agree after every step', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const hub = new Hub({ limits: { tailItemsMax: 7, foldItemsMin: 1 } });
      const agent = new Agent(hub);
      agent.hello();
      agent.define(0, reading('a'), reading('b'));
      for (const next of steps) {
        if (next.kind === 'batch') sendBatch(agent, next.batch);
        else if (next.kind === 'void') sendVoid(agent, next.first, next.last, next.reason, next.isTold);
        else if (next.kind === 'restart') hub.restart();
        else hub.core.fold();
        check(hub, agent, false);
      }
      for (let batch = 0; batch < seqMax / batchItems; batch++) sendBatch(agent, batch);
      check(hub, agent, true);
      expect(hub.core.read.quarantineCounts()).toEqual([]);
      hub.db.close();
    }),
    { numRuns: 150 },
  );
});
