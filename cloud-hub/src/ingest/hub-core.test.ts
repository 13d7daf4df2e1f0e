import { encodeBatch } from '@fogline/shared/protocol/messages';
import type { SeriesDefinition } from '@fogline/shared/reading';
import { describe, expect, it } from 'vitest';
import {
  Agent,
  epochId,
  Hub,
  h0,
  hour,
  offer,
  partialOf,
  reading,
  readingsPart,
  t0,
  visible,
  window,
} from './testing/agent-fixture.ts';

function ready(hub = new Hub(), ...definitions: SeriesDefinition[]): { hub: Hub; agent: Agent } {
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, ...(definitions.length === 0 ? [reading('temperature'), reading('humidity')] : definitions));
  return { hub, agent };
}

const quarantined = (hub: Hub): string[] => hub.core.read.quarantine().map((row) => row.reason);
const held = (agent: Agent, lane = 2, epoch = agent.epoch): number[] => {
  agent.hello(offer(epoch));
  const ranges = agent.hub.lastWelcome(agent.name).epochs[0]?.held[lane];
  return ranges === undefined ? [] : [ranges.watermark, ...ranges.beyond];
};
const delivered = (hub: Hub): number => hub.core.read.ledger().reduce((sum, line) => sum + line.delivered, 0);
const counts = (hub: Hub, series: number, level: 10_000 | 60_000 | 900_000 | 86_400_000): number =>
  [...hub.core.read.rollups(series, level, 0, Number.MAX_SAFE_INTEGER)].length;

