import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FoglineError } from '@fogline/shared/errors';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterAll, expect, it } from 'vitest';
import { type Bucket, bucketsOf } from './compare.ts';
import type { HubReader, HubSeries } from './hub-reader.ts';
import { readTruth, type TruthSeries } from './truth.ts';
import { levelsMs, type VerifyOptions, verify } from './verify.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-verify-'));
afterAll(() => rmSync(folder, { recursive: true }));

const startMs = Date.UTC(2026, 0, 1, 12);

function truthOf(text: string): readonly TruthSeries[] {
  const path = join(folder, 'truth.ndjson');
  writeFileSync(path, text);
  return readTruth([path]).series;
}

/** Two devices, a reading a second for five minutes; the last one of each is not acked. */
const sent = ['d1', 'd2'].flatMap((device, index) =>
  Array.from({ length: 300 }, (_, second) => ({
    device,
    timeMs: startMs + second * 1_000,
    value: (2_100 + index * 50 + second) / 100,
  })),
);
const truthText = [
  '{"truth":1,"startedMs":0}',
  ...sent.map(({ device, timeMs, value }) => `{"s":"${device}","t":${timeMs},"v":{"temperature":${value}},"q":1}`),
  ...sent
    .filter(({ timeMs }) => timeMs < startMs + 299_000)
    .map(({ device, timeMs }) => `{"a":["${device}",${timeMs}]}`),
  '',
].join('\n');
const truth = truthOf(truthText);

/** What a hub would answer; tests spoil it. */
interface Stored {
  readonly series: HubSeries;
  readings: { timeMs: number; value: number; isBad?: boolean }[];
  buckets: Map<number, Bucket[]>;
}

function store(): Stored[] {
  return ['d1', 'd2'].map((device, index) => {
    const readings = sent.filter((reading) => reading.device === device);
    const columns = {
      time: Float64Array.from(readings, (r) => r.timeMs),
      value: Float64Array.from(readings, (r) => r.value),
    };
    return {
      series: {
        id: index + 1,
        agent: 'gw',
        stream: 'live',
        device,
        metric: 'temperature',
        kind: 'reading',
        sampling: 'all',
        type: 'number',
      },
      readings: readings.map(({ timeMs, value }) => ({ timeMs, value })),
      buckets: new Map(levelsMs.map((everyMs) => [everyMs, [...bucketsOf(columns, everyMs)]])),
    };
  });
}

/** What a hub knows about what it does not have: items by hour. */
interface Known {
  readonly declared?: ReadonlyMap<number, number>;
  readonly thinned?: ReadonlyMap<number, number>;
  readonly withoutDetail?: number;
  readonly unaccounted?: ReadonlyMap<number, number>;
}

function readerOf(stored: readonly Stored[], known: Known = {}): HubReader {
  const of = (series: HubSeries): Stored => stored.find((entry) => entry.series.id === series.id)!;
  const columns = (readings: Stored['readings']) => ({
    time: Float64Array.from(readings, (r) => r.timeMs),
    value: Float64Array.from(readings, (r) => r.value),
  });
  return {
    listSeries: async () => stored.map(({ series }) => series),
    readings: async (series) =>
      new Map(
        series.map((one) => {
          const { readings } = of(one);
          const good = readings.filter(({ isBad }) => isBad !== true);
          return [one.id, { all: columns(readings), good: columns(good) }];
        }),
      ),
    losses: async () => ({
      byHour: known.declared ?? new Map(),
      thinnedByHour: known.thinned ?? new Map(),
      withoutDetail: known.withoutDetail ?? 0,
    }),
    unaccounted: async () => known.unaccounted ?? new Map(),
    buckets: async (series, everyMs) => new Map(series.map((one) => [one.id, of(one).buckets.get(everyMs) ?? []])),
  };
}

function run(stored: readonly Stored[], options: Partial<VerifyOptions> = {}) {
  return verify({
    truth,
    hub: readerOf(stored),
    metricMap: new Map(),
    waitMs: 0,
    clock: new ManualClock(),
    ...options,
  });
}

