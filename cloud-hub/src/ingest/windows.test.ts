import type { SeriesDefinition } from '@fogline/shared/reading';
import { describe, expect, it } from 'vitest';
import { Agent, Hub, partialOf, reading, t0, window, windowsPart } from './testing/agent-fixture.ts';

function ready(...definitions: SeriesDefinition[]): { hub: Hub; agent: Agent } {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, ...definitions);
  return { hub, agent };
}

const counts = (hub: Hub, series: number, level: 10_000 | 60_000 | 900_000 | 86_400_000): number =>
  [...hub.core.read.rollups(series, level, 0, Number.MAX_SAFE_INTEGER)].length;

describe('windows', () => {
  it('enter every level their width divides, deltas merged, and none that it does not', () => {
    const { hub, agent } = ready(
      window('m', 60_000),
      window('odd', 7_000),
      window('fast', 5_000),
      window('half', 30_000),
    );
    agent.sendWindows(
      1,
      {
        series: 0,
        start: t0,
        values: [
          [t0 + 1, 1],
          [t0 + 2, 2],
        ],
      },
      { series: 0, start: t0, values: [[t0 + 3, 3]], isDelta: true },
      { series: 1, start: t0, values: [[t0, 1]] },
      { series: 2, start: t0 + 5_000, values: [[t0 + 5_000, 1]] },
      { series: 3, start: t0, values: [[t0, 1]] },
      { series: 3, start: t0 + 1_000, values: [[t0 + 1_000, 1]] },
    );
    expect(counts(hub, 1, 10_000)).toBe(0);
    const merged = partialOf([
      [t0 + 1, 1],
      [t0 + 2, 2],
      [t0 + 3, 3],
    ]).encode();
    for (const level of [60_000, 900_000, 86_400_000] as const) {
      expect([...hub.core.read.rollups(1, level, 0, Number.MAX_SAFE_INTEGER)]).toEqual([
        { startMs: t0, partial: merged },
      ]);
    }
    expect(counts(hub, 2, 86_400_000)).toBe(0);
    expect(counts(hub, 3, 10_000)).toBe(1);
    expect(counts(hub, 4, 10_000)).toBe(0);
    expect([...hub.core.read.rollups(4, 60_000, 0, Number.MAX_SAFE_INTEGER)]).toEqual([
      { startMs: t0, partial: partialOf([[t0, 1]]).encode() },
    ]);
    expect(hub.core.read.latest([1])).toEqual([{ series: 1, timeMs: t0, kind: 'window', partial: merged }]);
    const [chunk] = hub.core.read.raw({ agent: 'gw1', fromMs: t0, toMs: t0 + 1, series: new Set([1, 2]) });
    expect([...chunk!.windows.series]).toEqual([1, 1, 2]);
    expect([...chunk!.widthMs]).toEqual([60_000, 60_000, 7_000]);
  });

  it('keep their sketches through merges, folds and coarser levels', () => {
    const { hub, agent } = ready(window('m', 60_000));
    const values = Array.from({ length: 40 }, (_, i): [number, number] => [t0 + i, i * i]);
    agent.sendWindows(1, { series: 0, start: t0, values: values.slice(0, 20), hasSketch: true });
    hub.core.fold();
    agent.sendWindows(2, { series: 0, start: t0, values: values.slice(20), hasSketch: true, isDelta: true });
    hub.core.fold();
    const [row] = hub.core.read.rollups(1, 86_400_000, t0, t0 + 1);
    expect(Buffer.from(row!.partial)).toEqual(Buffer.from(partialOf(values, true).encode()));
  });

  it('with a partial that is damaged make their batch corrupt', () => {
    const { hub, agent } = ready(window('m', 60_000));
    const part = windowsPart([{ series: 0, start: t0, values: [[t0, 1]] }]);
    const bytes = Uint8Array.from(part.bytes, (byte, i) => (i === part.bytes.length - 1 ? byte ^ 0xff : byte));
    hub.take('gw1', 'batch', agent.batchBytes(1, [{ kind: 'windows', bytes }], 1));
    expect(hub.core.read.quarantine().map(({ reason }) => reason)).toEqual(['corrupt']);
  });
});

it('bad readings and text are kept and enter no roll-up', () => {
  const { hub, agent } = ready(reading('a'), reading('s', { type: 'text' }));
  agent.send(
    1,
    { series: 0, time: t0, value: 1 },
    { series: 0, time: t0 + 1, value: 99, quality: 2 },
    { series: 0, time: t0 + 2, value: 3, quality: 1 },
    { series: 1, time: t0, value: 'on' },
    { series: 1, time: t0, value: 'off' },
  );
  const expected = partialOf([
    [t0, 1],
    [t0 + 2, 3],
  ]).encode();
  expect([...hub.core.read.rollups(1, 10_000, t0, t0 + 1)]).toEqual([{ startMs: t0, partial: expected }]);
  expect(counts(hub, 2, 10_000)).toBe(0);
  expect(hub.core.read.latest([2])).toEqual([{ series: 2, timeMs: t0, kind: 'text', value: 'on', flags: 4 }]);
  const [chunk] = hub.core.read.raw({ agent: 'gw1', fromMs: t0, toMs: t0 + 10, series: new Set([1]) });
  expect([...chunk!.readings.value]).toEqual([1, 99, 3]);
});
