import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenQueue } from './token-queue.ts';

test('everyone is called once with the own ticket, in whatever order tokens come back and others are added', () => {
  const step = fc.oneof({ weight: 3, arbitrary: fc.constant('add' as const) }, fc.nat(200));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 500 }), (steps) => {
      const queue = new TokenQueue();
      const out: { token: number; ticket: number }[] = [];
      let tickets = 0;
      for (const each of steps) {
        if (each === 'add') {
          const ticket = 10 * tickets++;
          const called = (given: number): void => expect(given).toBe(ticket);
          out.push({ ticket, token: queue.add(called, ticket) });
        } else if (out.length > 0) {
          for (const { token } of out.splice(each % out.length, 1)) {
            queue.release(token);
            queue.release(token);
          }
        }
        expect(queue.size).toBe(out.length);
      }
    }),
  );
});

test('who is called may wait again at once', () => {
  const queue = new TokenQueue();
  const called: number[] = [];
  const again = queue.add((ticket) => {
    called.push(ticket);
    queue.add((next) => void called.push(next), 2);
  }, 1);
  queue.release(again);
  queue.release(again + 1);
  expect(called).toEqual([1, 2]);
  expect(queue.size).toBe(0);
});
