/** `fogline-sim chaos`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { SeededRandom, systemRandom } from '@fogline/shared/random';
import { formatDuration } from '@fogline/shared/units';
import { canMount, fakeTimeLibrary } from './cli-disk.ts';
import { runChaos } from './cli-run.ts';
import { describeAct, type FaultName, planOf } from './plan.ts';
import { eachSeed, parseSeeds } from './seeds.ts';
import { type RunResult, type RunSummary, summaryOf, tableOf, totalOf } from './summary.ts';

const allFaults: readonly FaultName[] = ['kill', 'link', 'clock', 'full disk', 'damage', 'backup', 'restore'];
const logLinesMax = 20_000;
const jobsMax = 32;

export const chaosCommand = defineCommand({
  name: 'chaos',
  summary:
    'A hub, agents and fleets as real processes, random faults from a seed, then a verdict: exit code 1 when anything is lost in silence.',
  options: {
    seed: { type: 'integer', help: 'decides what happens; default a random one, which is printed' },
    seeds: { type: 'text', placeholder: 'A..B', help: 'one run for each of these, and their sum as a table' },
    jobs: { type: 'integer', default: 1, help: 'runs at once, of several seeds' },
    duration: { type: 'duration', default: 60_000, help: 'of the faults; start, draining and verdict come on top' },
    agents: { type: 'integer', default: 2, help: 'each with a fleet of its own' },
    devices: { type: 'integer', default: 20, help: 'of each agent; each sends two metrics five times a second' },
    faults: { type: 'text', placeholder: 'NAME,…', help: `only these of: ${allFaults.join(', ')}` },
    plan: { type: 'flag', help: 'print what would be done, and end' },
    plant: { type: 'text', choices: ['loss', 'duplicate'], help: 'a bug that the verdict must find' },
    keep: {
      type: 'text',
      placeholder: 'DIR',
      help: 'leave databases, truth and logs here; of several seeds only those of runs that did not pass',
    },
  },
  async run({ options, io }) {
    if (options.seed !== undefined && options.seeds !== undefined)
      throw new FoglineError('usage', '--seed is for one run, --seeds for several: give one of them');
    if (options.plan && options.seeds !== undefined) throw new FoglineError('usage', '--plan needs --seed');
    if (options.jobs < 1 || options.jobs > jobsMax) throw new FoglineError('usage', `--jobs: 1 to ${jobsMax}`);
    const agents = Array.from({ length: options.agents }, (_, index) => `edge-${index + 1}`);
    const setting: Setting = { ...options, agents, faults: faultsOf(options.faults) };
    if (options.seeds !== undefined) return runSeeds(parseSeeds(options.seeds), options.jobs, setting, io);
    const seed = options.seed ?? systemRandom.uint32();
    if (options.plan) {
      for (const { afterMs, act } of planFor(seed, setting)) io.out(`+${afterMs} ms ${describeAct(act)}`);
      return 0;
    }
    io.out(`seed ${seed}, ${formatDuration(options.duration)}, faults: ${[...setting.faults].join(', ')}`);
    const result = await untilStopped((stopping) => runSeed(seed, setting, { stopping, say: (line) => io.out(line) }));
    for (const verdict of result.verdicts) io.out(JSON.stringify(verdict));
    return tell(seed, setting, result, io).isPassed ? 0 : 1;
  },
});

interface Setting {
  readonly agents: readonly string[];
  readonly devices: number;
  readonly duration: number;
  readonly faults: ReadonlySet<FaultName>;
  readonly plant: 'loss' | 'duplicate' | undefined;
  readonly keep: string | undefined;
}

interface Turn {
  readonly stopping: AbortSignal;
  say(line: string): void;
}

function planFor(seed: number, { duration, agents, faults }: Setting) {
  return planOf(new SeededRandom(seed), { durationMs: duration, agents, faults });
}

/** One run, in a folder of its own. */
async function runSeed(seed: number, setting: Setting, { stopping, say }: Turn): Promise<RunResult> {
  const { agents, devices, faults, plant, keep } = setting;
  const folder = keep === undefined ? mkdtempSync(join(tmpdir(), 'fogline-chaos-')) : resolve(keep);
  const log: string[] = [];
  const note = (line: string): void => {
    log.push(line);
    if (log.length > logLinesMax) log.shift();
  };
  try {
    return await runChaos({
      stopping,
      seed,
      plan: planFor(seed, setting),
      agents,
      devices,
      folder,
      hasDisks: faults.has('full disk'),
      plant,
      clock: systemClock,
      say(line) {
        note(line);
        say(line);
      },
      log: (name, line) => note(`${name}: ${line}`),
    });
  } finally {
    if (keep === undefined) rmSync(folder, { recursive: true, force: true });
    else {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'log'), `${log.join('\n')}\n`);
    }
  }
}

