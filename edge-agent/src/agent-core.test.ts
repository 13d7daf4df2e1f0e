import { silentLogger } from '@fogline/shared/log';
import { decodeBatch } from '@fogline/shared/protocol/messages';
import { SeededRandom } from '@fogline/shared/random';
import { type Database, openDatabase } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, describe, expect, it } from 'vitest';
import { AgentCore } from './agent-core.ts';
import type { CoreConfig } from './core-config.ts';
import { AgentStore } from './journal/agent-store.ts';
import { agentDatabase } from './journal/schema.ts';
import { nobody } from './testing/actuators.ts';
import { StubHub, welcomeTo } from './uplink/testing/stub-hub.ts';

const config: CoreConfig = {
  agent: 'pi',
  software: 'test 1',
  sources: ['climate'],
  pipelines: [{ name: 'live', from: 'climate', lane: 2 }],
  alarms: [],
  buffer: {
    commit: 'prompt',
    flashBytesPerDay: 2 ** 30,
    sizeBytesMax: 2 ** 29,
    ageMsMax: 86_400_000,
    whenFull: { alarm: 'keep', high: 'drop_oldest', normal: 'drop_oldest', low: 'drop_oldest' },
  },
  uplink: { token: 't', window: 32, lingerMs: 20 },
};

let db: Database;
let core: AgentCore;

function open(clock: ManualClock, hub: StubHub): void {
  db = openDatabase(':memory:', agentDatabase);
  core = new AgentCore(config, {
    db,
    clock,
    random: new SeededRandom(1),
    wire: hub,
    log: silentLogger,
    actuator: nobody,
    release: () => undefined,
    setOverloaded: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
}

afterEach(() => {
  core.kill();
  db.close();
});

function submit(clock: ManualClock, isFirst: boolean): void {
  const newSeries = { id: 0, device: 'd', metric: 't', unit: '', type: 'number', tags: [] } as const;
  core.submit({
    source: 'climate',
    newSeries: isFirst ? [newSeries] : [],
    columns: {
      count: 1,
      series: Uint32Array.of(0),
      time: Float64Array.of(clock.now()),
      value: Float64Array.of(1),
      flags: Uint8Array.of(0),
      strings: [],
    },
    hasSourceTime: Uint8Array.of(0),
    tokens: [],
  });
}

describe('what lingers to fill a batch', () => {
  it('leaves although the timer fired a little early and nothing more comes in', () => {
    /** As the system's, which count whole milliseconds of a time that is a little behind. */
    class EarlyClock extends ManualClock {
      override after(name: string, delayMs: number, fire: () => void) {
        return super.after(name, delayMs > 1 ? delayMs - 0.7 : delayMs, fire);
      }
    }
    const clock = new EarlyClock();
    const hub = new StubHub();
    open(clock, hub);
    core.start();
    hub.events?.onOpen();
    const hello = hub.hello();
    if (hello === undefined) throw new Error('the agent said no hello');
    hub.say('pi', 'welcome', welcomeTo(hello));
    hub.ackAll();
    submit(clock, true);
    clock.advance(5);
    expect(hub.published.some(({ kind }) => kind === 'batch')).toBe(true);
    hub.ackAll();
    // It lingers now, because a batch has just left.
    submit(clock, false);
    clock.advance(5);
    expect(hub.published.some(({ kind }) => kind === 'batch')).toBe(false);
    clock.advance(20);
    const batch = hub.published.find(({ kind }) => kind === 'batch');
    expect(batch === undefined ? undefined : decodeBatch(batch.payload)).toMatchObject({ first: 2, last: 2 });
  });
});

describe('what was rejected', () => {
  it('is counted for ever and kept in samples, newest of each reason, after a restart too', () => {
    const clock = new ManualClock();
    open(clock, new StubHub());
    const junk = new TextEncoder().encode('x'.repeat(5_000));
    for (let n = 0; n < 30; n++) {
      core.reject('climate', 'junk_json', `${'t'.repeat(1_000)}/${n}`, junk);
      if (n === 10) core.reject('climate', 'not_finite', 'rare', new TextEncoder().encode('{"t":1e999}'));
      core.reject('climate', 'field_missing', 'harmless', undefined);
      if (n % 3 === 2) core.checkpoint();
    }
    core.stop();
    const store = new AgentStore(db);
    expect(Object.fromEntries(store.counters().map(({ name, value }) => [name, value]))).toEqual({
      'rejected.climate.junk_json': 30,
      'rejected.climate.not_finite': 1,
      'rejected.climate.field_missing': 30,
    });
    const samples = store.rejectedSamples();
    expect(samples.filter(({ reason }) => reason === 'junk_json').length).toBe(8);
    expect(Math.max(...samples.map(({ topic, payload }) => topic.length + payload.length))).toBe(256 + 512);
    expect(samples).toContainEqual(
      expect.objectContaining({ reason: 'not_finite', topic: 'rare', payload: '{"t":1e999}' }),
    );
    expect(samples.some(({ reason }) => reason === 'field_missing')).toBe(false);
  });
});
