/** Many small batches become few dense ones; nothing that is read, counted or recognised as a repeat changes. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings } from '@fogline/shared/codec/readings';
import { decodeBatch } from '@fogline/shared/protocol/messages';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BatchLog } from '../store/batch-log.ts';
import { hubProblem } from '../store/hub-check.ts';
import { Agent, Hub, type Row, reading, t0, thinnedPart, visible, window } from './testing/agent-fixture.ts';

const hourMs = 3_600_000;

function bytesIn(hub: Hub): { batches: number; bytes: number } {
  const row = hub.db.prepare<{ n: number; bytes: number }>(
    'SELECT count(*) AS n, sum(length(payload)) AS bytes FROM batches',
  );
  const { n = 0, bytes = 0 } = row.get() ?? {};
  return { batches: n, bytes };
}

function rawRows(hub: Hub): string[] {
  const rows: string[] = [];
  const query = { agent: 'gw1', fromMs: t0 - 1e9, toMs: t0 + 1e9, series: new Set([1, 2, 3, 4]) };
  for (const { readings, windows } of hub.core.read.raw(query)) {
    for (let i = 0; i < readings.count; i++) {
      const isText = ((readings.flags[i] ?? 0) & 4) !== 0;
      const value = isText ? readings.strings[readings.value[i] ?? 0] : readings.value[i];
      rows.push(`${readings.series[i]} ${readings.time[i]} ${value} ${readings.flags[i]}`);
    }
    for (let i = 0; i < windows.count; i++) {
      rows.push(`${windows.series[i]} ${windows.start[i]} ${Buffer.from(windows.partial[i] ?? []).toString('hex')}`);
    }
  }
  return rows.sort();
}

/** 400 batches of a second each: two numbers, a text, and now and then a window. */
function filled(): { hub: Hub; agent: Agent; clock: ManualClock; payloads: Uint8Array[] } {
  const clock = new ManualClock(t0 + hourMs);
  const hub = new Hub({ clock });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'), reading('b'), reading('state', { type: 'text' }), window('w', 10_000));
  const payloads: Uint8Array[] = [];
  let next = 1;
  for (let second = 0; second < 400; second++) {
    const time = t0 + second * 1000;
    const rows: Row[] = [
      { series: 0, time, value: Math.round(2000 + 100 * Math.sin(second / 60)) / 100 },
      { series: 1, time: time + 3, value: second, quality: second % 50 === 0 ? 1 : 0 },
      { series: 2, time, value: second % 7 === 0 ? 'on' : `off ${second % 3}` },
    ];
    payloads.push(agent.rowsBytes(next, rows));
    next += rows.length;
    if (second % 40 === 39) {
      agent.sendWindows(next, { series: 3, start: t0 + (second - 39) * 1000, values: [[time, second]] });
      hub.take('gw1', 'batch', payloads.at(-1) ?? new Uint8Array(0));
      next += 1;
    } else hub.take('gw1', 'batch', payloads.at(-1) ?? new Uint8Array(0));
  }
  hub.core.fold();
  return { hub, agent, clock, payloads };
}