it('finds a faithful hub clean, whether or not it has what was not acked', async () => {
  const verdict = await run(store());
  expect(verdict).toMatchObject({ series: 2, sent: 600, acked: 598, atHub: 600, buckets: 2 * (30 + 5 + 1 + 1) });
  expect(verdict.findings.isClean).toBe(true);
  const without = store();
  for (const entry of without) {
    entry.readings.pop();
    const columns = {
      time: Float64Array.from(entry.readings, (r) => r.timeMs),
      value: Float64Array.from(entry.readings, (r) => r.value),
    };
    entry.buckets = new Map(levelsMs.map((everyMs) => [everyMs, [...bucketsOf(columns, everyMs)]]));
  }
  expect((await run(without)).findings.isClean).toBe(true);
});

const nothingFound = { lost: 0, late_dropped: 0, undeclared: 0, duplicated: 0, wrong: 0, unexpected: 0, bucket: 0 };

type Canary = [name: string, plant: (stored: Stored) => void, counts: object];

it.each<Canary>([
  ['a lost reading', ({ readings }) => void readings.splice(7, 1), { lost: 1, bucket: 4 }],
  ['a reading twice', ({ readings }) => void readings.splice(7, 0, readings[7]!), { duplicated: 1, bucket: 4 }],
  [
    'a reading that was not acked, twice',
    ({ readings }) => void readings.push(readings.at(-1)!),
    { duplicated: 1, bucket: 4 },
  ],
  [
    'a wrong value',
    ({ readings }) => void (readings[7] = { ...readings[7]!, value: 0 }),
    { wrong: 1, lost: 0, bucket: 4 },
  ],
  [
    'a reading nobody sent',
    ({ readings }) => void readings.splice(0, 0, { timeMs: startMs - 1, value: 1 }),
    { unexpected: 1 },
  ],
  [
    'a whole series gone',
    ({ readings, buckets }) => {
      readings.splice(0);
      buckets.clear();
    },
    { lost: 299, bucket: 0 },
  ],
  [
    'a bucket too many after the last',
    ({ buckets }) => void buckets.get(60_000)!.push({ ...buckets.get(60_000)![0]!, startMs: startMs + 600_000 }),
    { bucket: 1 },
  ],
  [
    'a bucket too many',
    ({ buckets }) => void buckets.get(10_000)!.unshift({ ...buckets.get(10_000)![0]!, startMs: 0 }),
    { bucket: 1 },
  ],
  ['a bucket missing', ({ buckets }) => void buckets.get(60_000)!.splice(1, 1), { bucket: 1, lost: 0 }],
  [
    'a bad reading inside a bucket',
    ({ readings }) => void (readings[7] = { ...readings[7]!, isBad: true }),
    { bucket: 4, lost: 0 },
  ],
])('catches %s', async (_name, plant, counts) => {
  const stored = store();
  plant(stored[1]!);
  const verdict = await run(stored);
  expect(verdict.findings.isClean).toBe(false);
  expect(verdict.findings.counts).toMatchObject(counts);
  expect(verdict.findings.examples[0]?.device).toBe('d2');
});

it.each(
  levelsMs.flatMap((everyMs) => (['count', 'sum', 'min', 'max', 'mean'] as const).map((field) => ({ everyMs, field }))),
)('catches a $field that is off by one bit in a bucket of $everyMs ms', async ({ everyMs, field }) => {
  const stored = store();
  const bucket = stored[0]!.buckets.get(everyMs)!;
  const right = bucket.at(-1)![field];
  const off = right * (1 + 2 ** -52);
  bucket.push({ ...bucket.pop()!, [field]: off });
  const { findings } = await run(stored);
  expect(findings.counts).toEqual({ ...nothingFound, bucket: 1 });
  expect(findings.examples).toEqual([
    expect.objectContaining({ kind: 'bucket', everyMs, field, expected: right, got: off }),
  ]);
});

/** The hub without some readings of d2, all of whose buckets agree with what it has. */
function without(isGone: (second: number) => boolean): Stored[] {
  const stored = store();
  const entry = stored[1]!;
  entry.readings = entry.readings.filter(({ timeMs }) => !isGone((timeMs - startMs) / 1_000));
  const columns = {
    time: Float64Array.from(entry.readings, (r) => r.timeMs),
    value: Float64Array.from(entry.readings, (r) => r.value),
  };
  entry.buckets = new Map(levelsMs.map((everyMs) => [everyMs, [...bucketsOf(columns, everyMs)]]));
  return stored;
}

const hour = startMs / 3_600_000;

