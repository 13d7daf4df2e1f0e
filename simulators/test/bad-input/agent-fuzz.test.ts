/**
 * The agent's uplink against seeded damage of what the hub says, at any moment of a session. The core never fails, whatever session it had is
 * given up or goes on, and as soon as a hub that holds nothing speaks sense again it gets everything, void of nothing (P3).
 * FOGLINE_SEED=n runs one seed.
 */
import { env } from 'node:process';
import { AgentCore } from '@fogline/edge-agent/agent-core';
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import { agentDatabase } from '@fogline/edge-agent/journal/schema';
import { nobody } from '@fogline/edge-agent/testing/actuators';
import { StubHub, welcomeTo } from '@fogline/edge-agent/uplink/testing/stub-hub';
import { messageOf } from '@fogline/shared/errors';
import { silentLogger } from '@fogline/shared/log';
import { decodeBatch, encodeFlow } from '@fogline/shared/protocol/messages';
import { SeededRandom } from '@fogline/shared/random';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import { openDatabase } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { mutate } from './mutate.ts';
import { downSamples } from './samples.ts';

const seeds =
  env['FOGLINE_SEED'] === undefined ? Array.from({ length: 150 }, (_, n) => n + 1) : [Number(env['FOGLINE_SEED'])];
const agent = 'pi';
const stepsPerSeed = 60;
/** Far beyond the longest pause between two attempts to connect. */
const patienceMs = 70_000;

const config: CoreConfig = {
  agent,
  software: 'test 1',
  sources: ['climate'],
  pipelines: [{ name: 'live', from: 'climate', lane: 2 }],
  alarms: [],
  buffer: {
    commit: 'prompt',
    flashBytesPerDay: 2 ** 30,
    sizeBytesMax: 2 ** 29,
    ageMsMax: 86_400_000,
    whenFull: { alarm: 'keep', high: 'keep', normal: 'keep', low: 'keep' },
  },
  uplink: { token: 't', window: 32, lingerMs: 20 },
};

class Harness {
  readonly clock = new ManualClock();
  readonly hub = new StubHub();
  readonly core: AgentCore;
  readonly #db = openDatabase(':memory:', agentDatabase);
  readonly #random: SeededRandom;
  #readings = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.core = new AgentCore(config, {
      db: this.#db,
      clock: this.clock,
      random: random.fork(),
      wire: this.hub,
      log: silentLogger,
      actuator: nobody,
      release: () => undefined,
      setOverloaded: () => undefined,
      onFatal: (error) => {
        throw new Error('the core gave up', { cause: error });
      },
    });
    this.core.start();
  }

  close(): void {
    this.core.kill();
    this.#db.close();
  }

  submit(): void {
    const isFirst = this.#readings++ === 0;
    this.core.submit({
      source: 'climate',
      newSeries: isFirst ? [{ id: 0, device: 'd', metric: 't', unit: '', type: 'number', tags: [] }] : [],
      columns: {
        count: 1,
        series: Uint32Array.of(0),
        time: Float64Array.of(this.clock.now()),
        value: Float64Array.of(this.#readings),
        flags: Uint8Array.of(0),
        strings: [],
      },
      hasSourceTime: Uint8Array.of(0),
      tokens: [],
    });
  }

  step(): void {
    const { hub, clock } = this;
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
        return this.submit();
      case 1:
        return clock.advance(random.below(2_000));
      case 2:
        return hub.events?.onOpen();
      case 3:
        return hub.ackAll();
      case 4:
        return hub.cut();
      default:
        return this.#babble();
    }
  }

  /** Something like what the hub would say now. */
  #babble(): void {
    const random = this.#random;
    const hello = this.hub.hello();
    const [kind, sample] = downSamples[random.below(downSamples.length)] ?? ['flow', new Uint8Array(0)];
    let payload = kind === 'flow' ? encodeFlow({ agent, window: 1 + random.below(50) }) : sample;
    if (kind === 'welcome' && hello !== undefined) {
      const held = (): SeqRanges[] =>
        hello.queued.map(() => SeqRanges.from(random.below(4), [10, 12 + random.below(9)]));
      const epochs = hello.epochs.map(({ epoch }) => ({ epoch, seriesKnown: random.below(3), held: held() }));
      payload = welcomeTo(hello, random.chance(0.5) ? { epochs } : {});
    }
    this.hub.say(agent, kind, random.chance(0.8) ? mutate(random, payload) : payload);
  }

  /** A hub that speaks sense from now on and holds this; returns the items of the lane that it was sent, and how many voids. */
  recover(held: SeqRanges): { readonly items: SeqRanges; readonly voids: number; readonly produced: number } {
    const { hub, clock, core } = this;
    hub.cut();
    for (let waited = 0; hub.events === undefined && waited < patienceMs; waited += 1_000) clock.advance(1_000);
    hub.events?.onOpen();
    this.submit();
    const items = SeqRanges.empty();
    let voids = 0;
    for (let round = 0; round < 200; round++) {
      const hello = hub.hello();
      if (hello !== undefined) {
        const lanes = [SeqRanges.empty(), SeqRanges.empty(), held, SeqRanges.empty()];
        const epochs = hello.epochs.map(({ epoch }) => ({ epoch, seriesKnown: 0, held: lanes }));
        hub.say(agent, 'welcome', welcomeTo(hello, { epochs }));
      }
      for (const { kind, payload } of hub.published) {
        if (kind === 'void') voids++;
        if (kind !== 'batch') continue;
        const { first, last } = decodeBatch(payload);
        items.add(first, last);
      }
      hub.ackAll();
      clock.advance(100);
      if (core.status().isConnected && core.status().queuedItems.every((count) => count === 0)) break;
    }
    return { items, voids, produced: this.#readings };
  }
}

function run(seed: number, held: SeqRanges): void {
  const harness = new Harness(new SeededRandom(seed));
  try {
    for (let step = 0; step < stepsPerSeed; step++) harness.step();
    const { items, voids, produced } = harness.recover(held);
    expect(harness.core.status()).toMatchObject({ isConnected: true, queuedItems: [0, 0, 0, 0] });
    expect([items.watermark, items.beyond, voids]).toEqual([produced, [], 0]);
  } catch (error) {
    throw new Error(`FOGLINE_SEED=${seed}: ${messageOf(error)}`, { cause: error });
  } finally {
    harness.close();
  }
}

it('whatever the hub says', () => {
  for (const seed of seeds) run(seed, SeqRanges.empty());
});

it('a planted fault is found: items that do not come again', () => {
  expect(() => run(1, SeqRanges.from(3, []))).toThrow('FOGLINE_SEED=1');
});
