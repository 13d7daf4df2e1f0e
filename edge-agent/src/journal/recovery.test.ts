import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeWindows } from '@fogline/shared/aggregate/window-columns';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { CoreConfig, PipelineConfig } from '../core-config.ts';
import { CoreKit, coreConfig, StorageFailed } from '../testing/core-kit.ts';
import { blockOf } from './commit-record.ts';
import { recallRepeats } from './recovery.ts';
import { RepeatFilter } from './repeat-filter.ts';

const live: PipelineConfig = { name: 'live', from: 'climate', lane: 2 };
const calm: PipelineConfig = {
  name: 'calm',
  from: 'climate',
  deadband: { thresholds: { t: 2 }, heartbeatMs: 60_000 },
  lane: 3,
};

function stats(latenessMs: number): PipelineConfig {
  return { name: 'stats', from: 'climate', window: { everyMs: 10_000, latenessMs, hasSketch: false }, lane: 1 };
}

function configOf(...pipelines: readonly PipelineConfig[]): CoreConfig {
  return { ...coreConfig, pipelines };
}

const withWindows = configOf(live, calm, stats(2000));

let kit: CoreKit;
afterEach(() => kit.close());

/** Every output of the log: lane, range and, of windows, what they hold. */
function outputsOf({ store }: CoreKit): { lane: number; first: number; last: number; block: string }[] {
  return [...store.commitsAfter(0)].flatMap(({ record }) =>
    record.outputs.map((output) => ({
      lane: output.lane,
      first: output.first,
      last: output.last,
      block: Buffer.from(blockOf(record, output)).toString('hex'),
    })),
  );
}

/** Readings in all window items of the log. */
function windowed({ store }: CoreKit): number {
  let count = 0;
  for (const { record } of store.commitsAfter(0)) {
    for (const output of record.outputs) {
      if (output.kind === 'windows')
        for (const partial of decodeWindows(blockOf(record, output)).partial) count += Partial.decode(partial).count;
    }
  }
  return count;
}

it('refuses the database of another agent, whose name is in every batch that was sealed; one with nothing in it has no owner', () => {
  kit = new CoreKit();
  const renamed = { ...coreConfig, agent: 'attic' };
  kit.open(renamed);
  kit.open();
  kit.submit(kit.clock.now(), 1);
  kit.core.commit();
  expect(() => kit.open(renamed)).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(/"pi".*"attic".*buffer\.path/) }),
  );
  kit.open();
});

describe('a start', () => {
  const step = fc.record({
    rows: fc.array(fc.tuple(fc.integer({ min: 0, max: 90_000 }), fc.integer({ min: 0, max: 9 })), { maxLength: 6 }),
    waitMs: fc.constantFrom(0, 5, 1500, 15_000),
    next: fc.constantFrom('nothing', 'nothing', 'kill', 'checkpoint', 'checkpoint and kill'),
  } as const);

  it('rebuilds from checkpoint and log what an undisturbed agent would have: all later outputs are equal', () => {
    const outputs = (
      steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
      isDisturbed: boolean,
    ) => {
      kit = new CoreKit(withWindows);
      const begin = kit.clock.now();
      for (const { rows, waitMs, next } of steps) {
        kit.submitAll(rows.map(([time, value]) => [begin + time, value] as const));
        // What was not committed is not part of the journal.
        kit.core.commit();
        kit.clock.advance(waitMs);
        kit.core.commit();
        if (isDisturbed && next.startsWith('checkpoint')) kit.core.checkpoint();
        if (isDisturbed && next.endsWith('kill')) kit.open(withWindows);
      }
      expect(kit.failure).toBeUndefined();
      const found = outputsOf(kit).map(({ lane, block }) => `${lane}:${block}`);
      kit.close();
      return found;
    };
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        expect(outputs(steps, true)).toEqual(outputs(steps, false));
      }),
      { numRuns: 40 },
    );
    kit = new CoreKit();
  });

  it('opens an epoch that names its parent, and records it only with its first commit or session', () => {
    kit = new CoreKit();
    kit.submit(1, 1);
    kit.core.commit();
    const [first] = kit.store.epochs();
    for (let n = 0; n < 3; n++) kit.open();
    expect(kit.store.epochs()).toHaveLength(1);
    kit.submit(2, 2);
    kit.core.commit();
    expect(kit.store.epochs()[1]).toMatchObject({ parent: first?.epoch, parentLast: [0, 0, 1, 0], last: [0, 0, 0, 0] });
    kit.open();
    kit.core.start();
    kit.hub.events?.onOpen();
    expect(kit.hub.hello()?.epochs.map(({ parent, last }) => [parent?.epoch, last])).toEqual([
      [undefined, [0, 0, 1, 0]],
      [first?.epoch, [0, 0, 1, 0]],
      [kit.store.epochs()[1]?.epoch, [0, 0, 0, 0]],
    ]);
  });

  it('finds the tail as it was: sealed batches sealed, the rest not', () => {
    kit = new CoreKit();
    kit.submit(1, 1);
    kit.core.commit();
    kit.submit(2, 2);
    kit.core.commit();
    kit.open();
    expect(kit.core.status().queuedItems).toEqual([0, 0, 2, 0]);
    expect(kit.store.unsealedRows(2, { epochId: 0, first: 0 }, 10)).toMatchObject([
      { first: 1, last: 1 },
      { first: 2, last: 2 },
    ]);
  });
});

