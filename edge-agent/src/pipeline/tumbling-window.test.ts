import { Partial } from '@fogline/shared/aggregate/partial';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineConfig, WindowConfig } from '../core-config.ts';
import {
  anyCommits,
  type Commit,
  type Emitted,
  partialOf,
  type Reading,
  reading,
  resplit,
  runOf,
  StreamRun,
} from './testing/stream-kit.ts';

const base = { name: 'out', from: 'climate', lane: 1 } as const;

function windowed(window: { readonly [K in keyof WindowConfig]?: WindowConfig[K] } = {}): PipelineConfig {
  return { ...base, window: { everyMs: 10_000, latenessMs: 2000, hasSketch: false, ...window } };
}

/** All that was emitted of each window, merged, by series and start. */
function merged(emitted: readonly Emitted[]): Record<string, string> {
  const out = new Map<string, Partial>();
  for (const window of emitted) {
    if (window.definition.kind !== 'window') continue;
    const key = `${window.device}|${window.metric}|${window.definition.widthMs}|${window.time}`;
    const known = out.get(key);
    if (known === undefined) out.set(key, partialOf(window));
    else known.merge(partialOf(window));
  }
  return asHex(out);
}

function naive(readings: readonly Reading[], everyMs = 10_000, sketch = false): Map<string, Partial> {
  const out = new Map<string, Partial>();
  for (const { device, metric, time, value, quality } of readings) {
    if (typeof value === 'string' || quality === 2) continue;
    const key = `${device}|${metric}|${everyMs}|${Math.floor(time / everyMs) * everyMs}`;
    let partial = out.get(key);
    if (partial === undefined) out.set(key, (partial = Partial.empty({ sketch })));
    partial.add(time, Number(value));
  }
  return out;
}

function asHex(partials: ReadonlyMap<string, Partial>): Record<string, string> {
  return Object.fromEntries(
    [...partials]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, partial]) => [key, Buffer.from(partial.encode()).toString('hex')]),
  );
}

const allOf = (commits: readonly Commit[]): Reading[] => commits.flatMap(({ readings }) => readings);
const restarts = fc.array(fc.boolean(), { maxLength: 12 });

describe('tumbling windows', () => {
  it('with their deltas equal the naive aggregate, over any split, order, idle spell and restart', () => {
    fc.assert(
      fc.property(anyCommits, restarts, fc.boolean(), (commits, when, hasSketch) => {
        const run = runOf([windowed({ hasSketch })], commits, when);
        expect(merged(run.end())).toEqual(asHex(naive(allOf(commits), 10_000, hasSketch)));
      }),
    );
  });

  it('hold many readings as they hold few', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 90 }), restarts, (count, size, when) => {
        const readings = Array.from({ length: count }, (_, index) => reading(index * 100, index / 10));
        const commits = resplit([{ readings, now: 0 }], [size]);
        const run = runOf([windowed()], commits, when);
        expect(merged(run.end())).toEqual(asHex(naive(readings)));
      }),
    );
  });

  it('give each window once as a whole, everything later as deltas', () => {
    fc.assert(
      fc.property(anyCommits, restarts, (commits, when) => {
        const wholes = new Map<string, number>();
        for (const { device, metric, time, delta } of runOf([windowed()], commits, when).end()) {
          const key = `${device}|${metric}|${time}`;
          if (delta === 0) wholes.set(key, (wholes.get(key) ?? 0) + 1);
        }
        for (const count of wholes.values()) expect(count).toBe(1);
      }),
    );
  });

  it('have no deltas while nothing is later than the lateness and no series goes idle', () => {
    const row = fc.record({ gap: fc.integer({ min: 0, max: 9000 }), back: fc.integer({ min: 0, max: 2000 }) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 40 }), fc.integer({ min: 1, max: 7 }), (rows, size) => {
        let newest = 0;
        const readings = rows.map(({ gap, back }) => reading((newest += gap) - back, 1));
        const { emitted } = runOf([windowed()], resplit([{ readings, now: 0 }], [size]));
        expect(emitted.filter(({ delta }) => delta === 1)).toEqual([]);
      }),
    );
  });

  it('merge the late readings of one commit and window into one delta', () => {
    const late = [1000, 2000, 11_000].map((time) => reading(time, 1));
    const run = runOf(
      [windowed()],
      [
        { readings: [reading(60_000, 1)], now: 0 },
        { readings: late, now: 0 },
      ],
    );
    expect(run.emitted.map((window) => [window.time, window.delta, partialOf(window).count])).toEqual([
      [0, 1, 2],
      [10_000, 1, 1],
    ]);
  });

  it('do not make neighbours late when one device backfills', () => {
    const at = (device: string, time: number): Reading => ({ ...reading(time, 1), device });
    const run = new StreamRun([windowed()]);
    for (const one of [at('a', 1_000_000), at('b', 5000), at('b', 15_000)]) run.commit({ readings: [one], now: 0 });
    expect(run.emitted.map(({ device, time, delta }) => [device, time, delta])).toEqual([['b', 0, 0]]);
  });

  it('close by processing time when a series goes idle', () => {
    const run = new StreamRun([windowed()]);
    run.commit({ readings: [reading(5000, 1)], now: 100_000 });
    expect(run.pipeline.dueAt(run.now)).toBe(112_000);
    run.commit({ readings: [], now: 111_999 });
    expect(run.emitted).toEqual([]);
    run.commit({ readings: [], now: 112_000 });
    expect(run.emitted).toHaveLength(1);
    expect(run.pipeline.dueAt(run.now)).toBeUndefined();
  });

  it('close in their time although the wall clock was set back, also while the agent was not running', () => {
    const at = (device: string, time: number): Reading => ({ ...reading(time, 1), device });
    for (const isRestarted of [false, true]) {
      const run = new StreamRun([windowed()]);
      run.commit({ readings: [at('a', 5000), at('b', 5000)], now: 5_000_000 });
      if (isRestarted) run.restart();
      expect(run.pipeline.dueAt(1_000_000)).toBe(1_000_000);
      run.commit({ readings: [at('b', 6000)], now: 1_000_000 });
      expect(run.pipeline.dueAt(1_000_000)).toBe(1_012_000);
      run.commit({ readings: [], now: 1_011_999 });
      expect(run.emitted).toEqual([]);
      run.commit({ readings: [], now: 1_012_000 });
      expect(run.emitted.map(({ device }) => device).sort()).toEqual(['a', 'b']);
    }
  });

  it('close only the series that are idle', () => {
    const at = (device: string, time: number): Reading => ({ ...reading(time, 1), device });
    const run = new StreamRun([windowed()]);
    run.commit({ readings: [at('a', 5000), at('b', 5000)], now: 100_000 });
    run.commit({ readings: [at('b', 6000)], now: 106_000 });
    run.commit({ readings: [], now: 112_000 });
    expect(run.emitted.map(({ device }) => device)).toEqual(['a']);
    expect(run.pipeline.dueAt(run.now)).toBe(118_000);
  });
});

