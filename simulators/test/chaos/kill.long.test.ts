/** A hundred and twenty kills under load from stock clients. Prints what it took. */
import { stdout } from 'node:process';
import { describe, expect, it } from 'vitest';
import { withSeed } from '../support/seed.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';
import { verify } from '../support/verdict.ts';
import { missing, startLoad, storm, stormSystem } from './kill-storm.ts';

const thisFile = 'simulators/test/chaos/kill.long.test.ts';
const kills = 120;

describe.skipIf(missing !== undefined)(`kill -9 under load${missing === undefined ? '' : `: no ${missing}`}`, () => {
  it('loses no acked reading and doubles none', () =>
    withSeed(thisFile, 1, async ({ seed, random }) => {
      const stage = openStage('kill');
      const system = await openSystem(stage, stormSystem);
      const startedMs = performance.now();
      const seconds = (): number => Math.round((performance.now() - startedMs) / 1000);
      const load = startLoad(stage, system, seed);
      const figures = await storm(stage, system, { kills, gapMsMax: 3_000, random });
      const stormS = seconds();
      await load.finish();
      for (const stream of ['live', 'stats']) {
        const { truth } = load;
        const verdict = await verify(stage, { truth, hubUrl: system.hubUrl, stream, waitMs: 180_000 });
        const line = { test: 'kill', seed, stream, ...figures, stormS, verifiedS: seconds(), ...verdict.summary };
        stdout.write(`${JSON.stringify(line)}\n`);
        expect(verdict.findings).toEqual([]);
        expect(verdict.summary).toMatchObject({ isClean: true, lost: 0, duplicated: 0 });
        expect(verdict.summary.acked).toBeGreaterThan(10_000);
      }
      expect((await stage.run('hub', ['quarantine', '--data', system.hubFolder])).out).toBe('');
    }));
});
