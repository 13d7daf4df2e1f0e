/**
 * The hub's ingest against seeded damage of every kind of message, from one agent beside another that is honest. Nothing is thrown, every
 * message is acked in order, none is the hub's own fault, what the honest agent shows is as if it were alone, and the other is
 * served again as soon as it speaks sense. FOGLINE_SEED=n runs one seed.
 */
import { env } from 'node:process';
import { Agent, epochId, Hub, reading, t0, window } from '@fogline/cloud-hub/ingest/testing/agent-fixture';
import { SeededRandom } from '@fogline/shared/random';
import { expect, it } from 'vitest';
import { hostileMessages } from './msgpack-bytes.ts';
import { mutate } from './mutate.ts';
import { rogue, upSamples } from './samples.ts';

const seeds =
  env['FOGLINE_SEED'] === undefined ? Array.from({ length: 250 }, (_, n) => n + 1) : [Number(env['FOGLINE_SEED'])];
const honest = 'gw1';
const levels = [10_000, 60_000, 900_000, 86_400_000] as const;
const stepsPerSeed = 60;

function start(): { hub: Hub; agent: Agent } {
  const hub = new Hub();
  const agent = new Agent(hub, honest);
  agent.hello();
  agent.define(0, reading('t'), window('w', 60_000));
  return { hub, agent };
}

/** The nth message of the honest agent. */
function honestly(agent: Agent, n: number): void {
  if (n % 4 === 3) agent.sendWindows(n + 1, { series: 1, start: t0 + n * 60_000, values: [[t0 + n * 60_000, n]] });
  else agent.send(n + 1, { series: 0, time: t0 + n * 1_000, value: n / 7 });
}

/** All that the hub shows of an agent, without the ids that depend on who else is there. */
function shown({ core: { read } }: Hub, name: string): unknown {
  const series = read.listSeries({}).filter(({ agent }) => agent === name);
  return {
    rollups: series.map(({ id, metric }) => [
      metric,
      ...levels.map((level) =>
        [...read.rollups(id, level, 0, t0 * 2)].map(({ startMs, partial }) => [
          startMs,
          Buffer.from(partial).toString('hex'),
        ]),
      ),
    ]),
    ledger: read.ledger(name),
    epochs: read.voids(name),
  };
}

function attack(hub: Hub, agent: Agent, random: SeededRandom): number {
  let said = 0;
  for (const [kind, payload] of upSamples.slice(0, 2 + random.below(3))) hub.take(rogue, kind, payload);
  for (let step = 0; step < stepsPerSeed; step++) {
    const [kind, payload] = upSamples[random.below(upSamples.length)] ?? ['status', new Uint8Array(0)];
    if (random.chance(0.2)) honestly(agent, said++);
    else if (random.chance(0.05)) hub.submit(rogue, kind, payload);
    else hub.submit(rogue, kind, mutate(random, payload));
    if (random.chance(0.3)) hub.commitAll();
    if (random.chance(0.02)) {
      hub.commitAll();
      hub.core.fold();
    }
    if (random.chance(0.02)) {
      hub.commitAll();
      hub.restart();
    }
  }
  hub.commitAll();
  return said;
}

function expectSound(hub: Hub, said: number): void {
  expect(hub.core.read.quarantine().filter(({ reason }) => reason === 'internal')).toEqual([]);
  expect(hub.core.queuedBytes()).toBe(0);
  expect(hub.acked).toEqual(Array.from({ length: hub.acked.length }, (_, n) => n));
  const alone = start();
  for (let n = 0; n < said; n++) honestly(alone.agent, n);
  expect(shown(hub, honest)).toEqual(shown(alone.hub, honest));
  const sane = new Agent(hub, rogue, epochId(0xabcdef));
  sane.hello();
  sane.define(0, reading('sane', { device: 'sane' }));
  sane.send(1, { series: 0, time: t0, value: 42 });
  const [series] = hub.core.read.listSeries({}).filter(({ metric }) => metric === 'sane');
  expect(series === undefined ? [] : hub.core.read.latest([series.id])).toMatchObject([{ value: 42 }]);
}

it('whatever one agent says', () => {
  for (const seed of seeds) {
    const { hub, agent } = start();
    try {
      expectSound(hub, attack(hub, agent, new SeededRandom(seed)));
    } catch (error) {
      throw new Error(`FOGLINE_SEED=${seed}`, { cause: error });
    } finally {
      hub.db.close();
    }
  }
});

it('what once crashed or wedged it does so no more', () => {
  const { hub } = start();
  let count = 0;
  for (const [kind] of upSamples) {
    for (const payload of Object.values(hostileMessages)) {
      hub.take(rogue, kind, payload);
      count++;
    }
  }
  expect(hub.core.read.counters().quarantined).toMatchObject({ corrupt: count, internal: 0 });
  expectSound(hub, 0);
});
