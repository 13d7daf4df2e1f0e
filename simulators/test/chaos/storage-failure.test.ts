/** The first failed write of a database ends the process, which acks nothing more; the next start recovers all that was acked. */
import { expect, it } from 'vitest';
import { fleetParse, startFleet } from '../support/fleet.ts';
import { openStage } from '../support/stage.ts';
import { openSystem } from '../support/system.ts';
import { verify } from '../support/verdict.ts';

it.each(['agent', 'hub'] as const)(
  '%s: exits when its disk fails, and goes on without a loss',
  { timeout: 180_000 },
  async (victim) => {
    const stage = openStage('storage');
    const system = await openSystem(stage, { parse: fleetParse, pipelines: '{ live: { from: climate } }' });
    const [service, truth] = [system[victim], stage.path('fleet.truth')];
    await service.stop();
    const cramped = stage.cramped(200, victim, `cramped-${victim}`, system.commands[victim], 'ready ');
    await cramped.start();
    const fleet = startFleet(stage, system, { devices: 100, seed: 1, truth });
    expect(await cramped.ended(60_000, 1)).toBe('exit code 1');
    expect(cramped.lastLog()).toContain('storage_io');
    await service.start();
    await fleet.stop(1);
    const { findings, summary } = await verify(stage, {
      truth: [truth],
      hubUrl: system.hubUrl,
      stream: 'live',
      waitMs: 60_000,
    });
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({ isClean: true, lost: 0, duplicated: 0 });
    expect(summary.acked).toBeGreaterThan(500);
  },
);