describe('windows in a chain', () => {
  it('equal the naive aggregate over what the branch before them lets through', () => {
    const throttled: PipelineConfig = { ...base, name: 'first', throttleMs: 3000 };
    const chained: PipelineConfig = { ...windowed(), from: 'first', isFromPipeline: true };
    fc.assert(
      fc.property(anyCommits, restarts, (commits, when) => {
        const emitted = runOf([chained, throttled], commits, when).end();
        const through = emitted.filter(({ stream }) => stream === 'first');
        const readings = through.map(({ device, metric, time, value, quality }) => ({
          device,
          metric,
          time,
          value,
          quality,
        }));
        expect(merged(emitted)).toEqual(asHex(naive(readings)));
      }),
    );
  });
});

describe('a change of configuration in mid-stream', () => {
  const cutAt = fc.integer({ min: 0, max: 12 });

  it('ends the windows that change as they stand: nothing is lost and nothing counts twice', () => {
    fc.assert(
      fc.property(anyCommits, cutAt, fc.constantFrom(10_000, 15_000), (commits, cut, everyMs) => {
        const run = runOf([windowed()], commits.slice(0, cut));
        run.reconfigure([windowed({ everyMs, latenessMs: 4000 })]);
        for (const commit of commits.slice(cut)) run.commit(commit);
        const expected = naive(allOf(commits.slice(0, cut)));
        for (const [key, partial] of naive(allOf(commits.slice(cut)), everyMs)) {
          const known = expected.get(key);
          if (known === undefined) expected.set(key, partial);
          else known.merge(partial);
        }
        expect(merged(run.end())).toEqual(asHex(expected));
      }),
    );
  });

  it('leaves alone what did not change and nothing before it', () => {
    const other: PipelineConfig = { ...windowed({ everyMs: 7000 }), name: 'other' };
    const steady: PipelineConfig = { ...base, name: 'steady', sampleMs: 9000 };
    fc.assert(
      fc.property(anyCommits, cutAt, (commits, cut) => {
        const run = runOf([windowed(), other, steady], commits.slice(0, cut));
        run.reconfigure([
          steady,
          windowed(),
          { ...other, lane: 3, window: { everyMs: 60_000, latenessMs: 0, hasSketch: true } },
        ]);
        for (const commit of commits.slice(cut)) run.commit(commit);
        const kept = ({ stream }: Emitted): boolean => stream !== 'other';
        const order = (all: readonly Emitted[]): string[] =>
          all
            .filter(kept)
            .map((one) => JSON.stringify(one))
            .sort();
        expect(order(run.end())).toEqual(order(runOf([windowed(), steady], commits).end()));
      }),
    );
  });
});