it('does not mind what was declared lost, as far as it was declared', async () => {
  const stored = without((second) => second < 10);
  const verdictOn = (known: Known) => run(stored, { hub: readerOf(stored, known) });
  const declared = await verdictOn({ declared: new Map([[hour, 10]]) });
  expect(declared.findings).toMatchObject({ declared: 10, isClean: true });
  expect((await verdictOn({ withoutDetail: 10 })).findings).toMatchObject({ declared: 10, isClean: true });
  const short = await verdictOn({ declared: new Map([[hour, 7]]), withoutDetail: 1 });
  expect(short.findings.declared).toBe(8);
  expect(short.findings.counts).toEqual({ ...nothingFound, lost: 2 });
  const elsewhere = await verdictOn({ declared: new Map([[hour - 1, 10]]) });
  expect(elsewhere.findings.counts).toEqual({ ...nothingFound, lost: 10 });
});

it('names an eviction that was not declared: the agent made it, and nobody knows where it is', async () => {
  const stored = without((second) => second < 10);
  const { findings } = await run(stored, { hub: readerOf(stored, { unaccounted: new Map([[hour, 9]]) }) });
  expect(findings.counts).toEqual({ ...nothingFound, undeclared: 9, lost: 1 });
  expect(findings.examples.map(({ kind }) => kind).toSorted()).toEqual([
    'lost',
    ...Array<string>(9).fill('undeclared'),
  ]);
});

/** As `sent`, but the readings of d2 between two seconds came after all others. */
function lateTruth(fromSecond: number, toSecond: number): readonly TruthSeries[] {
  const isLate = ({ device, timeMs }: (typeof sent)[number]): boolean =>
    device === 'd2' && timeMs >= startMs + fromSecond * 1_000 && timeMs < startMs + toSecond * 1_000;
  const order = [...sent.filter((one) => !isLate(one)), ...sent.filter(isLate)];
  return truthOf(
    order
      .map(({ device, timeMs, value }) => {
        const line = `{"s":"${device}","t":${timeMs},"v":{"temperature":${value}},"q":1}`;
        return `${line}\n{"a":["${device}",${timeMs}]}\n`;
      })
      .join(''),
  );
}

it('names late readings that were dropped, of readings and in windows', async () => {
  const late = lateTruth(100, 110);
  const stored = without((second) => second >= 100 && second < 110);
  const readings = await run(stored, { truth: late });
  expect(readings.findings.counts).toEqual({ ...nothingFound, late_dropped: 10 });

  const windows = stored.map((entry) => ({ ...entry, series: { ...entry.series, kind: 'window', stream: 'stats' } }));
  const inWindows = await run(windows, { truth: late, stream: 'stats' });
  // The last second of each device was acked in this truth, so every bucket is decided: one at each level lacks what was late.
  expect(inWindows.findings.counts).toEqual({ ...nothingFound, late_dropped: 4 });
  const alsoOnTime = without((second) => second >= 100 && second < 111);
  expect((await run(alsoOnTime, { truth: late })).findings.counts).toEqual({ ...nothingFound, lost: 11 });
});

it('compares texts as well, and shows them', async () => {
  const text = ['idle', 'busy', 'idle']
    .map(
      (mode, index) =>
        `{"s":"d","t":${startMs + index},"v":{"mode":"${mode}"},"q":1}\n{"a":["d",${startMs + index}]}\n`,
    )
    .join('');
  const series = { id: 1, agent: 'gw', stream: 'live', device: 'd', metric: 'mode', kind: 'reading', sampling: 'all' };
  const held = [0, 2, 0];
  const hub: HubReader = {
    ...readerOf([]),
    listSeries: async () => [
      { ...series, type: 'text' },
      { ...series, id: 2, type: 'number' },
    ],
    readings: async (_series, _range, texts) => {
      expect(texts.get(1)).toEqual(['idle', 'busy']);
      texts.get(1)?.push('broken');
      const all = { time: Float64Array.from([0, 1, 2], (ms) => startMs + ms), value: Float64Array.from(held) };
      return new Map([[1, { all, good: all }]]);
    },
  };
  const { findings } = await run([], { truth: truthOf(text), hub });
  expect(findings.counts).toEqual({ ...nothingFound, wrong: 1 });
  expect(findings.examples).toEqual([
    { kind: 'wrong', device: 'd', metric: 'mode', timeMs: startMs + 1, expected: 'busy', got: 'broken' },
  ]);
});

