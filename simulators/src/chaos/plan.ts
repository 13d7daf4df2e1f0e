/**
 * What a chaos run will do, drawn from its seed before anything starts: a pure function, so a seed is the whole of a replay (decision 0005).
 */
import type { SeededRandom } from '@fogline/shared/random';
import { formatDuration } from '@fogline/shared/units';
import { type Action, randomAction } from '../faults/link-script.ts';

export type Act =
  | { readonly do: 'kill'; readonly who: string }
  | { readonly do: 'link'; readonly side: 'device' | 'hub'; readonly agent: string; readonly action: Action }
  | { readonly do: 'clock'; readonly who: string; readonly offsetS: number }
  | { readonly do: 'full disk'; readonly who: string; readonly ms: number }
  | { readonly do: 'damage'; readonly who: string; readonly seed: number }
  | { readonly do: 'backup' | 'restore' };

export type FaultName = Act['do'];

export interface Step {
  /** Since the step before. */
  readonly afterMs: number;
  readonly act: Act;
}

export interface PlanOptions {
  readonly durationMs: number;
  readonly agents: readonly string[];
  /** What this machine can do. */
  readonly faults: ReadonlySet<FaultName>;
}

export const hubName = 'hub';

/** How often each comes, relative to the others. */
const weights: Readonly<Record<FaultName, number>> = {
  kill: 30,
  link: 35,
  clock: 5,
  'full disk': 4,
  damage: 8,
  backup: 5,
  restore: 4,
};

const pauseMsMax = 4_000;

export function planOf(random: SeededRandom, { durationMs, agents, faults }: PlanOptions): Step[] {
  const steps: Step[] = [];
  const names = (Object.keys(weights) as FaultName[]).filter((name) => faults.has(name));
  const total = names.reduce((sum, name) => sum + weights[name], 0);
  let hasBackup = false;
  for (let atMs = 0; ; ) {
    const afterMs = 200 + random.below(pauseMsMax);
    atMs += afterMs;
    // Every choice is drawn whether or not it can be done, so that one more kind of fault does not change the rest of a plan.
    const act = actOf(pick(names, random.below(total)), random, agents);
    if (atMs >= durationMs) return steps;
    if (act.do === 'restore' && !hasBackup) continue;
    if (act.do === 'backup') hasBackup = true;
    if (act.do === 'full disk') atMs += act.ms;
    steps.push({ afterMs, act });
  }
}

function pick(names: readonly FaultName[], dice: number): FaultName {
  let left = dice;
  for (const name of names) {
    left -= weights[name];
    if (left < 0) return name;
  }
  return 'kill';
}

function actOf(name: FaultName, random: SeededRandom, agents: readonly string[]): Act {
  const agent = agents[random.below(agents.length)] ?? '';
  const who = random.chance(0.4) ? hubName : agent;
  switch (name) {
    case 'kill':
      return { do: name, who };
    case 'link':
      return { do: name, side: random.chance(0.3) ? 'device' : 'hub', agent, action: randomAction(random) };
    case 'clock':
      return { do: name, who: agent, offsetS: (random.chance(0.5) ? 1 : -1) * (1 + random.below(7_200)) };
    case 'full disk':
      return { do: name, who, ms: 2_000 + random.below(10_000) };
    case 'damage':
      return { do: name, who, seed: random.uint32() };
    case 'backup':
    case 'restore':
      return { do: name };
  }
}

export function describeAct(act: Act): string {
  switch (act.do) {
    case 'kill':
      return `kill -9 ${act.who}`;
    case 'link': {
      const { do: what, ...rest } = act.action;
      return `${act.side} link of ${act.agent}: ${what} ${JSON.stringify(rest)}`;
    }
    case 'clock':
      return `clock of ${act.who} ${act.offsetS > 0 ? '+' : ''}${act.offsetS} s`;
    case 'full disk':
      return `disk of ${act.who} full for ${formatDuration(act.ms)}`;
    case 'damage':
      return `damage to the database of ${act.who}`;
    case 'backup':
    case 'restore':
      return `${act.do} of the hub`;
  }
}