describe('a batch', () => {
  it('shows in roll-ups of every level, latest value, raw readings, ledger and ranges', () => {
    const { hub, agent } = ready();
    const rows = [
      { series: 0, time: t0 + 500, value: 1 },
      { series: 0, time: t0 + 9_999, value: 2 },
      { series: 0, time: t0 + 10_000, value: 4 },
      { series: 1, time: t0 + hour, value: -0 },
    ];
    agent.send(1, ...rows);
    const { read } = hub.core;
    const ten = [...read.rollups(1, 10_000, t0, t0 + hour)];
    expect(ten.map((row) => row.startMs)).toEqual([t0, t0 + 10_000]);
    expect(Buffer.from(ten[0]!.partial)).toEqual(
      Buffer.from(
        partialOf([
          [t0 + 500, 1],
          [t0 + 9_999, 2],
        ]).encode(),
      ),
    );
    const all = partialOf([
      [t0 + 500, 1],
      [t0 + 9_999, 2],
      [t0 + 10_000, 4],
    ]).encode();
    for (const level of [60_000, 900_000, 86_400_000] as const) {
      expect([...read.rollups(1, level, t0, t0 + hour)]).toEqual([{ startMs: t0, partial: all }]);
    }
    expect(read.latest([1, 2])).toEqual([
      { series: 1, timeMs: t0 + 10_000, kind: 'number', value: 4, flags: 0 },
      { series: 2, timeMs: t0 + hour, kind: 'number', value: -0, flags: 0 },
    ]);
    expect(read.ledger().map((line) => [line.lane, line.hour, line.delivered])).toEqual([
      [2, h0, 3],
      [2, h0 + 1, 1],
    ]);
    expect(held(agent)).toEqual([4]);
    const raw = [...read.raw({ agent: 'gw1', fromMs: t0 + 9_999, toMs: t0 + hour + 1, series: new Set([1, 2]) })];
    expect(raw.map((chunk) => [chunk.hourMs, [...chunk.readings.series], [...chunk.readings.value]])).toEqual([
      [t0, [1, 1], [2, 4]],
      [t0 + hour, [2], [-0]],
    ]);
  });

  it('looks the same before and after a fold, and after a restart', () => {
    const { hub, agent } = ready(undefined, reading('a'), window('w', 60_000), reading('s', { type: 'text' }));
    agent.send(1, { series: 0, time: t0, value: 1 }, { series: 2, time: t0, value: 'open' });
    agent.sendWindows(3, { series: 1, start: t0, values: [[t0 + 1, 5]], hasSketch: true });
    const before = visible(hub);
    hub.restart();
    expect(visible(hub)).toEqual(before);
    hub.core.fold();
    expect(visible(hub)).toEqual(before);
    hub.restart();
    expect(visible(hub)).toEqual(before);
    agent.send(4, { series: 0, time: t0 + 1, value: 2 });
    agent.sendWindows(5, { series: 1, start: t0, values: [[t0 + 2, 6]], isDelta: true, hasSketch: true });
    const tailed = visible(hub);
    hub.core.fold();
    expect(visible(hub)).toEqual(tailed);
    expect(tailed).not.toEqual(before);
  });

  it('that comes again is acked and changes nothing, whatever was folded or restarted in between', () => {
    const { hub, agent } = ready();
    const payload = agent.rowsBytes(1, [{ series: 0, time: t0, value: 1 }]);
    hub.take('gw1', 'batch', payload);
    const before = visible(hub);
    hub.take('gw1', 'batch', payload);
    hub.core.fold();
    hub.take('gw1', 'batch', payload);
    hub.restart();
    hub.take('gw1', 'batch', payload);
    expect(visible(hub)).toEqual(before);
    expect(hub.core.read.counters().batchesRepeated).toBe(1);
    expect(hub.acked).toEqual([0, 1, 2, 3, 4, 5]);
    expect(quarantined(hub)).toEqual([]);
  });

  it('of a held range with other bytes is a conflict', () => {
    const { hub, agent } = ready();
    agent.send(1, { series: 0, time: t0, value: 1 });
    const before = visible(hub);
    agent.send(1, { series: 0, time: t0, value: 2 });
    expect(quarantined(hub)).toEqual(['conflict']);
    expect(visible(hub)).toEqual(before);
  });

  it('that overlaps what is held is quarantined and leaves the ranges alone', () => {
    const { hub, agent } = ready();
    const row = (i: number) => ({ series: 0, time: t0 + i, value: i });
    agent.send(1, row(1), row(2), row(3));
    agent.send(3, row(3), row(4));
    agent.send(1, row(1), row(2));
    expect(quarantined(hub)).toEqual(['overlap', 'overlap']);
    expect(held(agent)).toEqual([3]);
    expect(delivered(hub)).toBe(3);
  });

  it('whose raw bytes are gone is a repeat', () => {
    const { hub, agent } = ready();
    agent.send(1, { series: 0, time: t0, value: 1 });
    hub.core.fold();
    hub.db.exec('DELETE FROM batches; DELETE FROM batch_ranges; DELETE FROM batch_hours');
    agent.send(1, { series: 0, time: t0, value: 9 });
    expect(quarantined(hub)).toEqual([]);
    expect(delivered(hub)).toBe(1);
    hub.restart();
    agent.send(2, { series: 0, time: t0, value: 5 });
    hub.restart();
    expect(delivered(hub)).toBe(2);
  });

  it('that is damaged counts as held under an unknown hour, and a sound copy takes its place', () => {
    const { hub, agent } = ready();
    const sound = agent.rowsBytes(1, [
      { series: 0, time: t0, value: 1 },
      { series: 0, time: t0 + 1, value: 2 },
    ]);
    const part = readingsPart([
      { series: 0, time: t0, value: 1 },
      { series: 0, time: t0 + 1, value: 2 },
    ]);
    const flipped = Uint8Array.from(part.bytes, (byte, i) => (i === part.bytes.length - 6 ? byte ^ 1 : byte));
    const damaged = encodeBatch({
      agent: 'gw1',
      epoch: agent.epoch,
      lane: 2,
      first: 1,
      last: 2,
      parts: [{ kind: 'readings', bytes: flipped }],
    });
    hub.take('gw1', 'batch', damaged);
    hub.take('gw1', 'batch', damaged);
    expect(quarantined(hub)).toEqual(['corrupt']);
    expect(hub.core.read.ledger().map((line) => [line.hour, line.quarantined])).toEqual([[-1, 2]]);
    expect(held(agent)).toEqual([2]);
    hub.take('gw1', 'batch', sound);
    expect(quarantined(hub)).toEqual([]);
    expect(hub.core.read.ledger().map((line) => [line.hour, line.quarantined, line.delivered])).toEqual([
      [-1, 0, 0],
      [h0, 0, 2],
    ]);
  });

  it('whose items do not add up to its range is corrupt, and one with an absurd range records nothing', () => {
    const { hub, agent } = ready();
    const part = readingsPart([{ series: 0, time: t0, value: 1 }]);
    hub.take('gw1', 'batch', agent.batchBytes(1, [part], 3));
    hub.take('gw1', 'batch', agent.batchBytes(10, [part], 2 ** 40));
    expect(quarantined(hub)).toEqual(['corrupt', 'corrupt']);
    expect(held(agent)).toEqual([3]);
  });

  it('of the wrong kind of series is corrupt', () => {
    const { hub, agent } = ready(undefined, reading('a'), window('w', 60_000));
    agent.send(1, { series: 1, time: t0, value: 1 });
    agent.sendWindows(2, { series: 0, start: t0, values: [[t0, 1]] });
    expect(quarantined(hub)).toEqual(['corrupt', 'corrupt']);
  });

  it('of an unknown epoch or from another agent is acked, quarantined and not held', () => {
    const { hub, agent } = ready();
    const other = new Agent(hub, 'gw1', epochId(7));
    other.send(1, { series: 0, time: t0, value: 1 });
    hub.take('gw2', 'batch', agent.rowsBytes(1, [{ series: 0, time: t0, value: 1 }]));
    expect(quarantined(hub)).toEqual(['foreign', 'unknown_epoch']);
    expect(held(agent)).toEqual([0]);
    expect(hub.acked).toHaveLength(5);
  });
});

