/** The hub shows the same before, while and after its upkeep, whatever arrives late, crashes or is restored meanwhile. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { Spread } from '@fogline/shared/aggregate/spread';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hubProblem } from '../store/hub-check.ts';
import { salvageHub } from '../store/hub-salvage.ts';
import type { RollupLevelMs } from '../store/levels.ts';
import { keptForEver, type Retention } from '../store/retention.ts';
import { openHubDatabase } from '../store/schema.ts';
import { Agent, Hub, type Row, reading, t0 } from './testing/agent-fixture.ts';

const levels = [10_000, 60_000, 900_000, 86_400_000] as const;
const dayMs = 86_400_000;
const spanMs = 2048 * 10_000;

/** Rows of series 0 and 1, most of them close together, so that there is something to pack. */
const row = fc.record({
  series: fc.integer({ min: 0, max: 1 }),
  time: fc
    .oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 900 }) }, fc.integer({ min: -200_000, max: 100_000 }))
    .map((s) => t0 + s * 1000),
  value: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -500, max: 5000 }).map((n) => n / 100) },
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  ),
});
const scenario = fc.record({
  batches: fc.array(fc.array(row, { minLength: 30, maxLength: 80 }), { minLength: 3, maxLength: 8 }),
  /** n: which batch is delivered; how many steps of upkeep. */
  steps: fc.array(
    fc.record({
      kind: fc.constantFrom(
        'deliver',
        'deliver',
        'deliver',
        'upkeep',
        'upkeep',
        'upkeep',
        'fold',
        'restart',
        'backup',
        'restore',
        'before',
        'after',
        'days',
        'salvage',
      ),
      n: fc.nat({ max: 30 }),
    }),
    { minLength: 4, maxLength: 24 },
  ),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

function naive(batches: readonly (readonly Row[])[]): Map<string, string> {
  const partials = new Map<string, Partial>();
  for (const { series, time, value } of batches.flat()) {
    for (const level of levels) {
      const key = `${series + 1} ${level} ${Math.floor(time / level) * level}`;
      const partial = partials.get(key) ?? Partial.empty();
      partial.add(time, Number(value));
      partials.set(key, partial);
    }
  }
  return new Map([...partials].map(([key, partial]) => [key, Buffer.from(partial.encode()).toString('hex')]));
}

function shown(hub: Hub): Map<string, string> {
  const rows = new Map<string, string>();
  for (const { id } of hub.core.read.listSeries({})) {
    for (const level of levels) {
      let before = Number.NEGATIVE_INFINITY;
      for (const { startMs, partial } of hub.core.read.rollups(id, level, t0 - 1e12, t0 + 1e12)) {
        expect(startMs).toBeGreaterThan(before);
        before = startMs;
        rows.set(`${id} ${level} ${startMs}`, Buffer.from(partial).toString('hex'));
      }
      expectSpreads(hub, id, level);
    }
  }
  return rows;
}

function saidBy(spread: Spread): number[] {
  const { count, min, max, firstTime, firstValue, lastTime, lastValue } = spread;
  return [count, min, max, firstTime, firstValue, lastTime, lastValue, spread.sumValue()];
}

/** Spreads say what the partials say. */
function expectSpreads(hub: Hub, id: number, level: RollupLevelMs): void {
  const partials = [...hub.core.read.rollups(id, level, t0 - 1e12, t0 + 1e12)];
  const expected = partials.map(({ startMs, partial }) => [startMs, ...saidBy(Spread.of(partial, true))]);
  const spreads = [...hub.core.read.spreads(id, level, t0 - 1e12, t0 + 1e12, { hasSum: true, stepMs: level })];
  expect(spreads.map(({ startMs, spread }) => [startMs, ...saidBy(spread)])).toEqual(expected);
  const merged = new Spread();
  for (const { partial } of partials) merged.mergeSpread(Spread.of(partial));
  const inSteps = new Spread();
  const asked = { hasSum: false, stepMs: 5 * level };
  for (const { spread } of hub.core.read.spreads(id, level, t0 - 1e12, t0 + 1e12, asked)) inSteps.mergeSpread(spread);
  expect(saidBy(inSteps)).toEqual(saidBy(merged));
}

function rawTimes(hub: Hub): number[] {
  const times: number[] = [];
  const query = { agent: 'gw1', fromMs: t0 - 1e12, toMs: t0 + 1e12, series: new Set([1, 2]) };
  for (const { readings } of hub.core.read.raw(query)) times.push(...readings.time.subarray(0, readings.count));
  return times.sort((a, b) => a - b);
}

function upkeepAll(hub: Hub): void {
  while (hub.core.upkeep());
}

const rowsIn = (hub: Hub, table: string): number =>
  hub.db.prepare<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).get()?.n ?? 0;

class Run {
  hub: Hub;
  agent: Agent;
  #armed: string | undefined;
  #backup: Uint8Array | undefined;
  readonly #payloads: readonly Uint8Array[];
  readonly #retention: Retention;
  readonly #clock = new ManualClock(t0 + 3 * dayMs);

  constructor(batches: readonly (readonly Row[])[], retention: Retention) {
    this.#retention = retention;
    this.hub = this.#open();
    this.agent = new Agent(this.hub);
    this.agent.hello();
    this.agent.define(0, reading('a'), reading('b'));
    this.#backup = this.hub.db.serialize();
    let next = 1;
    this.#payloads = batches.map((rows) => {
      const payload = this.agent.rowsBytes(next, rows);
      next += rows.length;
      return payload;
    });
  }

  step({ kind, n }: Scenario['steps'][number]): void {
    switch (kind) {
      case 'deliver':
        this.deliver(n);
        return this.hub.commitAll();
      case 'upkeep':
        for (let left = n; left > 0; left--) this.hub.core.upkeep();
        return;
      case 'fold':
        return this.hub.core.fold();
      case 'restart':
        return this.hub.restart();
      case 'backup':
        this.#backup = this.hub.db.serialize();
        return;
      case 'restore':
        return this.#replace(this.#backup);
      case 'days':
        return this.#clock.advance((n % 4) * dayMs);
      case 'salvage':
        return this.#replace(this.#salvaged());
      default:
        return this.#crash(kind);
    }
  }

  deliver(batch: number): void {
    const payload = this.#payloads[batch % this.#payloads.length];
    if (payload !== undefined) this.hub.submit('gw1', 'batch', payload);
  }

  /** Everything again, as after the next hello; then until nothing is left to do; then everything once more. */
  settle(): void {
    this.#deliverAll();
    this.hub.core.fold();
    upkeepAll(this.hub);
    this.#clock.advance(26 * 3_600_000);
    upkeepAll(this.hub);
    this.#deliverAll();
  }

  #deliverAll(): void {
    for (const batch of this.#payloads.keys()) this.deliver(batch);
    this.hub.commitAll();
  }

  #replace(file: Uint8Array | undefined): void {
    this.hub.db.close();
    this.hub = this.#open(file);
  }

  /** As after damage that was found nowhere. */
  #salvaged(): Uint8Array {
    const to = openHubDatabase(':memory:');
    salvageHub(this.hub.db, to, '/nowhere', this.#clock.now());
    const bytes = to.serialize();
    to.close();
    return bytes;
  }

  /** The next COMMIT fails, whosever it is; a process that goes on and a new one must both be right. */
  #crash(at: string): void {
    this.#armed = at;
    try {
      for (let left = 200; left > 0 && this.#armed !== undefined; left--) this.hub.core.upkeep();
    } catch (error) {
      if (!String(error).includes('crash')) throw error;
    }
    this.#armed = undefined;
    if (at === 'before') this.hub.restart();
  }

  #open(file?: Uint8Array): Hub {
    const strike = (at: string) => () => {
      if (this.#armed !== at) return;
      this.#armed = undefined;
      throw new Error('crash');
    };
    const faults = { beforeCommit: strike('before'), afterCommit: strike('after') };
    const limits = { tailItemsMax: 100, foldItemsMin: 10, retention: this.#retention };
    return new Hub({ faults, limits, clock: this.#clock, ...(file === undefined ? {} : { file }) });
  }
}

/** Short enough that days make a difference. */
const shortRetention: Retention = {
  rawMs: 4 * dayMs,
  levelMs: { 10_000: 5 * dayMs, 60_000: 8 * dayMs, 900_000: 12 * dayMs, 86_400_000: Number.POSITIVE_INFINITY },
};

/** Runs the scenario; what the upkeep has done in the end. */
function check({ batches, steps }: Scenario, retention: Retention): { isPacked: boolean; isMerged: boolean } {
  const run = new Run(batches, retention);
  for (const step of steps) run.step(step);
  run.settle();
  const { levelMs, rawMs } = run.hub.core.read.expiry();
  const expected = [...naive(batches)].filter(([key]) => {
    const [, level, start] = key.split(' ').map(Number);
    return (start ?? 0) >= levelMs[level as keyof typeof levelMs];
  });
  expect(shown(run.hub)).toEqual(new Map(expected));
  const raw = batches.flat().filter(({ time }) => time >= rawMs);
  expect(rawTimes(run.hub)).toEqual(raw.map(({ time }) => time).sort((a, b) => a - b));
  expect(run.hub.core.read.ledger().reduce((sum, line) => sum + line.delivered, 0)).toBe(batches.flat().length);
  expect(run.hub.core.read.quarantineCounts()).toEqual([]);
  expect(hubProblem(run.hub.db)).toBeUndefined();
  const done = {
    isPacked: rowsIn(run.hub, 'rollup_blocks') > 0,
    isMerged: rowsIn(run.hub, 'batches WHERE merged = 1') > 0,
  };
  run.hub.db.close();
  return done;
}

describe('upkeep', () => {
  it('changes nothing that is shown, whatever the interleaving with late data, crashes, restarts, restores and salvages', () => {
    let packed = 0;
    let merged = 0;
    fc.assert(
      fc.property(scenario, (asked) => {
        const { isPacked, isMerged } = check(asked, keptForEver);
        if (isPacked) packed++;
        if (isMerged) merged++;
      }),
      { numRuns: 40 },
    );
    expect(packed).toBeGreaterThan(20);
    expect(merged).toBeGreaterThan(10);
  });

  it('removes what is older than its retention and nothing else, and the account still tells of it', () => {
    let packed = 0;
    fc.assert(
      fc.property(scenario, (asked) => {
        if (check(asked, shortRetention).isPacked) packed++;
      }),
      { numRuns: 40 },
    );
    expect(packed).toBeGreaterThan(10);
  });

  it('packs the rows of spans that are over, once; late rows join them in the next round when they are many', () => {
    const span0 = Math.ceil(t0 / spanMs) * spanMs;
    const hub = new Hub({ clock: new ManualClock(span0 + spanMs + 3_600_000) });
    const agent = new Agent(hub);
    agent.hello();
    agent.define(0, reading('a'));
    const rows = Array.from({ length: 600 }, (_, i) => ({ series: 0, time: span0 + i * 10_000, value: i / 10 }));
    agent.send(1, ...rows);
    hub.core.fold();
    const before = shown(hub);
    upkeepAll(hub);
    expect(shown(hub)).toEqual(before);
    expect(rowsIn(hub, 'rollup_blocks WHERE level = 10000')).toBe(1);
    expect(rowsIn(hub, 'rollups WHERE level = 10000')).toBe(0);
    const { blocksPacked } = hub.core.read.counters();
    upkeepAll(hub);
    expect(hub.core.read.counters().blocksPacked).toBe(blocksPacked);
    const late = Array.from({ length: 20 }, (_, i) => ({ series: 0, time: span0 + i * 10_000 + 1, value: 7 }));
    agent.send(601, ...late);
    const withLate = shown(hub);
    expect(withLate).toEqual(naive([rows, late]));
    hub.core.fold();
    expect(shown(hub)).toEqual(withLate);
    upkeepAll(hub);
    expect(shown(hub)).toEqual(withLate);
    expect(hub.core.read.counters().blocksPacked).toBe(blocksPacked + 1);
    expect(rowsIn(hub, 'rollups WHERE level = 10000')).toBe(0);
  });

  it('removes batches past their retention also where a fold is under way and nothing more arrives', () => {
    const clock = new ManualClock(t0 + dayMs);
    const hub = new Hub({ clock, limits: { tailItemsMax: 2, foldItemsMin: 1, retention: shortRetention } });
    const agent = new Agent(hub);
    agent.hello();
    agent.define(0, reading('a'), reading('b'), reading('c'));
    for (let n = 0; n < 10; n++)
      agent.send(3 * n + 1, ...[0, 1, 2].map((series) => ({ series, time: t0 + n, value: n })));
    expect(hub.core.read.counters().folds).toBeGreaterThan(0);
    clock.advance(30 * dayMs);
    upkeepAll(hub);
    expect(rowsIn(hub, 'batches')).toBe(0);
  });

  it('does not pack what is not over yet', () => {
    const clock = new ManualClock(t0 + 7 * 3_600_000);
    const hub = new Hub({ clock });
    const agent = new Agent(hub);
    agent.hello();
    agent.define(0, reading('a'));
    const last = Math.floor(clock.now() / spanMs) * spanMs;
    agent.send(1, ...Array.from({ length: 50 }, (_, i) => ({ series: 0, time: last + i * 10_000, value: i })));
    hub.core.fold();
    upkeepAll(hub);
    expect(rowsIn(hub, 'rollup_blocks')).toBe(0);
  });
});
