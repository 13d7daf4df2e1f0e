/**
 * Runs many schedules and adds up what came about. A failure names its seed; replay one with
 *   FOGLINE_SEED=123 npx vitest run simulators/test/simulation
 * More of them: FOGLINE_SCHEDULES=10000.
 */
import { env } from 'node:process';
import { type BufferKind, type Fact, Facts, factsExpected } from './facts.ts';
import type { Canary } from './plant.ts';
import { runSchedule } from './schedule.ts';

export const stepsPerSchedule = 100;
/** A planted bug that so many do not show is not noticed. */
const schedulesOfCanary = 300;
/** With fewer, rare things need not come about. */
const schedulesToExpectAll = 500;

export interface Total {
  readonly schedules: number;
  readonly readings: number;
  /** What should have come about and did not. */
  readonly missing: readonly Fact[];
}

export function runAll(buffer: BufferKind, schedulesDefault = 1000): Total {
  const { FOGLINE_SEED: seed, FOGLINE_SCHEDULES: count } = env;
  const schedules = Number(count ?? schedulesDefault);
  const seeds = seed === undefined ? Array.from({ length: schedules }, (_, i) => i + 1) : [Number(seed)];
  const facts = new Facts();
  let readings = 0;
  for (const seed of seeds) {
    try {
      const outcome = runSchedule({ seed, steps: stepsPerSchedule, buffer });
      readings += outcome.readings;
      facts.addAll(outcome.facts);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  const missing = factsExpected(buffer).filter((fact) => !facts.counts.has(fact));
  return { schedules: seeds.length, readings, missing: seeds.length < schedulesToExpectAll ? [] : missing };
}

/** The first schedule in which the checks notice a planted bug; undefined when none does. */
export function caughtBug(
  canary: Canary,
  buffer: BufferKind,
): { readonly seed: number; readonly error: unknown } | undefined {
  for (let seed = 1; seed <= schedulesOfCanary; seed++) {
    try {
      runSchedule({ seed, steps: stepsPerSchedule, buffer }, canary);
    } catch (error) {
      return { seed, error };
    }
  }
  return undefined;
}
