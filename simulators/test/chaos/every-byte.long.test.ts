/** Every byte offset of a longer session, both directions, each cut once. Prints what it took. */
import { stdout } from 'node:process';
import { expect, it } from 'vitest';
import { differences, runSession } from './every-byte.ts';

const session = { messages: 40, devices: 4 };

it('a session cut after any byte leaves nothing else at the hub than one that was not cut', () => {
  const startedMs = performance.now();
  const whole = runSession(session);
  const figures = { cuts: 0, differing: 0, connections: 0 };
  for (const direction of ['up', 'down'] as const) {
    for (let afterBytes = 1; afterBytes <= whole.bytes[direction]; afterBytes++) {
      const cut = runSession(session, { direction, afterBytes });
      figures.cuts++;
      figures.connections += cut.connections;
      const differing = differences(whole, cut);
      if (differing.length > 0) figures.differing++;
      expect(differing, `${direction} ${afterBytes}`).toEqual([]);
    }
  }
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  stdout.write(
    `${JSON.stringify({ test: 'every byte', ...whole.bytes, rollups: whole.rollups.size, ...figures, seconds })}\n`,
  );
  expect(figures.connections).toBe(2 * figures.cuts);
});
