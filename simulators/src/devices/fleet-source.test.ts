import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planOf } from '../testing/plan.ts';
import { drain, takeFrom } from '../testing/take.ts';
import { loadFleet } from './fleet-config.ts';
import { createFleetSource } from './fleet-source.ts';

const startMs = Date.UTC(2026, 0, 1);
const climate = { metrics: { temperature: { like: 'temperature' }, humidity: { like: 'humidity' } } };
const base = { backfill: '5m', duration: '10s', connections: 2, devices: { dev: { count: 5, ...climate } } };

function fleet(document: object, doneToMs?: ReadonlyMap<string, number>) {
  return createFleetSource({ plan: planOf(document), startMs, ...(doneToMs === undefined ? {} : { doneToMs }) });
}

/** Of the first messages of every lane. */
function hashOf(source: ReturnType<typeof fleet>, framing: 'mqtt' | 'lines' = 'mqtt', messagesMax = Infinity): string {
  const hash = createHash('sha256');
  for (let lane = 0; lane < source.lanes; lane++) {
    for (let count = 0; count < messagesMax / source.lanes; count++) {
      const one = takeFrom(source, lane, framing);
      if (one === undefined) break;
      hash.update(`${one.topic} ${one.payload} ${JSON.stringify(one.truth)}\n`);
    }
  }
  return hash.digest('hex');
}

// Change these hashes only together with a deliberate change of the signals: recorded truth of others depends on them.
it('sends the same bytes, and tells the same truth, for the same seed on every machine', () => {
  const hour = { backfill: '24h', duration: '1h', connections: 2 };
  const dev = { count: 40, interval: '10s', ...climate };
  expect(hashOf(fleet({ ...hour, devices: { dev } }))).toBe(
    'c373e982f64f8b0d93e11d70fa0b5a86be171119de67f0037717bda4a8cd8ef5',
  );
  const air = { pressure: { like: 'pressure' }, co2: { like: 'co2' } };
  expect(hashOf(fleet({ ...hour, seed: 0xffff_ffff, devices: { dev: { ...dev, metrics: air } } }))).toBe(
    '065ffa0d2d439799b3a325daa632b37839dab9bb94bdaf8e742fd99bee5dc570',
  );
});

const examples = globSync(fileURLToPath(new URL('../../../docs/examples/fleet-*.yaml', import.meta.url))).toSorted();
const golden: Readonly<Record<string, string>> = {
  'fleet-climate.yaml': 'a648219ae93e68eeca4ccf46851b9796acfd523d3813e99c9c578faee6852a96',
  'fleet-fan.yaml': '5c4688040ab1a5c9586b63e80aa9ce8c52abe695afeb7422e7b1b73e72fa887d',
  'fleet-faults.yaml': 'f99ba8d55b1918be4f8fa82ccc6cd43c8a48a3e291db38b9ba4cdd4cf6b13080',
  'fleet-line.yaml': '9e1fdd558b1ecd691c7d9f6b8ba2104e8a6ae6aeaf7e48e6818d3d27889f91eb',
  'fleet-load.yaml': '4ed5081960274e431df3537c6a80cce76aff61d96893fe2ab31f14a92c8a1b25',
};

it.each(examples.map((file) => [basename(file), file]))(
  'sends the same bytes for the same seed on every machine: %s',
  (name, file) => {
    const { value: plan } = loadFleet({ file }, { FOGLINE__START: '2026-01-05T06:00:00Z' });
    const source = createFleetSource({ plan, startMs: plan.startMs ?? 0 });
    expect(hashOf(source, plan.target.kind === 'mqtt' ? 'mqtt' : 'lines', 30_000)).toBe(golden[name]);
  },
);

it('sends other bytes for another seed, and the same again for the same', () => {
  expect(hashOf(fleet({ ...base, seed: 2 }))).not.toBe(hashOf(fleet(base)));
  expect(hashOf(fleet(base))).toBe(hashOf(fleet(base)));
});

it('tells the truth about what it sends', () => {
  const message = takeFrom(fleet({ ...base, devices: { dev: { count: 1, id: 'room-{n:3}', ...climate } } }), 0);
  const { ts, temp, hum } = JSON.parse(message?.payload ?? '') as Record<string, number>;
  expect(message).toMatchObject({ topic: 'sensors/room-001/climate', name: 'room-001', timeMs: ts, qos: 1 });
  expect(message?.truth).toEqual([{ s: 'room-001', t: ts, v: { temperature: temp, humidity: hum }, q: 1 }]);
});

