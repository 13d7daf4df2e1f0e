/** The whole Intel Lab, 748,800 readings of five days, through real processes under fire. Prints what it took. */
import { stdout } from 'node:process';
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
  minutes,
  missing,
  motes,
  openReplay,
  strike,
  tenSeconds,
} from './intel-lab.ts';

const rows = 14_400;
const readings = rows * motes;
const streams = [exact, tenSeconds, minutes];
const thisFile = 'simulators/test/integration/intel-lab.long.test.ts';

describe.skipIf(missing !== undefined)(`Intel Lab readings${missing === undefined ? '' : `: no ${missing}`}`, () => {
  it('every bucket of all five days equals a computation over the CSV, whatever was killed and cut', () =>
    withSeed(thisFile, 1, async ({ seed, random }) => {
      const stage = openStage('lab');
      const system = await openSystem(stage, labSystem(streams));
      const startedMs = performance.now();
      const seconds = (): number => Math.round((performance.now() - startedMs) / 1000);
      const sender = openReplay(stage, system, rows);
      const blows = await strike(stage, system, sender, { rounds: 12, readings, random });
      await stage.until('the replay is acked', 600_000, () => sender.stats().settled >= readings);
      const ackedS = seconds();
      await allArrived(stage, system, { streams, readings, withinMs: 600_000 });
      const arrivedS = seconds();
      const { buckets, differences } = await compareAtHub(system, streams, await expectedBuckets(stage, rows));
      const { resent } = sender.stats();
      const figures = { seed, readings, ...blows, resent, ackedS, arrivedS, comparedS: seconds(), buckets };
      stdout.write(`${JSON.stringify({ test: 'intel-lab', ...figures, differing: differences.length })}\n`);
      expect(differences).toEqual([]);
      expect(buckets).toBeGreaterThan(readings * 2);
    }));
});
