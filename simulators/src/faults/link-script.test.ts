import { SeededRandom } from '@fogline/shared/random';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { openLink } from './link.ts';
import { type Action, parseScript, runRandomFaults, runScript } from './link-script.ts';

it('reads a script', () => {
  expect(
    parseScript(
      'at 5s cut; at 8s stall 3s\n# nightly\nevery 10s±3s cut fin; at 0s rate 10kB/s; after 1KiB up cut; at 1m half-open; at 2m clear',
    ),
  ).toEqual([
    { when: 'at', ms: 5_000, action: { do: 'cut', mode: 'rst' } },
    { when: 'at', ms: 8_000, action: { do: 'stall', ms: 3_000 } },
    { when: 'every', ms: 10_000, jitterMs: 3_000, action: { do: 'cut', mode: 'fin' } },
    { when: 'at', ms: 0, action: { do: 'rate', bytesPerSecond: 10_000 } },
    { when: 'after', bytes: 1_024, direction: 'up', mode: 'rst' },
    { when: 'at', ms: 60_000, action: { do: 'half-open' } },
    { when: 'at', ms: 120_000, action: { do: 'clear' } },
  ]);
  expect(parseScript('at 1s slice 1B; inside 3 puback cut; inside 2+1B publish up cut fin')).toEqual([
    { when: 'at', ms: 1_000, action: { do: 'slice', bytes: 1 } },
    { when: 'inside', direction: 'down', cut: { packet: 'puback', nth: 3, bytes: undefined, mode: 'rst' } },
    { when: 'inside', direction: 'up', cut: { packet: 'publish', nth: 2, bytes: 1, mode: 'fin' } },
  ]);
});

it.each([
  ['soon cut', /begins with at, every, after or inside/],
  ['inside 0 puback cut', /1 is the next/],
  ['inside 1 pubback cut', /packets are connect/],
  ['inside 1 puback stall 1s', /only cut/],
  ['at 1s slice 0B', /at least one byte/],
  ['at 5 cut', /"at 5 cut": 5 has no unit/],
  ['at 5s explode', /known are cut, stall/],
  ['at 5s cut softly', /cut rst or cut fin/],
  ['at 5s stall', /is not a duration/],
  ['at 5s stall 3s 4s', /"4s" is too much/],
  ['at 5s rate 0B', /is a stall/],
  ['every 1s±2s cut', /longer than 0 and than its jitter/],
  ['after 100B sideways cut', /up or down/],
  ['after 100B up stall 3s', /only cut/],
])('refuses "%s" and says why', (script, message) => {
  expect(() => parseScript(script)).toThrow(message);
});

async function actionsOf(
  start: (world: {
    clock: ManualClock;
    note: (action: Action) => void;
    link: Awaited<ReturnType<typeof openLink>>;
  }) => { stop(): void },
) {
  const clock = new ManualClock();
  const link = await openLink({ listen: { host: '127.0.0.1', port: 0 }, to: { host: '127.0.0.1', port: 1 }, clock });
  const seen: string[] = [];
  const schedule = start({ clock, link, note: (action) => seen.push(`${Math.round(clock.monotonic())} ${action.do}`) });
  clock.advance(60_000);
  schedule.stop();
  clock.advance(60_000);
  await link.close();
  return seen;
}

it('does what the script says when it says, and nothing after it was stopped', async () => {
  const steps = parseScript('at 5s cut; every 20s stall 1s; at 59s refuse 1s; at 61s cut');
  const seen = await actionsOf(({ link, clock, note }) => runScript(link, steps, clock, new SeededRandom(1), note));
  expect(seen).toEqual(['5000 cut', '20000 stall', '40000 stall', '59000 refuse', '60000 stall']);
});

it('jitters within bounds, the same for the same seed', async () => {
  const steps = parseScript('every 10s±3s cut');
  const run = (seed: number) =>
    actionsOf(({ link, clock, note }) => runScript(link, steps, clock, new SeededRandom(seed), note));
  const seen = (await run(1)).map((line) => Number(line.split(' ')[0]));
  for (const [index, atMs] of seen.entries()) {
    const gapMs = atMs - (seen[index - 1] ?? 0);
    expect(gapMs).toBeGreaterThanOrEqual(6_999);
    expect(gapMs).toBeLessThanOrEqual(13_001);
  }
  expect(await run(1)).toEqual(await run(1));
  expect(await run(2)).not.toEqual(await run(1));
});

it('makes the same random faults for the same seed', async () => {
  const run = (seed: number) =>
    actionsOf(({ link, clock, note }) => runRandomFaults(link, clock, new SeededRandom(seed), note));
  expect(await run(1)).toEqual(await run(1));
  expect((await run(1)).length).toBeGreaterThan(5);
  expect(await run(2)).not.toEqual(await run(1));
});
