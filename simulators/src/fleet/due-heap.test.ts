import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DueHeap } from './due-heap.ts';

it('gives what is due first, ties by number, however it is added, postponed and removed', () => {
  const step = fc.record({ what: fc.constantFrom('add', 'postpone', 'remove'), by: fc.nat(9) });
  const property = fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const dueMs = new Float64Array(200);
    const heap = new DueHeap(new Int32Array(200), dueMs);
    const model = new Set<number>();
    const first = (): number => [...model].toSorted((a, b) => dueMs[a]! - dueMs[b]! || a - b)[0] ?? -1;
    let next = 0;
    for (const { what, by } of steps) {
      if (what === 'add') {
        dueMs[next] = by;
        model.add(next);
        heap.add(next++);
      } else if (heap.first >= 0 && what === 'postpone') {
        dueMs[heap.first] = dueMs[heap.first]! + by;
        heap.postponeFirst();
      } else if (heap.first >= 0) {
        model.delete(heap.first);
        heap.removeFirst();
      }
      expect(heap.first).toBe(first());
      expect(heap.count).toBe(model.size);
    }
  });
  fc.assert(property);
});
