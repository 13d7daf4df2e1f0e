/** Every eighth byte of a session, and every byte of its PUBACKs; all of them are every-byte.long.test.ts. */
import { expect, it } from 'vitest';
import type { CutPoint } from './byte-link.ts';
import { differences, runSession, type Session } from './every-byte.ts';

const session = { messages: 14, devices: 2 };

function cutsOf(whole: Session, every: number): CutPoint[] {
  const cuts: CutPoint[] = [];
  for (let afterBytes = 1; afterBytes <= whole.bytes.up; afterBytes += every)
    cuts.push({ direction: 'up', afterBytes });
  const down = new Set(whole.pubackEnds.flatMap((end) => [end - 3, end - 2, end - 1, end]));
  for (let afterBytes = 1; afterBytes <= whole.bytes.down; afterBytes += every) down.add(afterBytes);
  for (const afterBytes of down) cuts.push({ direction: 'down', afterBytes });
  return cuts;
}

it('a session cut after any byte leaves nothing else at the hub than one that was not cut', {
  timeout: 300_000,
}, () => {
  const whole = runSession(session);
  expect(whole.connections).toBe(1);
  expect(whole.rollups.size).toBeGreaterThan(20);
  const cuts = cutsOf(whole, 8);
  expect(cuts.length).toBeGreaterThan(350);
  for (const cutAt of cuts) {
    const cut = runSession(session, cutAt);
    expect(cut.connections, JSON.stringify(cutAt)).toBe(2);
    expect(differences(whole, cut), JSON.stringify(cutAt)).toEqual([]);
  }
});

it('would notice: a session with one message less is different', () => {
  expect(differences(runSession(session), runSession({ ...session, messages: 13 }))).not.toEqual([]);
});
