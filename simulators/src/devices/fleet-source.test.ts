import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Message, Source } from '../fleet/source.ts';
import { createFleetSource, type FleetOptions } from './fleet-source.ts';

const startMs = Date.UTC(2026, 0, 1);

const base: FleetOptions = {
  devices: 5,
  lanes: 2,
  seed: 1,
  metrics: ['temperature', 'humidity'],
  topic: 'sensors/{device}/climate',
  startMs,
  intervalMs: 1_000,
  durationMs: 10_000,
  backfillMs: 300_000,
  backfillIntervalMs: 60_000,
};

function drain(source: Source): Message[] {
  const messages: Message[] = [];
  for (let lane = 0; lane < source.lanes; lane++) {
    for (let message = source.take(lane); message !== undefined; message = source.take(lane)) messages.push(message);
  }
  return messages;
}

function hashOf(options: Partial<FleetOptions>): string {
  const hash = createHash('sha256');
  for (const { topic, payload } of drain(createFleetSource({ ...base, ...options })))
    hash.update(`${topic} ${payload}\n`);
  return hash.digest('hex');
}

// Change these hashes only together with a deliberate change of the signals: recorded truth of others depends on them.
it('sends the same bytes for the same seed on every machine', () => {
  const hour = { devices: 40, durationMs: 3_600_000, intervalMs: 10_000, backfillMs: 86_400_000 };
  expect(hashOf(hour)).toBe('a1ae576e01f4de279ae224963e180912a4b2f09c1ca7faa0d4a9da79d2e99e2b');
  expect(hashOf({ ...hour, metrics: ['pressure', 'co2'], seed: 0xffff_ffff })).toBe(
    '1f6f94d02a6b1d9e354e01ab949eef776b399b8911d23ea543b1df523c1e7cc6',
  );
});

it('sends other bytes for another seed', () => {
  expect(hashOf({ seed: 2 })).not.toBe(hashOf({ seed: 1 }));
});

it('gives every device strictly increasing times, first the past at its pace, then live at its own, to the end and no further', () => {
  const property = fc.property(
    fc.record({
      devices: fc.integer({ min: 1, max: 7 }),
      lanes: fc.integer({ min: 1, max: 7 }),
      startMs: fc.integer({ min: startMs, max: startMs + 120_000 }),
      intervalMs: fc.integer({ min: 1, max: 3_000 }),
      durationMs: fc.integer({ min: 0, max: 9_000 }),
      backfillMs: fc.integer({ min: 0, max: 400_000 }),
      backfillIntervalMs: fc.integer({ min: 1_000, max: 90_000 }),
    }),
    (options) => {
      const byDevice = Map.groupBy(drain(createFleetSource({ ...base, ...options })), (message) => message.device);
      for (const times of [...byDevice.values()].map((messages) => messages.map((message) => message.timeMs))) {
        for (const [index, timeMs] of times.entries()) {
          const before = times[index - 1];
          const isLive = timeMs >= options.startMs;
          if (before !== undefined) {
            const isSamePace = isLive === before >= options.startMs;
            expect(timeMs).toBeGreaterThan(before);
            if (isSamePace) expect(timeMs - before).toBe(isLive ? options.intervalMs : options.backfillIntervalMs);
          }
          expect(timeMs).toBeGreaterThanOrEqual(options.startMs - options.backfillMs);
          expect(timeMs).toBeLessThan(options.startMs + options.durationMs);
        }
        const live = times.filter((timeMs) => timeMs >= options.startMs).length;
        expect(Math.abs(live - options.durationMs / options.intervalMs)).toBeLessThanOrEqual(1);
      }
    },
  );
  fc.assert(property, { numRuns: 60 });
});

it('goes on after what an earlier run settled, device by device, and sends nothing of it again', () => {
  const all = drain(createFleetSource(base));
  const doneToMs = new Map([
    ['dev-0001', startMs - 60_000],
    ['dev-0002', startMs + 4_200],
  ]);
  const rest = drain(createFleetSource({ ...base, doneToMs }));
  expect(rest).toEqual(all.filter((message) => message.timeMs > (doneToMs.get(message.device) ?? -Infinity)));
  expect(rest.length).toBeLessThan(all.length);
});

it('refuses a metric it cannot simulate, naming those it can', () => {
  expect(() => createFleetSource({ ...base, metrics: ['temprature'] })).toThrow(
    /unknown metric "temprature".*temperature/,
  );
});
