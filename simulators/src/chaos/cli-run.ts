/** One chaos run from plan to verdict. What it did is told line by line as it happens. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@fogline/shared/clock';
import { hasCode } from '@fogline/shared/errors';
import { SeededRandom, systemRandom } from '@fogline/shared/random';
import { perform } from '../faults/link-script.ts';
import { fakeTimeLibrary } from './cli-disk.ts';
import { sendAgain } from './cli-plant.ts';
import { type ChaosSystem, openChaosSystem, type Site } from './cli-system.ts';
import { isAccounted, isEmpty, isOnline, judge, objections, type SiteVerdict } from './cli-verdict.ts';
import { damageDatabase } from './flip.ts';
import { type Act, describeAct, type FaultName, hubName, type Step } from './plan.ts';
import type { RunResult } from './summary.ts';
import type { Supervised } from './supervised.ts';

export interface RunOptions {
  readonly seed: number;
  readonly plan: readonly Step[];
  readonly agents: readonly string[];
  readonly devices: number;
  readonly folder: string;
  readonly hasDisks: boolean;
  /** At the end batches are swallowed behind a faked ack, or an acked reading comes once more. The verdict must fail. */
  readonly plant: 'loss' | 'duplicate' | undefined;
  readonly clock: Clock;
  /** Ends the run where it is; everything it started goes away. */
  readonly stopping: AbortSignal;
  say(line: string): void;
  log(name: string, line: string): void;
}

const startMs = 60_000;
const drainMs = 300_000;
/** Longest wait for an account that adds up, once nothing is queued. */
const accountMs = 60_000;
const pollMs = 250;
/** Until the last windows have closed for want of readings. */
const windowsMs = 15_000;
/** A process that needs more starts than these needs a human. */
const failedStartsMax = 8;

function isHelpless({ failedStartsMax: inARow }: Supervised): boolean {
  return inARow >= failedStartsMax;
}

export async function runChaos(options: RunOptions): Promise<RunResult> {
  const { seed, agents, devices, folder, hasDisks, clock, log } = options;
  const system = await openChaosSystem({
    folder,
    agents,
    seed,
    devices,
    clock,
    hasDisks,
    random: new SeededRandom(systemRandom.uint32()),
    onLog: log,
  });
  try {
    return await new Run(system, options).go();
  } finally {
    await system.close();
  }
}

class Run {
  readonly #system: ChaosSystem;
  readonly #options: RunOptions;
  readonly #faults: Partial<Record<FaultName, number>> = {};
  /** Who may end by itself, because its storage was harmed. */
  readonly #harmed = new Set<string>();
  /** Wall times of damage, by whose database. */
  readonly #damagedMs = new Map<string, number[]>();

  constructor(system: ChaosSystem, options: RunOptions) {
    this.#system = system;
    this.#options = options;
  }

  async go(): Promise<RunResult> {
    const { plan, say } = this.#options;
    await this.#until('everything is up', startMs, () => this.#processes().every(({ isReady }) => isReady));
    for (const { afterMs, act } of plan) {
      await this.#pause(afterMs);
      say(`${this.#seconds()} s: ${describeAct(act)}`);
      await this.#do(act);
      this.#faults[act.do] = (this.#faults[act.do] ?? 0) + 1;
      const helpless = this.#helpless();
      if (helpless !== undefined) return this.#result([helpless], []);
    }
    return this.#finish();
  }

  async #finish(): Promise<RunResult> {
    const { say, plant } = this.#options;
    const { sites, liar } = this.#system;
    for (const { links } of sites) for (const link of [links.device, links.hub]) perform(link, { do: 'clear' });
    say(`${this.#seconds()} s: faults are over`);
    // A link that went silent is noticed by those at its ends; a cut spares the wait.
    for (const { links } of sites) for (const link of [links.device, links.hub]) link.cut('rst');
    // No `welcome` mends what is swallowed from here on, and no damage explains what comes again of it.
    if (plant !== undefined) await this.#look(startMs, () => this.#areConnected());
    if (plant === 'loss') {
      liar.swallow(3);
      await this.#until('batches were swallowed', startMs, () => liar.swallowed > 0);
    }
    await this.#pause(2_000);
    for (const { fleet } of sites) await fleet.stop(20_000);
    await this.#pause(windowsMs);
    const problems = await this.#drained();
    if (plant === 'duplicate') for (const site of sites) await this.#plantDuplicate(site);
    const isHarmed = this.#harmed.size > 0;
    const verdicts: SiteVerdict[] = [];
    say(`${this.#seconds()} s: drained`);
    for (const site of sites) {
      const damagedMs = this.#damagedMs.get(site.name) ?? [];
      verdicts.push(await judge(this.#system, site, { isHarmed, damagedMs }));
    }
    for (const verdict of verdicts) problems.push(...objections(verdict, isHarmed));
    for (const { ended, name } of this.#processes()) {
      for (const end of ended)
        if (!this.#harmed.has(name))
          problems.push(`${name} ended by itself (${end.how}): ${end.lastWords.slice(-600)}`);
    }
    const helpless = this.#helpless();
    return this.#result(helpless === undefined ? problems : [...problems, helpless], verdicts);
  }

  #result(problems: readonly string[], verdicts: readonly SiteVerdict[]): RunResult {
    const processes = this.#processes();
    return {
      objections: problems,
      verdicts,
      faults: this.#faults,
      starts: processes.reduce((sum, { starts }) => sum + starts, 0),
      ownEnds: processes.reduce((sum, { ended }) => sum + ended.length, 0),
      helpless: processes.filter(isHelpless).length,
    };
  }

  #processes(): Supervised[] {
    return [this.#system.hub, ...this.#system.sites.map(({ process }) => process)];
  }

  #helpless(): string | undefined {
    const one = this.#processes().find(isHelpless);
    return one === undefined
      ? undefined
      : `${one.name} needs a human: ${one.failedStartsMax} starts failed; last: ${one.ended.at(-1)?.lastWords.slice(-800)}`;
  }

