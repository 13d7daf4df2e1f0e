import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Stamps } from './stamps.ts';

const dayMs = 86_400_000;

it('a stamp grows with every change of what lies before an instant, and rests only while nothing changes there', () => {
  const change = fc.oneof(
    fc.record({ agent: fc.integer({ min: 1, max: 3 }), day: fc.integer({ min: -50, max: 50 }) }),
    fc.record({ agent: fc.integer({ min: 1, max: 3 }) }),
    fc.constant({}),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), fc.integer({ min: -50, max: 51 }), (changes, toDay) => {
      const stamps = new Stamps();
      const latest = () => [1, 2, 3].map((agent) => stamps.latest(agent, toDay * dayMs));
      let before = latest();
      let days = new Set<number>();
      for (const { agent, day } of changes as { agent?: number; day?: number }[]) {
        if (agent === undefined) stamps.touchStore();
        else if (day === undefined) stamps.touchAgent(agent);
        else stamps.touch(agent, [day * 24 + 7]);
        const after = latest();
        after.forEach((stamp, index) => {
          const isChanged = agent === undefined || (agent === index + 1 && (day === undefined || day < toDay));
          if (isChanged) expect(stamp).toBeGreaterThan(before[index] ?? 0);
          // What an agent touches in few days is kept apart.
          else if (days.size < 30) expect(stamp).toBe(before[index]);
        });
        before = after;
        if (day !== undefined) days = days.add(day);
      }
    }),
    { numRuns: 300 },
  );
});