describe('a changed configuration', () => {
  const changed = configOf(live, calm, stats(5000));

  /** Readings in a window that is still open. */
  function beginWindow(): void {
    kit = new CoreKit(withWindows);
    for (let n = 0; n < 5; n++) {
      kit.submit(kit.clock.now() + n, n);
      kit.core.commit();
    }
    kit.core.kill();
    expect(windowed(kit)).toBe(0);
  }

  it('ends the open windows of what changed, once', () => {
    beginWindow();
    kit.open(changed);
    expect(windowed(kit)).toBe(5);
    kit.open(changed);
    kit.clock.advance(60_000);
    kit.core.commit();
    expect(windowed(kit)).toBe(5);
  });

  it.each([
    ['before the first transaction', 'before', 1],
    ['between the two transactions', 'after', 1],
    ['before the second is durable', 'before', 2],
    ['after the second is durable', 'after', 2],
  ] as const)('does so once however the switch is interrupted: %s', (_name, when, nth) => {
    beginWindow();
    kit.faults.arm(when, nth);
    expect(() => kit.open(changed)).toThrow(StorageFailed);
    kit.open(changed);
    expect(windowed(kit)).toBe(5);
    // And when the first attempt is taken back.
    kit.open(withWindows);
    kit.open(changed);
    expect(windowed(kit)).toBe(5);
  });

  it('leaves the state of what did not change', () => {
    kit = new CoreKit(withWindows);
    const begin = kit.clock.now();
    kit.submit(begin, 10);
    kit.core.commit();
    kit.open(changed);
    // Within the deadband of the value before.
    kit.submit(begin + 1000, 11);
    kit.core.commit();
    expect(outputsOf(kit).filter(({ lane }) => lane === 3)).toHaveLength(1);
  });
});

describe('remembering repeats', () => {
  it('recognises after a restart what came before it', () => {
    kit = new CoreKit();
    kit.submit(1, 1);
    kit.core.commit();
    kit.open();
    kit.submit(1, 1);
    kit.submit(1, 2);
    kit.core.commit();
    expect(outputsOf(kit).at(-1)).toMatchObject({ lane: 2, first: 1, last: 1 });
  });

  it('reads no more of the log than the filter is deep, also where readings have no time of their own', () => {
    kit = new CoreKit();
    for (let n = 0; n < 100; n++) {
      kit.submit(n, n);
      kit.core.commit();
    }
    kit.db.exec('UPDATE commits SET body = zeroblob(20) WHERE id <= 50');
    expect(() => recallRepeats(kit.store, new RepeatFilter(40))).not.toThrow();
    expect(() => recallRepeats(kit.store, new RepeatFilter(60))).toThrow('checksum');
    for (const { id, record } of kit.store.commitsAfter(50))
      expect([id, record.inputs[0]?.hasSourceTime]).toEqual([id, true]);
  });
});
