/** Two hundred kills under load from stock clients, in both commit profiles. Prints what it took. */
import { stdout } from 'node:process';
import { describe, expect, it } from 'vitest';
import { ledgerTotals } from '../support/ledger.ts';
import { withSeed } from '../support/seed.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';
import { verify } from '../support/verdict.ts';
import { missing, startLoad, storm, stormSystem } from './kill-storm.ts';

const thisFile = 'simulators/test/chaos/kill.long.test.ts';
/** So small a budget of flash makes the agent commit once a second. */
const profiles = { prompt: 'commit: prompt', flash: 'commit: flash, flash_per_day: 16MiB' } as const;

describe.skipIf(missing !== undefined)(`kill -9 under load${missing === undefined ? '' : `: no ${missing}`}`, () => {
  it.each([
    ['prompt', 120],
    ['flash', 80],
  ] as const)('%s commits, %i kills: loses no acked reading and doubles none', (profile, kills) =>
    withSeed(thisFile, 1, async ({ seed, random }) => {
      const stage = openStage('kill');
      const system = await openSystem(stage, { ...stormSystem, buffer: profiles[profile] });
      const startedMs = performance.now();
      const seconds = (): number => Math.round((performance.now() - startedMs) / 1000);
      const load = startLoad(stage, system, seed);
      const figures = await storm(stage, system, { kills, gapMsMax: 3_000, hasSilence: true, random });
      const stormS = seconds();
      await load.finish();
      for (const stream of ['live', 'stats']) {
        const { truth } = load;
        const verdict = await verify(stage, { truth, hubUrl: system.hubUrl, stream, waitMs: 180_000 });
        const line = { test: 'kill', seed, profile, stream, ...figures, stormS, verifiedS: seconds() };
        stdout.write(`${JSON.stringify({ ...line, ...verdict.summary })}\n`);
        expect(verdict.findings).toEqual([]);
        expect(verdict.summary).toMatchObject({ isClean: true, lost: 0, duplicated: 0 });
        expect(verdict.summary.acked).toBeGreaterThan(10_000);
      }
      await stage.until('the ledger has a place for every item', 150_000, async () => {
        const { produced, delivered, unaccounted } = await ledgerTotals(system.hubUrl);
        return unaccounted === 0 && delivered === produced;
      });
      expect((await stage.run('hub', ['quarantine', 'list', '--data', system.hubFolder])).out).toBe('');
    }),
  );
});