it('does not ask for what a receiver may refuse, nor mind it', async () => {
  const open = truthText.replaceAll('"q":1}', '"q":1,"o":1}');
  const stored = store().map((entry) => ({ ...entry, readings: [], buckets: new Map<number, Bucket[]>() }));
  const verdict = await run(stored, { truth: truthOf(open) });
  expect(verdict).toMatchObject({ sent: 600, acked: 0 });
  expect(verdict.findings.isClean).toBe(true);
  expect((await run(store(), { truth: truthOf(open) })).findings.isClean).toBe(true);
});

it('holds buckets of a minute and more against what minutes stand for, and finds one reading that they lack or have twice', async () => {
  const hour = Math.floor(startMs / 3_600_000);
  /** Minutes stand for a hundred acked readings of the first device, in buckets that are `spoilt`. */
  const verdictOn = (spoil: (bucket: Bucket, everyMs: number) => Bucket, known: Known) => {
    const stored = store();
    const [first] = stored as [Stored, ...Stored[]];
    first.readings.splice(50, 100);
    const columns = {
      time: Float64Array.from(first.readings, (r) => r.timeMs),
      value: Float64Array.from(first.readings, (r) => r.value),
    };
    first.buckets.set(10_000, [...bucketsOf(columns, 10_000)]);
    for (const [everyMs, buckets] of first.buckets)
      first.buckets.set(
        everyMs,
        buckets.map((b) => spoil(b, everyMs)),
      );
    return run(stored, { hub: readerOf(stored, known) });
  };
  const same = (bucket: Bucket): Bucket => bucket;
  const thinned = new Map([[hour, 100]]);
  const clean = await verdictOn(same, { thinned });
  expect(clean.findings).toMatchObject({ thinned: 100, declared: 0, isClean: true });
  // The last reading was not acked, and it is held.
  expect(clean.undecidedBuckets).toBe(0);
  const twice = (b: Bucket, everyMs: number): Bucket =>
    everyMs === 60_000 && b.startMs === startMs + 60_000 ? { ...b, count: b.count + 1 } : b;
  expect((await verdictOn(twice, { thinned })).findings.counts).toEqual({ ...nothingFound, bucket: 1 });
  const undeclared = await verdictOn(same, {});
  expect(undeclared.findings.counts.lost).toBe(100);
  const mixed = await verdictOn(same, { thinned: new Map([[hour, 60]]), declared: new Map([[hour, 40]]) });
  expect(mixed.findings).toMatchObject({ thinned: 60, declared: 40, isClean: true });
  expect(mixed.undecidedBuckets).toBeGreaterThan(0);
});

it('counts a series that the hub does not know as lost, and finds it under the name that the agent gave it', async () => {
  const stored = store().map((entry) => ({ ...entry, series: { ...entry.series, metric: 'temp' } }));
  expect((await run(stored)).findings.counts.lost).toBe(598);
  expect((await run(stored, { metricMap: new Map([['temperature', 'temp']]) })).findings.isClean).toBe(true);
});

it('refuses to guess between two agents with the same device', async () => {
  const stored = [
    ...store(),
    ...store().map((entry) => ({ ...entry, series: { ...entry.series, id: entry.series.id + 2, agent: 'gw2' } })),
  ];
  await expect(run(stored)).rejects.toThrow(/gw\/live, gw2\/live.*--agent/);
  expect((await run(stored, { agent: 'gw2' })).findings.isClean).toBe(true);
});

it('holds a stream of windows against the acked truth, leaving undecided what was not acked', async () => {
  const stored = store().map((entry) => ({ ...entry, series: { ...entry.series, kind: 'window', stream: 'stats' } }));
  const clean = await run(stored, { stream: 'stats' });
  expect(clean.findings.isClean).toBe(true);
  expect(clean.undecidedBuckets).toBe(8);
  stored[0]!.buckets.get(10_000)![3] = { ...stored[0]!.buckets.get(10_000)![3]!, count: 9 };
  expect((await run(stored, { stream: 'stats' })).findings.counts.bucket).toBe(1);
});