  /** What is wrong when not everything drains. */
  async #drained(): Promise<string[]> {
    const problems: string[] = [];
    for (const site of this.#system.sites) {
      const isDone = await this.#lookWhile(drainMs, () => isEmpty(site));
      if (!isDone) problems.push(`${site.name} did not drain within ${drainMs / 1000} s`);
      // What does not add up is for the verdict to say.
      await this.#lookWhile(accountMs, () => isAccounted(this.#system, site));
    }
    return problems;
  }

  /** A process that is away does not answer yet; one that needs a human never will. */
  #lookWhile(withinMs: number, condition: () => Promise<boolean>): Promise<boolean> {
    return this.#look(withinMs, async () => {
      if (this.#helpless() !== undefined) return true;
      try {
        return await condition();
      } catch (error) {
        if (hasCode(error, 'unavailable')) return false;
        throw error;
      }
    });
  }

  async #areConnected(): Promise<boolean> {
    for (const site of this.#system.sites) if (!(await isOnline(site))) return false;
    return true;
  }

  async #do(act: Act): Promise<void> {
    switch (act.do) {
      case 'kill':
        return this.#processOf(act.who).kill();
      case 'link':
        return perform(this.#siteOf(act.agent).links[act.side], act.action);
      case 'clock':
        return this.#setClock(this.#siteOf(act.who), act.offsetS);
      case 'full disk':
        return this.#fillDisk(act.who, act.ms);
      case 'damage':
        return this.#damage(act.who, act.seed);
      case 'backup':
        await this.#system.backup();
        return;
      case 'restore':
        if (await this.#system.restore()) this.#harmed.add('restore');
        return;
    }
  }

  async #setClock({ process }: Site, offsetS: number): Promise<void> {
    const library = fakeTimeLibrary();
    await process.hold();
    process.start(
      library === undefined
        ? {}
        : {
            LD_PRELOAD: library,
            FAKETIME: `${offsetS > 0 ? '+' : ''}${offsetS}s`,
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
            DONT_FAKE_MONOTONIC: '1',
          },
    );
  }

  async #fillDisk(who: string, ms: number): Promise<void> {
    const disk = who === hubName ? this.#system.hubDisk : this.#siteOf(who).disk;
    const process = this.#processOf(who);
    this.#harmed.add(who);
    process.isExcused = true;
    disk?.fill();
    await this.#pause(ms);
    disk?.empty();
    process.isExcused = false;
  }

  async #damage(who: string, seed: number): Promise<void> {
    const process = this.#processOf(who);
    const path = who === hubName ? join(this.#system.hubData, 'hub.db') : join(this.#siteOf(who).data, 'agent.db');
    this.#harmed.add(who);
    await process.hold();
    this.#damagedMs.set(who, [...(this.#damagedMs.get(who) ?? []), this.#options.clock.now()]);
    this.#options.say(`  ${damageDatabase(path, new SeededRandom(seed))}`);
    process.start();
  }

  /** An agent that forgot everything takes what it had before. */
  async #plantDuplicate(site: Site): Promise<void> {
    const { process, data, truth, mqttPort } = site;
    await process.hold();
    for (const file of readdirSync(data)) rmSync(join(data, file), { recursive: true });
    process.start();
    await this.#until(`${process.name} is up`, startMs, () => process.isReady);
    await sendAgain(truth, mqttPort);
    await this.#lookWhile(drainMs, () => isEmpty(site));
  }

  #siteOf(name: string): Site {
    const site = this.#system.sites.find((one) => one.name === name);
    if (site === undefined) throw new Error(`no agent is called ${name}`);
    return site;
  }

  #processOf(name: string): Supervised {
    return name === hubName ? this.#system.hub : this.#siteOf(name).process;
  }

  async #until(what: string, withinMs: number, condition: () => boolean): Promise<void> {
    if (!(await this.#look(withinMs, condition))) throw new Error(`not within ${withinMs} ms: ${what}`);
  }

  async #look(withinMs: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
    const deadlineMs = this.#options.clock.monotonic() + withinMs;
    while (!(await condition())) {
      if (this.#options.clock.monotonic() >= deadlineMs) return false;
      await this.#pause(pollMs);
    }
    return true;
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void this.#options.clock.after('chaos', ms, resolve));
    this.#options.stopping.throwIfAborted();
  }

  #seconds(): string {
    return (this.#options.clock.monotonic() / 1000).toFixed(1).padStart(7);
  }
}
