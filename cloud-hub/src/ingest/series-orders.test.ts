/** Series renamed, merged and cut: what is read is what a computation over the readings that are left shows, whatever comes again. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hubProblem } from '../store/hub-check.ts';
import { salvageHub } from '../store/hub-salvage.ts';
import { openHubDatabase } from '../store/schema.ts';
import { Agent, epochId, Hub, offer, type Row, reading, t0, thinnedPart, window } from './testing/agent-fixture.ts';

const levels = [10_000, 60_000, 900_000, 86_400_000] as const;
const dayMs = 86_400_000;

function shown(hub: Hub, series: number): Map<string, string> {
  const rows = new Map<string, string>();
  for (const level of levels)
    for (const { startMs, partial } of hub.core.read.rollups(series, level, t0 - 1e12, t0 + 1e12))
      rows.set(`${level} ${startMs}`, Buffer.from(partial).toString('hex'));
  return rows;
}

function naive(rows: readonly Row[]): Map<string, string> {
  const partials = new Map<string, Partial>();
  for (const { time, value } of rows) {
    for (const level of levels) {
      const key = `${level} ${Math.floor(time / level) * level}`;
      const partial = partials.get(key) ?? Partial.empty();
      partial.add(time, Number(value));
      partials.set(key, partial);
    }
  }
  return new Map([...partials].map(([key, partial]) => [key, Buffer.from(partial.encode()).toString('hex')]));
}

function rawOf(hub: Hub, series: number): number[] {
  const query = { agent: 'gw1', fromMs: t0 - 1e12, toMs: t0 + 1e12, series: new Set([series]) };
  const times: number[] = [];
  for (const { readings } of hub.core.read.raw(query)) {
    expect(readings.series.subarray(0, readings.count).every((id) => id === series)).toBe(true);
    times.push(...readings.time.subarray(0, readings.count));
  }
  return times.sort((a, b) => a - b);
}

const timesOf = (rows: readonly Row[]): number[] => rows.map(({ time }) => time).sort((a, b) => a - b);

function ready(clock = new ManualClock(t0 + 40 * dayMs)): { hub: Hub; agent: Agent } {
  const hub = new Hub({ clock, limits: { tailItemsMax: 50, foldItemsMin: 5 } });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'), reading('b'));
  return { hub, agent };
}

const row = fc.record({
  series: fc.integer({ min: 0, max: 1 }),
  time: fc
    .oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: -200_000, max: 200_000 }))
    .map((s) => t0 + s * 1000),
  value: fc.integer({ min: -500, max: 5000 }).map((n) => n / 100),
});
const range = fc
  .tuple(fc.integer({ min: -5_000, max: 5_000 }), fc.integer({ min: 1, max: 3_000 }))
  .map(([from, length]) => ({ fromMs: t0 + from * 60_000, toMs: t0 + (from + length) * 60_000 }));

describe('a range that was deleted', () => {
  it('is in no roll-up and no answer, exactly it, and stays so when it comes again, late, after restarts and salvages', () => {
    const scenario = fc.record({
      batches: fc.array(fc.array(row, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 }),
      late: fc.array(row, { minLength: 1, maxLength: 20 }),
      ranges: fc.array(range, { minLength: 1, maxLength: 3 }),
      isPacked: fc.boolean(),
      isFolded: fc.boolean(),
      isSalvaged: fc.boolean(),
    });
    fc.assert(
      fc.property(scenario, ({ batches, late, ranges, isPacked, isFolded, isSalvaged }) => {
        const { hub: first, agent } = ready();
        let hub = first;
        let next = 1;
        const payloads = [...batches, late].map((rows) => {
          const payload = agent.rowsBytes(next, rows);
          next += rows.length;
          return payload;
        });
        for (const payload of payloads.slice(0, -1)) hub.take('gw1', 'batch', payload);
        if (isFolded) hub.core.fold();
        if (isPacked) while (hub.core.upkeep());
        for (const cut of ranges) hub.core.order({ kind: 'series_delete', series: 1, ...cut });
        if (isSalvaged) {
          const to = openHubDatabase(':memory:');
          salvageHub(hub.db, to, '/nowhere', hub.clock.now());
          hub = new Hub({ file: to.serialize(), clock: hub.clock });
        } else hub.restart();
        for (const payload of payloads) hub.take('gw1', 'batch', payload);
        const all = [...batches.flat(), ...late];
        const isLeft = ({ series, time }: Row): boolean =>
          series === 1 || !ranges.some(({ fromMs, toMs }) => time >= fromMs && time < toMs);
        for (const series of [0, 1]) {
          const left = all.filter((own) => own.series === series && isLeft(own));
          expect(shown(hub, series + 1)).toEqual(naive(left));
          expect(rawOf(hub, series + 1)).toEqual(timesOf(left));
        }
        expect(hub.core.read.ledger().reduce((sum, line) => sum + line.delivered, 0)).toBe(all.length);
        hub.core.fold();
        expect(hubProblem(hub.db)).toBeUndefined();
        hub.db.close();
      }),
      { numRuns: 60 },
    );
  });

  it('is told with what it took and what came for it since; the latest value is what is left', () => {
    const { hub, agent } = ready();
    agent.send(1, ...[0, 10, 120, 130].map((s) => ({ series: 0, time: t0 + s * 1000, value: s })));
    hub.core.order({ kind: 'series_delete', series: 1, fromMs: t0 + 120_000, toMs: t0 + 180_000 });
    expect(hub.core.read.latest([1])).toEqual([
      { series: 1, timeMs: t0 + 10_000, kind: 'number', value: 10, flags: 0 },
    ]);
    agent.send(5, { series: 0, time: t0 + 135_000, value: 1 }, { series: 0, time: t0 + 5_000, value: 1 });
    expect(hub.core.read.tombstones()).toMatchObject([
      { agent: 'gw1', series: 1, fromMs: t0 + 120_000, toMs: t0 + 180_000, readings: 2, late: 1 },
    ]);
    expect(hub.core.read.latest([1])).toMatchObject([{ timeMs: t0 + 10_000 }]);
  });

  it('takes minutes that stand for items with it, and no others', () => {
    const { hub, agent } = ready();
    const minutes = [0, 30, 60, 90, 120].map((s) => ({ series: 0, time: t0 + s * 1000, value: s }));
    hub.take('gw1', 'batch', agent.batchBytes(1, [thinnedPart(minutes)], minutes.length));
    hub.core.order({ kind: 'series_delete', series: 1, fromMs: t0 + 60_000, toMs: t0 + 120_000 });
    const again = [0, 30, 120].map((s) => ({ series: 0, time: t0 + s * 1000, value: s }));
    const left = [...naive(again)].filter(([key]) => !key.startsWith('10000 '));
    expect(shown(hub, 1)).toEqual(new Map(left));
    hub.take('gw1', 'batch', agent.batchBytes(6, [thinnedPart(minutes.slice(2, 4))], 2));
    expect(shown(hub, 1)).toEqual(new Map(left));
    expect(hub.core.read.tombstones()).toMatchObject([{ readings: 2, late: 2 }]);
  });

  it('has bounds that roll-ups can be cut at; others are refused with those that can', () => {
    const { hub, agent } = ready();
    agent.define(2, window('w', 60_000));
    const cut = (series: number, fromMs: number, toMs: number) => () =>
      hub.core.order({ kind: 'series_delete', series, fromMs, toMs });
    expect(cut(1, t0 + 1, t0 + 60_000)).toThrow(
      'from: roll-ups can be cut at whole 60 s only; write 2026-01-01T00:00:00.000Z or 2026-01-01T00:01:00.000Z',
    );
    expect(cut(3, t0, t0 + 90_000)).toThrow('to: roll-ups can be cut at whole 60 s only');
    expect(cut(1, t0, t0)).toThrow('from must lie before to');
    expect(cut(9, t0, t0 + 10_000)).toThrow('no series 9');
  });

  it('stays deleted in a hub that was restored from before, once the copy of its tombstones is read', () => {
    const { hub, agent } = ready();
    agent.send(1, { series: 0, time: t0, value: 1 }, { series: 0, time: t0 + 60_000, value: 2 });
    const backup = hub.db.serialize();
    hub.core.order({ kind: 'series_delete', series: 1, fromMs: t0, toMs: t0 + 60_000 });
    const [tombstone] = hub.core.read.tombstones();
    const restored = openHubDatabase(backup);
    restored
      .prepare(
        'INSERT INTO tombstones (agent, identity, from_ms, to_ms, at, readings, late, is_due) VALUES (?, ?, ?, ?, 0, 0, 0, 1)',
      )
      .run(tombstone?.agent ?? '', tombstone?.identity ?? '', t0, t0 + 60_000);
    const again = new Hub({ file: restored.serialize(), clock: hub.clock });
    expect(rawOf(again, 1)).toEqual([t0 + 60_000]);
    expect(shown(again, 1)).toEqual(naive([{ series: 0, time: t0 + 60_000, value: 2 }]));
  });
});

describe('series that were merged', () => {
  it('are read as one, whatever comes for either, and the account stays', () => {
    const { hub, agent } = ready();
    const rows = (series: number, from: number) =>
      Array.from({ length: 40 }, (_, i) => ({ series, time: t0 + (from + i) * 7_000, value: i }));
    agent.send(1, ...rows(0, 0), ...rows(1, 20));
    hub.core.fold();
    hub.core.order({ kind: 'series_merge', series: 1, into: 2 });
    agent.send(81, ...rows(0, 100));
    const all = [...rows(0, 0), ...rows(1, 20), ...rows(0, 100)];
    for (let look = 0; look < 2; look++) {
      expect(hub.core.read.listSeries({}).map(({ id }) => id)).toEqual([2]);
      expect(hub.core.read.series(1)?.metric).toBe('b');
      expect(shown(hub, 2)).toEqual(naive(all));
      expect(rawOf(hub, 2)).toEqual(timesOf(all));
      expect(hub.core.read.latest([2])).toMatchObject([{ series: 2, timeMs: t0 + 139 * 7_000 }]);
      hub.restart();
      while (hub.core.upkeep());
    }
    hub.core.order({ kind: 'series_delete', series: 2, fromMs: t0, toMs: t0 + 180_000 });
    expect(shown(hub, 2)).toEqual(naive(all.filter(({ time }) => time >= t0 + 180_000)));
  });

  it('must be alike; what was merged is not merged, renamed or cut again', () => {
    const { hub, agent } = ready();
    agent.define(2, reading('c', { unit: 'V' }), window('w', 10_000));
    const merge = (series: number, into: number) => () => hub.core.order({ kind: 'series_merge', series, into });
    expect(merge(1, 3)).toThrow('cannot be read as one: unit is "" here and "V" there');
    expect(merge(1, 4)).toThrow('kind is "reading" here and "window" there');
    expect(merge(1, 1)).toThrow('into itself');
    merge(1, 2)();
    expect(merge(1, 3)).toThrow('series 1 was merged into 2');
    expect(merge(3, 1)).toThrow('series 1 was merged into 2');
  });
});

describe('a series that was renamed', () => {
  it('is found under its new name, and its agent goes on under the old one, also in a new epoch', () => {
    const { hub, agent } = ready();
    agent.send(1, { series: 0, time: t0, value: 1 });
    hub.core.order({ kind: 'series_rename', series: 1, names: { metric: 'inlet', device: 'pump' } });
    const next = new Agent(hub, 'gw1', epochId(2));
    next.hello(offer(next.epoch, { parent: { epoch: agent.epoch, last: [0, 0, 1, 0] } }));
    next.define(0, reading('a'));
    next.send(1, { series: 0, time: t0 + 1, value: 2 });
    expect(hub.core.read.listSeries({ metric: 'inlet' })).toMatchObject([{ id: 1, device: 'pump', stream: 'raw' }]);
    expect(hub.core.read.listSeries({ metric: 'a' })).toEqual([]);
    expect(rawOf(hub, 1)).toEqual([t0, t0 + 1]);
  });

  it('cannot take the name of another', () => {
    const { hub } = ready();
    const rename = () => hub.core.order({ kind: 'series_rename', series: 1, names: { metric: 'b' } });
    expect(rename).toThrow('series 2 is called so already; merge 1 into 2 to read them as one');
  });
});