describe('unknown series', () => {
  it('hold the batch, ask for definitions, and are ingested by the commit of the definitions', () => {
    const { hub, agent } = ready(undefined, reading('a'));
    const before = hub.welcomes('gw1').length;
    agent.send(1, { series: 0, time: t0, value: 1 }, { series: 2, time: t0, value: 2 });
    agent.send(3, { series: 1, time: t0 + hour, value: 3 });
    expect(quarantined(hub)).toEqual(['unknown_series', 'unknown_series']);
    expect(
      hub
        .welcomes('gw1')
        .slice(before)
        .map((welcome) => welcome.epochs[0]?.seriesKnown),
    ).toEqual([1, 1]);
    expect(hub.core.read.ledger().map((line) => [line.hour, line.delivered, line.quarantined])).toEqual([
      [h0, 0, 2],
      [h0 + 1, 0, 1],
    ]);
    hub.restart();
    agent.define(1, reading('b'));
    expect(quarantined(hub)).toEqual(['unknown_series']);
    expect(delivered(hub)).toBe(1);
    agent.define(2, reading('c'));
    expect(quarantined(hub)).toEqual([]);
    expect(hub.core.read.ledger().map((line) => [line.hour, line.delivered, line.quarantined])).toEqual([
      [h0, 2, 0],
      [h0 + 1, 1, 0],
    ]);
    expect(counts(hub, 3, 10_000)).toBe(1);
    expect(held(agent)).toEqual([3]);
  });

  it('repeat quietly while waiting, and conflict with other bytes', () => {
    const { hub, agent } = ready(undefined, reading('a'));
    agent.send(1, { series: 5, time: t0, value: 1 });
    agent.send(1, { series: 5, time: t0, value: 1 });
    agent.send(1, { series: 5, time: t0, value: 2 });
    expect(quarantined(hub)).toEqual(['conflict', 'unknown_series']);
  });

  it('that turn out to be of the wrong kind stop waiting', () => {
    const { hub, agent } = ready(undefined, reading('a'));
    agent.send(1, { series: 1, time: t0, value: 1 });
    agent.define(1, window('w', 60_000));
    expect(quarantined(hub)).toEqual(['corrupt']);
    expect(delivered(hub)).toBe(0);
  });
});