describe('compaction of batches', () => {
  it('keeps every row, roll-up, hour and account, in a fraction of the bytes', () => {
    const { hub, clock } = filled();
    const [shown, rows, before] = [visible(hub), rawRows(hub), bytesIn(hub)];
    while (hub.core.upkeep());
    expect(bytesIn(hub)).toEqual(before);
    clock.advance(25 * hourMs);
    while (hub.core.upkeep());
    const after = bytesIn(hub);
    expect(after.batches).toBe(1);
    expect(after.bytes).toBeLessThan(before.bytes / 5);
    expect(rawRows(hub)).toEqual(rows);
    expect(visible(hub)).toEqual(shown);
    expect(hubProblem(hub.db)).toBeUndefined();
    hub.restart();
    expect(rawRows(hub)).toEqual(rows);
    expect(visible(hub)).toEqual(shown);
  });

  it('repeats of what was merged are acked and dropped, also of the whole range and when cut otherwise', () => {
    const { hub, agent, clock, payloads } = filled();
    clock.advance(25 * hourMs);
    while (hub.core.upkeep());
    const shown = visible(hub);
    for (const payload of payloads.slice(0, 20)) hub.take('gw1', 'batch', payload);
    agent.send(2, { series: 0, time: t0, value: 1 }, { series: 1, time: t0, value: 2 });
    expect(visible(hub)).toEqual(shown);
    expect(hub.core.read.quarantineCounts()).toEqual([]);
    expect(hub.core.read.counters().batchesRepeated).toBe(21);
  });

  it('goes on where new batches follow, and leaves alone what came within the hour', () => {
    const { hub, agent, clock } = filled();
    clock.advance(25 * hourMs);
    while (hub.core.upkeep());
    for (let i = 0; i < 10; i++) agent.send(1211 + i, { series: 0, time: t0 + hourMs + i, value: i });
    hub.core.fold();
    while (hub.core.upkeep());
    expect(bytesIn(hub).batches).toBe(11);
    clock.advance(25 * hourMs);
    const shown = visible(hub);
    while (hub.core.upkeep());
    expect(bytesIn(hub).batches).toBe(1);
    expect(visible(hub)).toEqual(shown);
  });

  it('waits for a scan of raw data that is under way, which misses nothing', () => {
    const { hub, clock } = filled();
    const rows = rawRows(hub);
    clock.advance(25 * hourMs);
    const scan = hub.core.read.raw({ agent: 'gw1', fromMs: t0 - 1e9, toMs: t0 + 1e9, series: new Set([1, 2, 3, 4]) });
    let count = 0;
    for (let chunks = 0, next = scan.next(); next.done !== true; chunks++, next = scan.next()) {
      count += next.value.readings.count + next.value.windows.count;
      if (chunks === 100) while (hub.core.upkeep());
    }
    expect(count).toBe(rows.length);
    const left = hub.core.read.raw({ agent: 'gw1', fromMs: t0 - 1e9, toMs: t0 + 1e9, series: new Set([1]) });
    left.next();
    left.return(undefined);
    while (hub.core.upkeep());
    expect(bytesIn(hub).batches).toBe(1);
    expect(rawRows(hub)).toEqual(rows);
  });

  it('leaves windows apart that are small only because they are all alike, and the hub goes on', () => {
    const clock = new ManualClock(t0 + hourMs);
    const hub = new Hub({ clock });
    const agent = new Agent(hub);
    agent.hello();
    agent.define(0, window('w', 10_000), reading('a'));
    const wide = Partial.empty({ sketch: true });
    for (let n = -2_000; n < 2_000; n++) wide.add(t0, 1.0205 ** n);
    // Counts take more bytes than ones.
    for (let n = 0; n < 20; n++) wide.merge(Partial.decode(wide.encode()));
    const count = 400;
    const bytes = encodeWindows({
      count,
      series: new Uint32Array(count),
      start: Float64Array.from({ length: count }, (_, row) => t0 + row * 10_000),
      delta: new Uint8Array(count),
      partial: new Array<Uint8Array>(count).fill(wide.encode()),
    });
    for (let n = 0; n < 4; n++)
      hub.take('gw1', 'batch', agent.batchBytes(1 + n * count, [{ kind: 'windows', bytes }], count));
    hub.core.fold();
    clock.advance(25 * hourMs);
    const shown = visible(hub);
    while (hub.core.upkeep());
    expect([bytesIn(hub).batches, visible(hub)]).toEqual([4, shown]);
  });

  it('merges what lies beside minutes and beside texts that are too many', () => {
    const { hub, agent, clock } = filled();
    const minutes = thinnedPart([{ series: 0, time: t0 + hourMs, value: 1 }]);
    hub.take('gw1', 'batch', agent.batchBytes(1211, [minutes], 1));
    for (let n = 0; n < 10; n++) agent.send(1212 + n, { series: 0, time: t0 + hourMs + n, value: n });
    hub.core.fold();
    clock.advance(25 * hourMs);
    const [shown, rows] = [visible(hub), rawRows(hub)];
    while (hub.core.upkeep());
    expect(bytesIn(hub).batches).toBe(3);
    expect([visible(hub), rawRows(hub)]).toEqual([shown, rows]);
  });

  it('looks at batches that are not worth it once, not every round', () => {
    const clock = new ManualClock(t0 + hourMs);
    const hub = new Hub({ clock });
    const agent = new Agent(hub);
    agent.hello();
    agent.define(0, reading('a'));
    for (let n = 0; n < 8; n++) {
      const minutes = thinnedPart([{ series: 0, time: t0 + n * 60_000, value: n }]);
      hub.take('gw1', 'batch', agent.batchBytes(1 + n, [minutes], 1));
    }
    hub.core.fold();
    clock.advance(25 * hourMs);
    const read = vi.spyOn(BatchLog.prototype, 'get');
    onTestFinished(() => read.mockRestore());
    while (hub.core.upkeep());
    const first = read.mock.calls.length;
    while (hub.core.upkeep());
    expect([bytesIn(hub).batches, first, read.mock.calls.length - first]).toEqual([8, 8, 0]);
  });

  it('gives each part of a merged batch the texts of its own rows', () => {
    const clock = new ManualClock(t0 + hourMs);
    const hub = new Hub({ clock });
    const agent = new Agent(hub);
    agent.hello();
    agent.define(0, ...Array.from({ length: 4 }, (_, n) => reading(`state${n}`, { type: 'text' })));
    for (let n = 0, next = 1; n < 40; n++) {
      const rows = Array.from({ length: 400 }, (_, i) => ({
        series: i % 4,
        time: t0 + n * 1000 + i,
        value: `state ${i % 4}: step ${(n * 7 + i) % 75}`,
      }));
      agent.send(next, ...rows);
      next += rows.length;
    }
    hub.core.fold();
    clock.advance(25 * hourMs);
    const rows = rawRows(hub);
    while (hub.core.upkeep());
    expect([bytesIn(hub).batches, rawRows(hub)]).toEqual([1, rows]);
    const stored = hub.db.prepare<{ payload: Uint8Array }>('SELECT payload FROM batches').get();
    for (const { bytes } of decodeBatch(stored?.payload ?? new Uint8Array()).parts) {
      const { count, value, strings } = decodeReadings(bytes);
      expect(strings.length).toBe(new Set(value.subarray(0, count)).size);
    }
  });
});
