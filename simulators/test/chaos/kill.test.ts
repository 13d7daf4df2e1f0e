/** A dozen kills under load, and the proof that the verdict is not blind; a hundred and more are kill.long.test.ts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ledgerTotals } from '../support/ledger.ts';
import { withSeed } from '../support/seed.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';
import { verify } from '../support/verdict.ts';
import { missing, startLoad, storm, stormSystem } from './kill-storm.ts';

const thisFile = 'simulators/test/chaos/kill.test.ts';
const kills = 12;

describe.skipIf(missing !== undefined)(`kill -9 under load${missing === undefined ? '' : `: no ${missing}`}`, () => {
  it(
    'loses no acked reading and doubles none; a planted loss and a planted double are noticed',
    { timeout: 400_000 },
    () =>
      withSeed(thisFile, 1, async ({ seed, random }) => {
        const stage = openStage('kill');
        const system = await openSystem(stage, stormSystem);
        const load = startLoad(stage, system, seed);
        const figures = await storm(stage, system, { kills, gapMsMax: 1_500, random });
        expect(figures.agentKills + figures.hubKills).toBe(kills);
        await load.finish();
        const { hubUrl, hubFolder } = system;
        for (const stream of ['live', 'stats']) {
          const { findings, summary } = await verify(stage, { truth: load.truth, hubUrl, stream, waitMs: 90_000 });
          expect(findings).toEqual([]);
          expect(summary).toMatchObject({ isClean: true, lost: 0, duplicated: 0 });
          expect(summary.acked).toBeGreaterThan(1_000);
        }
        await stage.until('the ledger has a place for every item', 150_000, async () => {
          const { produced, delivered, unaccounted } = await ledgerTotals(hubUrl);
          return unaccounted === 0 && delivered === produced;
        });
        expect((await stage.run('hub', ['quarantine', 'list', '--data', hubFolder])).out).toBe('');

        // Had one acked reading not arrived, or one been counted that nobody sent, the same verdict must say so.
        const [tampered, device] = [stage.path('tampered.truth'), 'paho-2'];
        const text = readFileSync(stage.path(`${device}.truth`), 'utf8');
        const first = /^\{"s":.*"t":(\d+),.*\n/m.exec(text);
        const before = Number(first?.[1]) - 1;
        const planted = `{"s":"${device}","t":${before},"v":{"temperature":1},"q":2}\n{"a":["${device}",${before}]}\n`;
        // In its place: behind the others it would be a reading that came late.
        writeFileSync(tampered, text.replace(`${first?.[0]}`, `${planted}${first?.[0]}`));
        const lost = await verify(stage, { truth: [tampered], hubUrl, stream: 'live', waitMs: 0 });
        expect(lost.exitCode).toBe(1);
        expect(lost.summary).toMatchObject({ lost: 1, duplicated: 0, wrong: 0, unexpected: 0 });
        writeFileSync(tampered, text.replace(`${first?.[0]}`, ''));
        const unexpected = await verify(stage, { truth: [tampered], hubUrl, stream: 'live', waitMs: 0 });
        expect(unexpected.exitCode).toBe(1);
        expect(unexpected.summary).toMatchObject({ lost: 0, duplicated: 0, wrong: 0, unexpected: 2 });
      }),
  );
});