describe('definitions', () => {
  it('may repeat, may not contradict, and one identity is one series whatever its width', () => {
    const { hub, agent } = ready(undefined, window('w', 60_000));
    agent.define(0, window('w', 60_000));
    agent.define(0, window('w', 10_000));
    expect(quarantined(hub)).toEqual(['conflict']);
    agent.define(1, window('w', 10_000));
    const [series, ...others] = hub.core.read.listSeries({});
    expect(others).toEqual([]);
    expect(series).toMatchObject({ id: 1, widthMs: 10_000, widthsMs: [10_000, 60_000] });
  });

  it('whose kind and width disagree, or beyond the limit, are quarantined whole', () => {
    const { hub, agent } = ready(new Hub({ limits: { seriesPerAgentMax: 4 } }));
    agent.define(2, reading('x'), window('w', 0));
    agent.define(2, reading('x'), reading('y'), reading('z'));
    expect(quarantined(hub)).toEqual(['limit', 'corrupt']);
    expect(hub.core.read.listSeries({})).toHaveLength(2);
  });

  it('are inherited over three epochs, below each base only', () => {
    const { hub, agent } = ready(undefined, reading('a'), reading('b'), reading('c'));
    const child = new Agent(hub, 'gw1', epochId(2));
    child.hello(offer(epochId(2), { parent: { epoch: epochId(1), last: [0, 0, 0, 0] }, seriesBase: 2 }));
    expect(hub.lastWelcome('gw1').epochs[0]?.seriesKnown).toBe(2);
    child.define(2, reading('d'));
    const grandchild = new Agent(hub, 'gw1', epochId(3));
    grandchild.hello(offer(epochId(3), { parent: { epoch: epochId(2), last: [0, 0, 0, 0] }, seriesBase: 3 }));
    expect(hub.lastWelcome('gw1').epochs[0]?.seriesKnown).toBe(3);
    grandchild.send(1, { series: 0, time: t0, value: 1 }, { series: 2, time: t0, value: 2 });
    const names = hub.core.read.latest([1, 2, 3, 4]).map(({ series }) => hub.core.read.series(series)?.metric);
    expect(names).toEqual(['a', 'd']);
    hub.restart();
    expect(held(grandchild)).toEqual([2]);
    agent.hello();
    expect(hub.lastWelcome('gw1').epochs[0]?.seriesKnown).toBe(3);
  });

  it('of a parent that arrive late complete what its child has waiting', () => {
    const { hub, agent } = ready(undefined, reading('a'));
    const child = new Agent(hub, 'gw1', epochId(2));
    child.hello(offer(epochId(2), { parent: { epoch: epochId(1), last: [0, 0, 0, 0] }, seriesBase: 2 }));
    expect(hub.lastWelcome('gw1').epochs[0]?.seriesKnown).toBe(1);
    child.send(1, { series: 1, time: t0, value: 1 });
    agent.define(1, reading('b'));
    expect(quarantined(hub)).toEqual([]);
    expect(delivered(hub)).toBe(1);
  });

  it('can be given for an epoch whose parent the hub never met', () => {
    const hub = new Hub();
    const child = new Agent(hub, 'gw1', epochId(2));
    child.hello(
      offer(epochId(2), { parent: { epoch: epochId(1), last: [0, 0, 9, 0] }, seriesBase: 2, seriesCount: 2 }),
    );
    expect(hub.lastWelcome('gw1').epochs).toMatchObject([{ seriesKnown: 0 }]);
    child.define(0, reading('a'), reading('b'));
    child.send(1, { series: 1, time: t0, value: 1 });
    expect(delivered(hub)).toBe(1);
  });

  it('with a circle of parents end', () => {
    const hub = new Hub();
    const agent = new Agent(hub);
    const named = (n: number) => ({ parent: { epoch: epochId(n), last: [0, 0, 0, 0] }, seriesBase: 5 });
    agent.hello(offer(epochId(1), named(2)), offer(epochId(2), named(1)));
    expect(hub.lastWelcome('gw1').epochs.map((answer) => answer.seriesKnown)).toEqual([0, 0]);
  });
});