it('waits for what is missing, over a hub that is being restarted, until it is there or time is up', async () => {
  const clock = new ManualClock();
  const stored = store();
  const late = stored[1]!.readings.splice(100);
  const reader = readerOf(stored);
  let asked = 0;
  const hub: HubReader = {
    ...reader,
    readings: async (...question) => {
      asked++;
      if (asked === 2) throw new FoglineError('unavailable', 'restarting');
      if (asked === 4) stored[1]!.readings.push(...late);
      return reader.readings(...question);
    },
  };
  const verdict = run(stored, { hub, clock, waitMs: 10_000 });
  await expect(settledWhile(verdict, () => clock.advance(500))).resolves.toMatchObject({ atHub: 600 });
  expect(asked).toBe(4);
  stored[1]!.readings.splice(100);
  const given = run(stored, { hub, clock, waitMs: 2_000 });
  expect((await settledWhile(given, () => clock.advance(500))).findings.counts.lost).toBe(199);
});

/** Lets time pass whenever nothing else can happen. */
async function settledWhile<T>(promise: Promise<T>, step: () => void): Promise<T> {
  let isSettled = false;
  const mark = (): void => {
    isSettled = true;
  };
  promise.then(mark, mark);
  while (!isSettled) {
    await new Promise((resolve) => void setImmediate(resolve));
    step();
  }
  return promise;
}

it('reads faults, and how long acks took by the wall clock', () => {
  const fault = { kind: 'spike', device: 'd1', metric: 'temperature', from: 5, to: 9, size: 15 };
  const path = join(folder, 'faults.ndjson');
  const lines = [
    { truth: 1, startedMs: 0 },
    { w: 1_000 },
    { f: fault },
    { s: 'd1', t: 5, v: { temperature: 1 }, q: 1 },
    { s: 'd1', t: 6, v: {}, q: 0 },
    { w: 1_250 },
    { a: ['d1', 5] },
  ];
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const read = readTruth([path]);
  expect(read.faults).toEqual([{ kind: 'spike', device: 'd1', metric: 'temperature', from: 5, to: 9 }]);
  expect(read.ackMs.count).toBe(1);
  expect(Math.abs(read.ackMs.quantile(0.5) - 250)).toBeLessThan(3);
});

it('allows one more copy for each damage of what waited for its ack then, and of nothing else', async () => {
  const lines = [
    { truth: 1, startedMs: 0 },
    { w: 1_000 },
    { s: 'd', t: 1, v: { temperature: 1 }, q: 1 },
    { s: 'd', t: 2, v: { temperature: 2 }, q: 1 },
    { w: 1_100 },
    { a: ['d', 1] },
    { w: 1_300 },
    { s: 'd', t: 3, v: { temperature: 3 }, q: 1 },
    { a: ['d', 2] },
    { a: ['d', 3] },
  ];
  const path = join(folder, 'damaged.ndjson');
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const [entry] = store();
  const series = { ...entry!.series, device: 'd' };
  const findings = async (damagedMs: readonly number[], copies: readonly number[]) => {
    const readings = copies.flatMap((count, index) =>
      Array.from({ length: count }, () => ({ timeMs: index + 1, value: index + 1 })),
    );
    const columns = {
      time: Float64Array.from(readings, (r) => r.timeMs),
      value: Float64Array.from(readings, (r) => r.value),
    };
    const buckets = new Map(levelsMs.map((everyMs) => [everyMs, [...bucketsOf(columns, everyMs)]]));
    const { findings: found } = await run([{ series, readings, buckets }], {
      truth: readTruth([path], damagedMs).series,
    });
    return { resent: found.resent, ...found.counts };
  };
  expect(await findings([1_200], [1, 2, 1])).toEqual({ ...nothingFound, resent: 1 });
  expect(await findings([1_200], [2, 1, 2])).toEqual({ ...nothingFound, resent: 0, duplicated: 2 });
  expect(await findings([1_200], [1, 3, 1])).toEqual({ ...nothingFound, resent: 1, duplicated: 1 });
  expect(await findings([1_250, 1_200], [1, 3, 1])).toEqual({ ...nothingFound, resent: 2 });
  for (const elsewhereMs of [900, 1_300, 9_999])
    expect(await findings([elsewhereMs], [1, 2, 1])).toEqual({ ...nothingFound, resent: 0, duplicated: 1 });
});

it('reads a truth that was torn by a kill and continued, and counts what was sent twice once', () => {
  const torn = `${truthText}{"s":"d1","t":1\n${truthText}{"a":["d1"`;
  expect(truthOf(torn)).toEqual(truth);
  expect(() => truthOf(`${truthText}{"s":"d1","t":1\n{"a":["d1",1]}\n`)).toThrow(
    /line \d+: this is no line of a truth file/,
  );
});