it('gives every device strictly increasing times, first the past at its pace, then live at its own, to the end and no further', () => {
  const property = fc.property(
    fc.record({
      devices: fc.integer({ min: 1, max: 7 }),
      connections: fc.integer({ min: 1, max: 7 }),
      startMs: fc.integer({ min: startMs, max: startMs + 120_000 }),
      intervalMs: fc.integer({ min: 1, max: 3_000 }),
      jitterShare: fc.double({ min: 0, max: 1, noNaN: true }),
      durationMs: fc.integer({ min: 1, max: 9_000 }),
      backfillMs: fc.integer({ min: 0, max: 400_000 }),
      backfillIntervalMs: fc.integer({ min: 1_000, max: 90_000 }),
    }),
    ({
      devices,
      connections,
      startMs: fromMs,
      intervalMs,
      jitterShare,
      durationMs,
      backfillMs,
      backfillIntervalMs,
    }) => {
      const jitterMs = Math.floor(jitterShare * intervalMs);
      const pastMs = Math.max(intervalMs, backfillIntervalMs);
      const plan = planOf({
        connections,
        duration: `${durationMs}ms`,
        backfill: `${backfillMs}ms`,
        backfill_interval: `${backfillIntervalMs}ms`,
        devices: { dev: { count: devices, interval: `${intervalMs}ms`, jitter: `${jitterMs}ms`, ...climate } },
      });
      const byDevice = Map.groupBy(drain(createFleetSource({ plan, startMs: fromMs })), ({ device }) => device);
      expect(byDevice.size).toBeLessThanOrEqual(devices);
      for (const messages of byDevice.values()) {
        for (const [index, { position, timeMs }] of messages.entries()) {
          const before = messages[index - 1];
          const isLive = position >= fromMs;
          if (before !== undefined) {
            expect(timeMs).toBeGreaterThan(before.timeMs);
            if (isLive === before.position >= fromMs) {
              expect(position - before.position).toBe(isLive ? intervalMs : pastMs);
            }
          }
          expect(position).toBeGreaterThanOrEqual(fromMs - backfillMs);
          expect(position).toBeLessThan(fromMs + durationMs);
          expect(timeMs - position).toBeGreaterThanOrEqual(0);
          expect(timeMs - position).toBeLessThanOrEqual(Math.max(0, jitterMs - 1));
        }
        const live = messages.filter(({ position }) => position >= fromMs).length;
        expect(Math.abs(live - durationMs / intervalMs)).toBeLessThanOrEqual(1);
      }
    },
  );
  fc.assert(property, { numRuns: 25 });
});

it('asks for the messages of a lane in the order in which they are due', () => {
  const source = fleet({
    ...base,
    devices: { a: { count: 40, jitter: '300ms', ...climate }, b: { count: 9, ...climate } },
  });
  for (let lane = 0; lane < source.lanes; lane++) {
    let lastMs = -Infinity;
    while (source.dueMs(lane) !== Infinity) {
      expect(source.dueMs(lane)).toBeGreaterThanOrEqual(lastMs);
      lastMs = source.dueMs(lane);
      expect(takeFrom(source, lane)?.timeMs).toBe(lastMs);
    }
  }
});

it('goes on after what an earlier run settled, device by device, and sends nothing of it again', () => {
  const all = drain(fleet(base));
  const doneToMs = new Map([
    ['dev-0001', startMs - 60_000],
    ['dev-0002', startMs + 4_200],
  ]);
  const rest = drain(fleet(base, doneToMs));
  expect(rest).toEqual(all.filter(({ name, position }) => position > (doneToMs.get(name) ?? -Infinity)));
  expect(rest.length).toBeLessThan(all.length);
});

it('lets the number of devices rise and fall in stages, the same ones first and last', () => {
  const stages = [{ over: '100s', devices: '100%' }, { over: '50s' }, { over: '100s', devices: '50%' }];
  const messages = drain(fleet({ stages, devices: { dev: { count: 100, interval: '1s', ...climate } } }));
  const counts = Array.from({ length: 25 }, (_, ten) => {
    const from = startMs + ten * 10_000;
    return new Set(messages.filter(({ timeMs }) => timeMs >= from && timeMs < from + 10_000).map(({ name }) => name))
      .size;
  });
  const rising = Array.from({ length: 10 }, (_, index) => (index + 1) * 10);
  const falling = Array.from({ length: 10 }, (_, index) => 100 - index * 5);
  expect(counts).toEqual([...rising, 100, 100, 100, 100, 100, ...falling]);
  const last = messages.filter(({ timeMs }) => timeMs >= startMs + 249_000).map(({ device }) => device);
  expect(new Set(last)).toEqual(new Set(Array.from({ length: 51 }, (_, index) => index)));
});

it('keeps a hundred thousand devices in columns', () => {
  const source = fleet({
    devices: { dev: { count: 100_000, interval: '10s', ...climate } },
    connections: 100,
    duration: '10s',
  });
  let messages = 0;
  for (let lane = 0; lane < source.lanes; lane += 25) while (takeFrom(source, lane) !== undefined) messages++;
  expect(messages).toBe(4_000);
});

it('speaks line protocol, with and without MQTT around it', () => {
  const meter = {
    count: 2,
    format: 'line',
    topic: 'plant/{site}/{device}',
    tags: { site: ['lyon', 'oslo'] },
    measurement: 'energy',
    metrics: { power: { base: 5, decimals: 1 }, mode: { states: { idle: '1h', busy: '1h' } } },
  };
  const { payload, topic } = takeFrom(fleet({ ...base, backfill: '0s', devices: { meter } }), 1) ?? {};
  expect(topic).toBe('plant/oslo/meter-0002');
  expect(payload).toMatch(/^energy,device=meter-0002,site=oslo power=5\.0,mode="(idle|busy)" 1767225600500000000$/);
  const line = takeFrom(fleet({ ...base, backfill: '0s', devices: { meter } }), 1, 'lines');
  expect(line?.payload).toBe(payload);
});