/** What came of a run, for people and for programs. */
function tell(seed: number, setting: Setting, result: RunResult, io: CliIo): RunSummary {
  const { duration, agents, devices } = setting;
  const summary = summaryOf(seed, duration, result);
  for (const objection of result.objections) io.out(`NOT PASSED: ${objection}`);
  io.out(JSON.stringify(summary));
  if (!summary.isPassed)
    io.out(
      `replay: fogline-sim chaos --seed ${seed} --duration ${formatDuration(duration)} --agents ${agents.length} --devices ${devices} --faults "${[...setting.faults].join(',')}"`,
    );
  return summary;
}

/** One line a run as it ends; then, also when it was stopped early, the sum as one line and as a table. */
async function runSeeds(seeds: readonly number[], jobs: number, setting: Setting, io: CliIo): Promise<number> {
  const runs: RunSummary[] = [];
  const one = async (seed: number, stopping: AbortSignal): Promise<void> => {
    const keep = setting.keep === undefined ? undefined : join(setting.keep, `seed-${seed}`);
    let result: RunResult;
    try {
      result = await runSeed(seed, { ...setting, keep }, { stopping, say: () => undefined });
    } catch (error) {
      if (stopping.aborted) return;
      // A run that could not be carried out proves nothing, and the others go on.
      result = { objections: [messageOf(error)], verdicts: [], faults: {}, starts: 0, ownEnds: 0, helpless: 0 };
    }
    const summary = tell(seed, setting, result, io);
    runs.push(summary);
    if (keep !== undefined && summary.isPassed) rmSync(keep, { recursive: true, force: true });
  };
  await untilStopped((stopping) => eachSeed(seeds, jobs, stopping, (seed) => one(seed, stopping)));
  const total = totalOf(runs);
  io.out(JSON.stringify(total));
  for (const line of tableOf(total)) io.out(line);
  return runs.length === seeds.length && total.failedSeeds.length === 0 ? 0 : 1;
}

/** Ctrl-C ends the run; what it started, and the disks it mounted, are gone before this returns. */
async function untilStopped<Result>(start: (stopping: AbortSignal) => Promise<Result>): Promise<Result> {
  let running: Promise<Result> | undefined;
  await runUntilSignal(async (stopping) => {
    const started = start(stopping);
    running = started.catch((error: unknown) => {
      throw stopping.aborted ? new FoglineError('unavailable', 'stopped before there was a verdict') : error;
    });
    running.catch(() => undefined);
    const ended = started.then(
      () => undefined,
      () => undefined,
    );
    return { finished: ended, stop: () => ended };
  });
  if (running === undefined) throw new Error('nothing was started');
  return running;
}

/** What was asked for, as far as this machine can do it. */
function faultsOf(text: string | undefined): ReadonlySet<FaultName> {
  const asked = text === undefined ? allFaults : text.split(',').map((name) => name.trim());
  const unknown = asked.find((name) => !allFaults.some((known) => known === name));
  if (unknown !== undefined)
    throw new FoglineError('usage', `--faults: "${unknown}" is none of ${allFaults.join(', ')}`);
  const able = allFaults.filter(
    (name) => (name !== 'clock' || fakeTimeLibrary() !== undefined) && (name !== 'full disk' || canMount()),
  );
  return new Set(able.filter((name) => asked.some((one) => one === name)));
}
