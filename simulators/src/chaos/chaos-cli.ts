/** `fogline-sim chaos`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { defineCommand } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { SeededRandom, systemRandom } from '@fogline/shared/random';
import { formatDuration } from '@fogline/shared/units';
import { canMount, fakeTimeLibrary } from './cli-disk.ts';
import { runChaos } from './cli-run.ts';
import { describeAct, type FaultName, planOf } from './plan.ts';

const allFaults: readonly FaultName[] = ['kill', 'link', 'clock', 'full disk', 'damage', 'backup', 'restore'];
const logLinesMax = 20_000;

export const chaosCommand = defineCommand({
  name: 'chaos',
  summary:
    'A hub, agents and fleets as real processes, random faults from a seed, then a verdict: exit code 1 when anything is lost in silence.',
  options: {
    seed: { type: 'integer', help: 'decides what happens; default a random one, which is printed' },
    duration: { type: 'duration', default: 60_000, help: 'of the faults; start, draining and verdict come on top' },
    agents: { type: 'integer', default: 2, help: 'each with a fleet of its own' },
    devices: { type: 'integer', default: 20, help: 'of each agent; each sends two metrics five times a second' },
    faults: { type: 'text', placeholder: 'NAME,…', help: `only these of: ${allFaults.join(', ')}` },
    plan: { type: 'flag', help: 'print what would be done, and end' },
    plant: { type: 'text', choices: ['loss'], help: 'a bug that the verdict must find' },
    keep: { type: 'text', placeholder: 'DIR', help: 'leave databases, truth and logs here' },
  },
  async run({ options, io }) {
    const seed = options.seed ?? systemRandom.uint32();
    const agents = Array.from({ length: options.agents }, (_, index) => `edge-${index + 1}`);
    const faults = faultsOf(options.faults);
    const plan = planOf(new SeededRandom(seed), { durationMs: options.duration, agents, faults });
    if (options.plan) {
      for (const { afterMs, act } of plan) io.out(`+${afterMs} ms ${describeAct(act)}`);
      return 0;
    }
    const folder = options.keep === undefined ? mkdtempSync(join(tmpdir(), 'fogline-chaos-')) : resolve(options.keep);
    const log: string[] = [];
    io.out(`seed ${seed}, ${formatDuration(options.duration)}, faults: ${[...faults].join(', ')}`);
    try {
      const result = await untilStopped((stopping) =>
        runChaos({
          stopping,
          seed,
          plan,
          agents,
          devices: options.devices,
          folder,
          hasDisks: faults.has('full disk'),
          plantsLoss: options.plant === 'loss',
          clock: systemClock,
          say: (line) => io.out(line),
          log(name, line) {
            log.push(`${name}: ${line}`);
            if (log.length > logLinesMax) log.shift();
          },
        }),
      );
      for (const verdict of result.verdicts) io.out(JSON.stringify(verdict));
      for (const objection of result.objections) io.out(`NOT PASSED: ${objection}`);
      const { faults: done, starts, ownEnds } = result;
      const isPassed = result.objections.length === 0;
      io.out(JSON.stringify({ seed, durationMs: options.duration, isPassed, faults: done, starts, ownEnds }));
      if (!isPassed)
        io.out(
          `replay: fogline-sim chaos --seed ${seed} --duration ${formatDuration(options.duration)} --agents ${options.agents} --devices ${options.devices}`,
        );
      return isPassed ? 0 : 1;
    } finally {
      if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
      else writeFileSync(join(folder, 'log'), `${log.join('\n')}\n`);
    }
  },
});

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
