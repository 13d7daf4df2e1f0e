/** Half a day of the Intel Lab, over midnight, through real processes under fire; all five days are intel-lab.long.test.ts. */
import { describe, expect, it } from 'vitest';
import { withSeed } from '../support/seed.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';
import {
  allArrived,
  compareAtHub,
  exact,
  expectedBuckets,
  labSystem,
  missing,
  motes,
  openReplay,
  strike,
  tenSeconds,
} from './intel-lab.ts';

const rows = 1_440;
const readings = rows * motes;
const streams = [exact, tenSeconds];
const thisFile = 'simulators/test/integration/intel-lab.test.ts';

describe.skipIf(missing !== undefined)(`Intel Lab readings${missing === undefined ? '' : `: no ${missing}`}`, () => {
  it('every roll-up bucket equals a computation over the CSV, whatever was killed and cut', { timeout: 240_000 }, () =>
    withSeed(thisFile, 1, async ({ random }) => {
      const stage = openStage('lab');
      const system = await openSystem(stage, labSystem(streams));
      const sender = openReplay(stage, system, rows);
      const blows = await strike(stage, system, sender, { rounds: 3, readings, random });
      expect(blows).toEqual({ agentKills: 3, hubKills: 3, cuts: 3, stalls: 3 });
      await stage.until('the replay is acked', 120_000, () => sender.stats().settled >= readings);
      await allArrived(stage, system, { streams, readings, withinMs: 120_000 });
      const comparison = await compareAtHub(system, streams, await expectedBuckets(stage, rows));
      expect(comparison.differences).toEqual([]);
      // At 10 s a bucket holds one reading.
      expect(comparison.buckets).toBeGreaterThan(readings * streams.length);
    }),
  );
});
