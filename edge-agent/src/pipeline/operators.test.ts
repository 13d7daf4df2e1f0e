/** What holds for every operator alike: restarts, splits where they do not matter, changes of configuration, chains, counting. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineConfig } from '../core-config.ts';
import { anyCommits, type Emitted, partialOf, resplit, runOf } from './testing/stream-kit.ts';

const base = { name: 'out', from: 'climate', lane: 2 } as const;

const operators: Readonly<Record<string, Omit<PipelineConfig, keyof typeof base>>> = {
  only: { only: ['temperature', 'state'] },
  convert: {
    convert: {
      temperature: { rename: 't', scale: 1.8, offset: 32, unit: '°F' },
      door: { scale: 10, offset: 0 },
      state: { rename: 'status', scale: 2, offset: 1 },
    },
  },
  check: {
    check: {
      temperature: { range: { min: -3, max: 3 }, ratePerMs: 0.001, stuckMs: 20_000 },
      door: { stuckMs: 30_000 },
    },
  },
  derive: {
    derive: [
      { metric: 'sum', text: 'temperature + humidity', unit: '°C', holdMs: 0 },
      { metric: 'twice', text: 'sum * 2', unit: '°C', holdMs: 0 },
      { metric: 'ratio', text: 'temperature / humidity', unit: '', holdMs: 30_000 },
      { metric: 'humidity', text: 'humidity * 2', unit: '%', holdMs: 0 },
      { metric: 'alarm', text: 'temperature > 0 and door', unit: '', holdMs: 15_000 },
      { metric: 'mode', text: 'temperature > 0 ? state : device', unit: '', holdMs: 60_000 },
    ],
  },
  where: { where: { text: 'temperature > 0 or state == "on"', holdMs: 0 } },
  'where with hold': { where: { text: 'temperature > 0 or state == "on" or device == "b"', holdMs: 10_000 } },
  deadband: { deadband: { thresholds: { temperature: 0.5 }, shares: { humidity: 0.1 }, heartbeatMs: 40_000 } },
  'swinging door': { swingingDoor: { bounds: { temperature: 1, humidity: 0.3 }, maxGapMs: 50_000 } },
  throttle: { throttleMs: 10_000 },
  sample: { sampleMs: 10_000 },
  window: { window: { everyMs: 10_000, latenessMs: 2000, hasSketch: true } },
  'hopping window': {
    hopping: {
      everyMs: 5000,
      widthMs: 20_000,
      latenessMs: 2000,
      hasSketch: true,
      compute: ['mean', 'p90', 'count', 'max'],
    },
  },
  'all that go together': {
    only: ['temperature', 'humidity', 'state'],
    convert: { temperature: { scale: 2, offset: 1 } },
    check: { temperature: { range: { min: -5, max: 5 } } },
    derive: [{ metric: 'diff', text: 'temperature - humidity', unit: '', holdMs: 5000 }],
    where: { text: 'has(temperature) or has(state)', holdMs: 0 },
    deadband: { thresholds: { temperature: 0.5 }, heartbeatMs: 40_000 },
    window: { everyMs: 10_000, latenessMs: 2000, hasSketch: false },
  },
};

const restarts = fc.array(fc.boolean(), { maxLength: 12 });
const byName = Object.entries(operators).map(([name, parts]) => ({ name, config: { ...base, ...parts } }));

describe.each(byName)('$name', ({ config }) => {
  it('goes on after a restart at any point as if there had been none', () => {
    fc.assert(
      fc.property(anyCommits, restarts, (commits, when) => {
        const disturbed = runOf([config], commits, when);
        const steady = runOf([config], commits);
        expect(disturbed.end()).toEqual(steady.end());
        expect(disturbed.drops()).toEqual(steady.drops());
      }),
    );
  });
});

describe('what is dropped is counted', () => {
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const selecting = 'only,convert,check,where,where with hold,deadband,swinging door,throttle,sample'.split(',');

  it.each(byName.filter(({ name }) => selecting.includes(name)))('$name: came in = went on + dropped', ({ config }) => {
    fc.assert(
      fc.property(anyCommits, restarts, (commits, when) => {
        const run = runOf([config], commits, when);
        const wentOn = run.end().length;
        const cameIn = sum(commits.map(({ readings }) => readings.length));
        expect(wentOn + sum(Object.values(run.drops()))).toBe(cameIn);
      }),
    );
  });

  it('window: came in = in windows + bad + text', () => {
    const config: PipelineConfig = { ...base, ...operators['window'] };
    fc.assert(
      fc.property(anyCommits, restarts, (commits, when) => {
        const run = runOf([config], commits, when);
        const inWindows = sum(run.end().map((window) => partialOf(window).count));
        const cameIn = sum(commits.map(({ readings }) => readings.length));
        expect(inWindows + sum(Object.values(run.drops()))).toBe(cameIn);
      }),
    );
  });
});

describe('operators that look at one series and its own times', () => {
  const apart = byName.filter(({ name }) => ['convert', 'check', 'only', 'deadband', 'throttle'].includes(name));

  it.each(apart)('$name: how readings are split into commits changes nothing', ({ config }) => {
    fc.assert(
      fc.property(anyCommits, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (commits, sizes) => {
        expect(bySeries(runOf([config], resplit(commits, sizes)).end())).toEqual(
          bySeries(runOf([config], resplit(commits, [1000])).end()),
        );
      }),
    );
  });
});

describe('a chain of two pipelines', () => {
  const pairs = [
    ['only', 'convert'],
    ['convert', 'check'],
    ['convert', 'deadband'],
    ['check', 'derive'],
    ['derive', 'where'],
    ['derive', 'hopping window'],
    ['where', 'swinging door'],
    ['where', 'sample'],
    ['throttle', 'window'],
    ['sample', 'window'],
    ['swinging door', 'hopping window'],
  ] as const;

  it.each(pairs)('%s, then %s: gives what one pipeline of both gives', (before, after) => {
    const first: PipelineConfig = { ...base, name: 'first', isLocal: true, ...operators[before] };
    const second: PipelineConfig = { ...base, from: 'first', isFromPipeline: true, ...operators[after] };
    const alone: PipelineConfig = { ...base, ...operators[before], ...operators[after] };
    fc.assert(
      fc.property(anyCommits, restarts, (commits, when) => {
        const chained = runOf([second, first], commits, when);
        const out = chained.end().filter(({ stream }) => stream === 'out');
        expect(bySeries(out)).toEqual(bySeries(runOf([alone], commits).end()));
      }),
      { numRuns: 60 },
    );
  });
});

/** Of each series everything in order, whatever the order of series. */
function bySeries(emitted: readonly Emitted[]): unknown {
  const groups = Object.groupBy(emitted, ({ definition }) => JSON.stringify(definition));
  return Object.fromEntries(
    Object.entries(groups)
      .map(
        ([key, rows]) => [key, rows?.map(({ time, value, quality, delta }) => [time, value, quality, delta])] as const,
      )
      .sort(([x], [y]) => (x < y ? -1 : 1)),
  );
}
