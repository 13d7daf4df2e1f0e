/** A day of the Intel Lab through real processes under fire; all five days are intel-lab.long.test.ts. */
import { describe, expect, it } from 'vitest';
import { withSeed } from '../support/seed.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';
import {
  allArrived,
  compareAtHub,
  expectedBuckets,
  labSystem,
  missing,
  motes,
  openReplay,
  strike,
} from './intel-lab.ts';

const epochsADay = 2_880;
const thisFile = 'simulators/test/integration/intel-lab.test.ts';

describe.skipIf(missing !== undefined)(
  `Intel Lab readings${missing === undefined ? '' : ` (skipped: no ${missing})`}`,
  () => {
    it(
      'every roll-up bucket at the hub equals a computation over the CSV, whatever was killed and cut meanwhile',
      { timeout: 240_000 },
      () =>
        withSeed(thisFile, 1, async ({ random }) => {
          const stage = openStage('lab');
          const system = await openSystem(stage, labSystem);
          const readings = epochsADay * motes;
          const t0=performance.now(); const lap=(w:string)=>console.log(w,Math.round(performance.now()-t0));
 const computing = expectedBuckets(stage, epochsADay);
          const sender = openReplay(stage, system, epochsADay);
          const blows = await strike(stage, system, sender, { rounds: 3, readings, random });
    lap('struck '+JSON.stringify(blows));      await stage.until('the replay is acked', 120_000, () => sender.stats().settled >= readings);
    lap('acked');      await allArrived(stage, system, readings, 120_000);
    lap('arrived');      const comparison = await compareAtHub(system, await computing);
    lap('compared');      expect(comparison.differences).toEqual([]);
          expect(comparison.buckets).toBeGreaterThan(readings * 2);
          expect([blows.agentKills, blows.hubKills, blows.cuts, blows.stalls]).toEqual([3, 3, 3, 3]);
        }),
    );
  },
);
