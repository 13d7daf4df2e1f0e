import { messageOf } from '@fogline/shared/errors';
import { encodeSeries } from '@fogline/shared/protocol/messages';
import type { Database } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HubCore } from '../ingest/hub-core.ts';
import { salvageHub } from '../store/hub-salvage.ts';
import { openHubDatabase } from '../store/schema.ts';
import { definition, FixtureAgent, openStoreFixture, type ReadingInput } from '../testing/store-fixture.ts';
import { AlarmDeeds } from './alarm-deeds.ts';
import { AlarmDesk } from './alarm-desk.ts';
import { alarmLimits } from './alarm-table.ts';
import { type AlarmRow, AlarmView } from './alarm-view.ts';

const now = Date.UTC(2026, 0, 1);
const alarms = ['overheat', 'silent'].map((metric) => definition({ stream: 'alarms', metric, type: 'text' }));
const words = ['active', 'cleared', 'stale', 'ended', 'acknowledged', 'confirmed'] as const;

interface Happening {
  readonly alarm: number;
  readonly timeMs: number;
  readonly word: (typeof words)[number];
}

interface Sent extends Happening {
  readonly epoch: string;
  readonly seq: number;
}

/** A batch of one epoch, as it travels, and what is in it in order. */
interface Batch {
  readonly payload: Uint8Array;
  readonly content: readonly Sent[];
}

function order(a: Sent, b: Sent): number {
  return a.timeMs - b.timeMs || (a.epoch < b.epoch ? -1 : a.epoch > b.epoch ? 1 : 0) || a.seq - b.seq;
}

/** The state and history of one alarm, computed from all that happened to it, in order. */
function naive(happened: readonly Sent[]) {
  let state = 'unknown';
  let sinceMs: number | null = null;
  let activeSinceMs: number | null = null;
  let isAcknowledged = false;
  for (const { word, timeMs } of happened.toSorted(order)) {
    if (word === 'acknowledged') isAcknowledged = activeSinceMs !== null;
    if (word === 'acknowledged' || word === 'confirmed') continue;
    state = word;
    sinceMs = timeMs;
    if (word === 'active' && activeSinceMs === null) {
      activeSinceMs = timeMs;
      isAcknowledged = false;
    }
    if (word === 'cleared' || word === 'ended') {
      activeSinceMs = null;
      isAcknowledged = false;
    }
  }
  return { state, sinceMs, activeSinceMs, isAcknowledged };
}

/** A hub over a database that may be crashed, started again and restored. */
class TestHub {
  db: Database = openHubDatabase(':memory:', { faults: this.#faults() });
  core = this.#start();
  isFailing = false;

  #faults() {
    return {
      beforeCommit: () => {
        if (this.isFailing) throw new Error('the power failed');
      },
      afterCommit: () => {},
    };
  }

  #start(): HubCore {
    const clock = new ManualClock(now);
    const core: HubCore = new HubCore(this.db, {
      clock,
      send: () => {},
      onAlarms: (batch) => desk.applied(batch, now),
    });
    const insert = this.db.prepare<never>(
      "INSERT INTO notifications (webhook, message, body, at) VALUES ('', ?, '', 0)",
    );
    const desk = new AlarmDesk(this.db, {
      subjects: core.read,
      tell: ({ series, state }) => void insert.run(JSON.stringify([series, state.place])),
    });
    return core;
  }

  restart(): void {
    this.core = this.#start();
  }

