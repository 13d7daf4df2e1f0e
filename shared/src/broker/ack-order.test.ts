import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AckQueue } from './ack-queue.ts';
import { Outbound } from './outbound.ts';
import { frame, publishFrame } from './testing/wire-client.ts';

interface Publish {
  readonly qos: 1 | 2;
  readonly id: number;
}

interface Case {
  /** In order of arrival; ids may repeat. */
  readonly publishes: readonly Publish[];
  /** The order in which the broker acks them: a permutation of their indices. */
  readonly order: readonly number[];
  /** Sizes of the pieces in which the broker writes. */
  readonly pieces: readonly number[];
}

const anyCase: fc.Arbitrary<Case> = fc
  .array(fc.record({ qos: fc.constantFrom(1 as const, 2 as const), id: fc.integer({ min: 1, max: 30 }) }), {
    maxLength: 80,
  })
  .chain((publishes) =>
    fc.record({
      publishes: fc.constant(publishes),
      order: fc.shuffledSubarray(
        publishes.map((_, index) => index),
        { minLength: publishes.length },
      ),
      pieces: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
    }),
  );

function ackFrame({ qos, id }: Publish): Buffer {
  return frame(qos === 1 ? 0x40 : 0x50, [id >> 8, id & 255]);
}

/** What the client sees, as text, when the broker acks in the order of the case; throws where acks overtake. */
function checkOrder(queue: AckQueue, { publishes, order, pieces }: Case): void {
  const outbound = new Outbound(queue);
  for (const { qos, id } of publishes) queue.push(qos, id);
  const other = publishFrame('t', 'x'.repeat(30));
  const written = Buffer.concat(order.flatMap((index) => [ackFrame(publishes[index] as Publish), other]));
  const seen: Buffer[] = [];
  for (let at = 0, i = 0; at < written.length; i++) {
    const size = pieces[i % pieces.length] as number;
    outbound.write(written.subarray(at, at + size));
    at += size;
    if (i % 3 === 0) seen.push(...outbound.take());
  }
  seen.push(...outbound.take());
  const text = Buffer.concat(seen).toString('hex');
  const acks = text.replaceAll(other.toString('hex'), '');
  expect(acks).toBe(Buffer.concat(publishes.map(ackFrame)).toString('hex'));
  expect(text.length - acks.length).toBe(order.length * other.length * 2);
}

describe('acks of one connection', () => {
  it('leave in the order of the publishes, in whatever order and pieces the broker writes them', () => {
    fc.assert(
      fc.property(anyCase, (one) => {
        // Equal (QoS, id) are answered by equal acks, so any permutation of them is the same.
        checkOrder(new AckQueue(), one);
      }),
      { numRuns: 500 },
    );
  });

  it('leave in order as soon as all before them are done, whether the broker acks or the fast lane settles', () => {
    const publish = fc.record({ isLane: fc.boolean(), turn: fc.integer() });
    fc.assert(
      fc.property(fc.array(publish, { maxLength: 100 }), (publishes) => {
        const queue = new AckQueue();
        const outbound = new Outbound(queue);
        const rows = publishes.map(({ isLane, turn }, index) => {
          const id = index + 1;
          const ticket = isLane ? queue.pushLane(id, 10 * id) : undefined;
          if (!isLane) queue.push(1, id);
          return { id, ticket, turn };
        });
        const done = new Set<number>();
        let seen = '';
        for (const { id, ticket } of rows.toSorted((a, b) => a.turn - b.turn)) {
          done.add(id);
          if (ticket === undefined) outbound.write(ackFrame({ qos: 1, id }));
          else {
            expect(queue.settle(ticket)).toBe(10 * id);
            outbound.releaseAcks();
          }
          for (const piece of outbound.take()) seen += piece.toString('hex');
          let leading = 0;
          while (done.has(leading + 1)) leading++;
          const due = Array.from({ length: leading }, (_, index) =>
            ackFrame({ qos: 1, id: index + 1 }).toString('hex'),
          );
          expect(seen).toBe(due.join(''));
        }
      }),
    );
  });

  it('of the broker never stand for a publish of the fast lane with the same packet id', () => {
    const queue = new AckQueue();
    const outbound = new Outbound(queue);
    const ticket = queue.pushLane(7, 0);
    queue.push(1, 7);
    outbound.write(ackFrame({ qos: 1, id: 7 }));
    expect(outbound.take()).toEqual([]);
    queue.settle(ticket);
    outbound.releaseAcks();
    expect(Buffer.concat(outbound.take()).toString('hex')).toBe('4002000740020007');
  });

  it('wait for the end of a frame that the broker has begun', () => {
    const queue = new AckQueue();
    const outbound = new Outbound(queue);
    const ticket = queue.pushLane(7, 0);
    const other = publishFrame('t', 'x');
    outbound.write(other.subarray(0, 3));
    queue.settle(ticket);
    outbound.releaseAcks();
    outbound.write(other.subarray(3));
    expect(Buffer.concat(outbound.take())).toEqual(Buffer.concat([other, ackFrame({ qos: 1, id: 7 })]));
  });

  it('canary: a gate that lets acks pass as they come is caught by the same check', () => {
    class UnorderedQueue extends AckQueue {
      readonly #ready: number[] = [];
      override ack(qos: 1 | 2, packetId: number): boolean {
        this.#ready.push((qos << 16) | packetId);
        return true;
      }
      override shift(): number {
        return this.#ready.shift() ?? 0;
      }
    }
    expect(() =>
      fc.assert(
        fc.property(anyCase, (one) => checkOrder(new UnorderedQueue(), one)),
        { numRuns: 500 },
      ),
    ).toThrow(/failed after/);
  });

  it('are held until the earliest publish is acked, then leave at once', () => {
    const queue = new AckQueue();
    const outbound = new Outbound(queue);
    for (let id = 1; id <= 2_000; id++) queue.push(1, id);
    for (let id = 2_000; id > 1; id--) outbound.write(ackFrame({ qos: 1, id }));
    expect(outbound.take()).toEqual([]);
    outbound.write(ackFrame({ qos: 1, id: 1 }));
    const acks = Buffer.concat(outbound.take());
    expect(acks.length).toBe(8_000);
    expect(acks.readUInt16BE(2)).toBe(1);
    expect(acks.readUInt16BE(7_998)).toBe(2_000);
    expect(queue.length).toBe(0);
  });

  it('never overwrite bytes that were taken and not yet sent', () => {
    const queue = new AckQueue();
    const outbound = new Outbound(queue);
    const taken: Buffer[] = [];
    for (let id = 1; id <= 3_000; id++) {
      queue.push(1, id);
      outbound.write(ackFrame({ qos: 1, id }));
      if (id % 7 === 0) taken.push(...outbound.take());
    }
    taken.push(...outbound.take());
    const acks = Buffer.concat(taken);
    for (let id = 1; id <= 3_000; id++) expect(acks.readUInt16BE(id * 4 - 2)).toBe(id);
  });

  it('that answer nothing are a bug of the broker and are not passed', () => {
    expect(() => new Outbound(new AckQueue()).write(ackFrame({ qos: 1, id: 9 }))).toThrow(/invariant/);
  });
});