  restore(backup: Uint8Array): void {
    this.db = openHubDatabase(backup, { faults: this.#faults() });
    this.core = this.#start();
  }

  deliver({ payload }: Batch): void {
    this.core.submit('gw', 'batch', payload, () => {});
    while (this.core.commit());
  }

  /** The batch arrives, and nothing of it becomes durable. */
  crash({ payload }: Batch): void {
    this.isFailing = true;
    this.core.submit('gw', 'batch', payload, () => {});
    try {
      this.core.commit();
      throw new Error('the commit should have failed');
    } catch (error) {
      if (messageOf(error) !== 'the power failed') throw error;
    }
    this.isFailing = false;
    this.restart();
  }

  told(): string[] {
    return this.db
      .prepare<{ message: string }>('SELECT message FROM notifications ORDER BY id')
      .all()
      .map(({ message }) => message);
  }

  rows(): AlarmRow[] {
    return new AlarmView(this.db, undefined).list({ limit: 10 }, now);
  }
}

const happening = fc.record({
  alarm: fc.integer({ min: 0, max: 1 }),
  timeMs: fc.integer({ min: 1, max: 9 }),
  word: fc.constantFrom(...words),
});
const script = fc.record({
  epochs: fc.array(fc.array(fc.array(happening, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 2,
  }),
  steps: fc.array(
    fc.tuple(fc.constantFrom('deliver', 'deliver', 'crash', 'restart', 'backup', 'restore'), fc.nat(100)),
    { maxLength: 30 },
  ),
});

/** What each epoch sends: batches of one lane, rows of one alarm in their order. */
function batchesOf(hub: TestHub, epochs: readonly (readonly (readonly Happening[])[])[]): Batch[] {
  return epochs.flatMap((batches, index) => {
    const epoch = `00000000000000a${index}`;
    const agent = new FixtureAgent(hub.core, 'gw', alarms, epoch);
    let first = 1;
    return batches.map((rows): Batch => {
      const readings = rows.map(({ alarm, timeMs, word }): ReadingInput => ({ series: alarm, timeMs, value: word }));
      const ordinals = [0, 0];
      const content = rows.map((row): Sent => {
        const ordinal = ordinals[row.alarm] ?? 0;
        ordinals[row.alarm] = ordinal + 1;
        return { ...row, epoch, seq: first + ordinal };
      });
      first += rows.length;
      return { payload: agent.batch(readings, [], 0), content };
    });
  });
}

describe('alarms of agents', () => {
  it('come to the same state, history and notifications whatever is late, repeated, lost in a crash or rewound', () => {
    fc.assert(
      fc.property(script, ({ epochs, steps }) => {
        const hub = new TestHub();
        const batches = batchesOf(hub, epochs);
        let told: string[] = [];
        let held = new Set<Batch>();
        let backup = { bytes: hub.db.serialize(), told, held };
        const latest = (alarm: number): Sent | undefined =>
          [...held]
            .flatMap(({ content }) => content)
            .filter((sent) => sent.alarm === alarm && !['acknowledged', 'confirmed'].includes(sent.word))
            .sort(order)
            .at(-1);
        const deliver = (batch: Batch): void => {
          hub.deliver(batch);
          const before = [latest(0), latest(1)];
          held = new Set([...held, batch]);
          const due = [latest(0), latest(1)].filter((sent, alarm) => sent !== before[alarm]);
          const messages = due.map((sent) =>
            JSON.stringify([(sent?.alarm ?? 0) + 1, [sent?.timeMs, sent?.epoch, sent?.seq]]),
          );
          told = [...told, ...messages];
          expect(hub.told().toSorted()).toEqual(told.toSorted());
        };
        for (const [step, number] of steps) {
          const batch = batches[number % batches.length] as Batch;
          if (step === 'deliver') deliver(batch);
          if (step === 'crash' && !held.has(batch)) hub.crash(batch);
          if (step === 'restart') hub.restart();
          if (step === 'backup') backup = { bytes: hub.db.serialize(), told, held };
          if (step === 'restore') {
            hub.restore(backup.bytes);
            ({ told, held } = backup);
          }
        }
        for (const batch of batches) deliver(batch);
        expect(new Set(told).size).toBe(told.length);
        const sent = batches.flatMap(({ content }) => content);
        const view = new AlarmView(hub.db, undefined);
        for (const row of hub.rows()) {
          const own = sent.filter(({ alarm }) => alarm + 1 === row.series);
          const { state, sinceMs, activeSinceMs, acknowledged } = row;
          expect({ state, sinceMs, activeSinceMs, isAcknowledged: acknowledged !== null }).toEqual(naive(own));
          const history = view.history(row.id, { fromMs: 0, toMs: 100, limit: 100 });
          expect(history.map(({ timeMs, word }) => `${timeMs} ${word}`).toSorted()).toEqual(
            own.map(({ timeMs, word }) => `${timeMs} ${word}`).toSorted(),
          );
        }
        expect(new Set(hub.rows().map(({ series }) => series))).toEqual(new Set(sent.map(({ alarm }) => alarm + 1)));
      }),
      { numRuns: 100 },
    );
  });
});

function openDesk() {
  const clock = new ManualClock(now);
  const told: string[] = [];
  const fixture = openStoreFixture(clock, { onAlarms: (batch) => desk.applied(batch, clock.now()) });
  const desk = new AlarmDesk(fixture.db, {
    subjects: fixture.core.read,
    tell: ({ state }) => void told.push(`${state.word} ${state.place?.[0]}`),
  });
  const agent = fixture.agent('gw', alarms);
  const send = (...rows: readonly (readonly [timeMs: number, word: string])[]): void =>
    agent.send(
      rows.map(([timeMs, value]) => ({ series: 0, timeMs, value })),
      [],
      0,
    );
  const view = new AlarmView(fixture.db, undefined);
  const row = (): AlarmRow | undefined => view.get(1, clock.now());
  const deeds = new AlarmDeeds(fixture.db);
  const by = (who: string, note = '') => ({ who, nowMs: clock.now(), note });
  return { ...fixture, clock, told, desk, view, row, deeds, by, send };
}

describe('an acknowledgement', () => {
  it('counts for the activation that was seen, and is in the history', () => {
    const { send, deeds, by, row, view } = openDesk();
    send([1, 'active']);
    deeds.acknowledge(1, by('anna', 'on my way'));
    expect(row()).toMatchObject({ state: 'active', acknowledged: { by: 'anna', note: 'on my way', atMs: now } });
    send([5, 'stale'], [6, 'active']);
    expect(row()).toMatchObject({ activeSinceMs: 1, acknowledged: { by: 'anna' } });
    send([7, 'cleared'], [9, 'active']);
    expect(row()).toMatchObject({ activeSinceMs: 9, acknowledged: null });
    const [first] = view.history(1, { fromMs: now, toMs: now + 1, limit: 10 });
    expect(first).toMatchObject({ word: 'acknowledged', who: 'anna', note: 'on my way' });
  });

  it('ends with its activation, also when the end comes late', () => {
    const { send, deeds, by, row } = openDesk();
    send([1, 'active']);
    deeds.acknowledge(1, by('anna'));
    send([9, 'active']);
    expect(row()).toMatchObject({ activeSinceMs: 1, acknowledged: { by: 'anna' } });
    send([5, 'cleared']);
    expect(row()).toMatchObject({ state: 'active', sinceMs: 9, activeSinceMs: 9, acknowledged: null });
  });

  it('is refused where nothing is active', () => {
    const { send, deeds, by } = openDesk();
    expect(() => deeds.acknowledge(1, by('anna'))).toThrow('no alarm 1');
    send([1, 'active'], [2, 'cleared']);
    expect(() => deeds.acknowledge(1, by('anna'))).toThrow('alarm 1 is cleared: only an active one');
  });
});

describe('a shelved alarm', () => {
  it('tells nothing, and afterwards what it came to', () => {
    const { send, deeds, by, row, desk, clock, told } = openDesk();
    send([1, 'active']);
    deeds.shelve(1, 60_000, by('anna', 'works on it'));
    send([2, 'cleared']);
    send([3, 'active']);
    clock.advance(59_999);
    desk.tellDue(clock.now());
    expect(told).toEqual(['active 1']);
    expect(row()?.shelved).toMatchObject({ by: 'anna', untilMs: now + 60_000 });
    clock.advance(1);
    desk.tellDue(clock.now());
    desk.tellDue(clock.now());
    expect(told).toEqual(['active 1', 'active 3']);
    expect(row()?.shelved).toBeNull();
  });

  it('that did not change tells nothing afterwards, and one taken off the shelf by hand tells at once', () => {
    const { send, deeds, by, desk, clock, told } = openDesk();
    send([1, 'active']);
    deeds.shelve(1, 60_000, by('anna'));
    deeds.unshelve(1, by('anna'));
    desk.tellDue(clock.now());
    expect(told).toEqual(['active 1']);
    deeds.shelve(1, 60_000, by('anna'));
    send([2, 'cleared']);
    deeds.unshelve(1, by('anna'));
    desk.tellDue(clock.now());
    expect(told).toEqual(['active 1', 'cleared 2']);
    expect(() => deeds.unshelve(1, by('anna'))).toThrow('not shelved');
  });

  it('is shelved for 7d at most, also when the clock was far ahead', () => {
    const { send, deeds, by, clock, row, told } = openDesk();
    send([1, 'active']);
    clock.jumpWall(now + 3_650 * 86_400_000);
    deeds.shelve(1, 60_000, by('anna'));
    clock.jumpWall(now);
    expect(row()?.shelved).toBeNull();
    send([2, 'cleared']);
    expect(told).toEqual(['active 1', 'cleared 2']);
  });

  it('is never shelved for ever', () => {
    const { send, deeds, by } = openDesk();
    send([1, 'active']);
    for (const forMs of [0, -1, 7 * 86_400_000 + 1])
      expect(() => deeds.shelve(1, forMs, by('anna'))).toThrow('at most 7d');
  });
});

describe('what is kept', () => {
  it('is the newest of each alarm, and of no more than the limit', () => {
    const { send, view } = openDesk();
    const count = alarmLimits.historyPerAlarmMax + 50;
    for (let at = 0; at < count; at += 50)
      send(...Array.from({ length: 50 }, (_, i) => [at + i, i % 2 === 0 ? 'active' : 'cleared'] as const));
    send([-1, 'active']);
    const times = view.history(1, { fromMs: -10, toMs: count, limit: 2000 }).map(({ timeMs }) => timeMs);
    expect(times).toHaveLength(alarmLimits.historyPerAlarmMax);
    expect([times.at(0), times.at(-1)]).toEqual([count - 1, count - alarmLimits.historyPerAlarmMax]);
  });

  it('is bounded over all alarms too: the history that was heard first leaves, a new alarm is counted and not kept', () => {
    const { send, db, desk } = openDesk();
    const { alarmsMax, historyMax } = alarmLimits;
    const count = (sql: string): number | undefined => db.prepare<{ count: number }>(sql).get()?.count;
    db.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${historyMax})
      INSERT INTO alarm_history (alarm, time, epoch, seq, word, at, who, note) SELECT 1000 + i, i, '', 0, 'active', 0, '', '' FROM n`);
    send([1, 'active']);
    expect(count('SELECT count(*) AS count FROM alarm_history')).toBe(historyMax);
    expect(count('SELECT count(*) AS count FROM alarm_history WHERE alarm = 1001')).toBe(0);
    expect(count('SELECT count(*) AS count FROM alarm_history WHERE alarm = 1')).toBe(1);
    db.exec(`DELETE FROM alarms;
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${alarmsMax})
      INSERT INTO alarms (origin, rule, agent, series, state, changed, body) SELECT 'rule', 'r', 1, i, 'active', 0, '{}' FROM n`);
    send([2, 'cleared']);
    expect(count('SELECT count(*) AS count FROM alarms')).toBe(alarmsMax);
    expect(desk.counts.beyondLimit).toBe(1);
  });

  it('leaves when it is old, with alarms that are over; one that is active stays', () => {
    const { agent, desk, db, view, clock } = openDesk();
    const other = agent('gw2', alarms);
    const rows = [
      { series: 0, timeMs: 1, value: 'active' },
      { series: 1, timeMs: 1, value: 'active' },
      { series: 1, timeMs: 2, value: 'cleared' },
    ];
    other.send(rows, [], 0);
    const entriesLeft = (beforeMs: number, entriesMax: number): number | undefined => {
      db.transaction(() => desk.table.expire(beforeMs, entriesMax));
      return db.prepare<{ count: number }>('SELECT count(*) AS count FROM alarm_history').get()?.count;
    };
    expect(entriesLeft(clock.now(), 100)).toBe(3);
    expect(view.list({ limit: 10 }, now)).toHaveLength(2);
    expect(entriesLeft(clock.now() + 1, 2)).toBe(1);
    expect(view.list({ limit: 10 }, now)).toHaveLength(2);
    expect(entriesLeft(clock.now() + 1, 2)).toBe(0);
    expect(view.list({ limit: 10 }, now)).toMatchObject([{ alarm: 'overheat', state: 'active' }]);
    expect(view.history(1, { fromMs: 0, toMs: 10, limit: 10 })).toEqual([]);
  });
});

describe('history that was heard while the clock of the hub was wrong', () => {
  it('takes none with it that was heard before and is young', () => {
    const { send, db, desk, view, clock } = openDesk();
    send([1, 'active']);
    clock.jumpWall(0);
    send([2, 'cleared']);
    clock.jumpWall(now);
    db.transaction(() => desk.table.expire(now - 1, 100));
    expect(view.history(1, { fromMs: 0, toMs: 10, limit: 10 }).map(({ word }) => word)).toEqual(['active']);
  });
});

describe('a batch that the store lost and the alarms remember', () => {
  it('changes nothing and is told to nobody when it comes again', () => {
    const clock = new ManualClock(now);
    const told: string[] = [];
    const { core, db, agent } = openStoreFixture(clock, {
      onAlarms(batch) {
        desk.applied(batch, now);
        desk.applied(batch, now);
      },
    });
    const desk = new AlarmDesk(db, { subjects: core.read, tell: ({ state }) => void told.push(state.word) });
    agent('gw', alarms).send([{ series: 0, timeMs: 1, value: 'active' }], [], 0);
    expect(told).toEqual(['active']);
    expect(desk.counts).toMatchObject({ transitions: 1, repeats: 1 });
    expect(new AlarmView(db, undefined).history(1, { fromMs: 0, toMs: 9, limit: 9 })).toHaveLength(1);
  });
});

describe('alarms', () => {
  it('know transitions that waited for the definition of their series', () => {
    const { agent, core, view } = openDesk();
    const sender = agent('late', [], 'b'.repeat(16));
    sender.send([{ series: 0, timeMs: 1, value: 'active' }], [], 0);
    expect(core.read.quarantine()).toMatchObject([{ reason: 'unknown_series' }]);
    sender.submit('series', encodeSeries({ agent: 'late', epoch: sender.epoch, first: 0, definitions: alarms }));
    expect(view.list({ agent: 'late', limit: 9 }, now)).toMatchObject([{ alarm: 'overheat', state: 'active' }]);
  });

  it('outlive a salvage with their history, but not without their series, nor damaged', () => {
    const { agent, db } = openDesk();
    agent('other', alarms).send(
      [0, 1].map((series) => ({ series, timeMs: 1, value: 'active' })),
      [],
      0,
    );
    agent('third', alarms).send([{ series: 0, timeMs: 1, value: 'active' }], [], 0);
    db.exec("UPDATE alarms SET body = '{' || body WHERE id = 2; DELETE FROM series WHERE id = 5");
    const salvaged = openHubDatabase(':memory:');
    salvageHub(db, salvaged, '/nowhere', now);
    const view = new AlarmView(salvaged, undefined);
    expect(view.list({ limit: 9 }, now)).toMatchObject([{ id: 1, agent: 'other', alarm: 'overheat', state: 'active' }]);
    expect(view.history(1, { fromMs: 0, toMs: 9, limit: 9 })).toHaveLength(1);
    expect(salvaged.prepare('SELECT * FROM alarm_history WHERE alarm <> 1').all()).toEqual([]);
  });
});

describe('what is no alarm', () => {
  it('changes none: other streams, other lanes, other words', () => {
    const { agent, db, desk } = openDesk();
    const other = definition({ stream: 'raw', metric: 'overheat', type: 'text' });
    const sender = agent('gw3', [...alarms, other]);
    sender.send([{ series: 2, timeMs: 1, value: 'active' }], [], 0);
    sender.send([{ series: 0, timeMs: 1, value: 'active' }], [], 2);
    sender.send([{ series: 0, timeMs: 1, value: 'on fire' }], [], 0);
    expect(db.prepare<{ word: string }>('SELECT word FROM alarm_history').all()).toEqual([]);
    expect(desk.counts.unreadable).toBe(1);
  });
});
