/**
 * What one test needs to work with real processes: a folder of its own, processes that do not outlive it however it ends, and
 * waiting that ends with a reason. Opened inside a test; cleaned up when that test finishes. FOGLINE_KEEP=1 keeps the folder.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Service, type ServiceCommand } from './service.ts';

const programs = {
  agent: new URL('../../../edge-agent/src/cli.ts', import.meta.url),
  hub: new URL('../../../cloud-hub/src/cli.ts', import.meta.url),
  sim: new URL('../../src/cli.ts', import.meta.url),
} as const;
/** Ends a process when the test process is gone. */
const leash = new URL('../../src/demo/cli-leash.ts', import.meta.url).href;

export type Program = keyof typeof programs;

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

const pollMs = 50;
const outBytesMax = 64 * 1024 * 1024;

export class Stage {
  /** Absolute. */
  readonly folder: string;
  readonly #services: Service[] = [];
  readonly #closers: (() => Promise<void> | void)[] = [];

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), `fogline-${name}-`));
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** A long-running command of ours; not started yet. */
  program(program: Program, name: string, args: readonly string[], readyPrefix?: string): Service {
    const ready = readyPrefix === undefined ? {} : { readyPrefix };
    return this.service({ name, file: execPath, args: [...nodeArgs(program), ...args], ...ready });
  }

  /** As `program`, on a disk that is too small: no file may grow beyond `fileKib`, a write beyond it fails. */
  cramped(fileKib: number, program: Program, name: string, args: readonly string[], readyPrefix: string): Service {
    const shell = `trap '' XFSZ; ulimit -f ${fileKib}; exec "$0" "$@"`;
    return this.service({
      name,
      file: '/bin/bash',
      args: ['-c', shell, execPath, ...nodeArgs(program), ...args],
      readyPrefix,
    });
  }

  /** Any long-running command; not started yet. It should end when its standard input does. */
  service(command: Omit<ServiceCommand, 'logFile'>): Service {
    const service = new Service({ ...command, logFile: this.path(`${command.name}.log`) });
    this.#services.push(service);
    return service;
  }

  /** Runs a command of ours to its end. */
  run(program: Program, args: readonly string[]): Promise<Finished> {
    return this.execute(execPath, [...nodeArgs(program), ...args]);
  }

  /** Runs any command to its end. */
  execute(file: string, args: readonly string[]): Promise<Finished> {
    return new Promise((resolve, reject) => {
      const child = execFile(file, args, { maxBuffer: outBytesMax }, (error, out, text) => {
        if (error !== null && typeof error.code !== 'number') {
          reject(new Error(`${file} ${args.join(' ')}: ${error.message}`, { cause: error }));
          return;
        }
        resolve({ code: error === null ? 0 : Number(error.code), out, error: text });
      });
      this.onClose(() => void child.kill('SIGKILL'));
    });
  }

  /** Throws when a process ended that nobody asked to. */
  check(): void {
    for (const { fault } of this.#services) if (fault !== undefined) throw fault;
  }

  /** Looks until `condition` gives something other than undefined or false. Throws after `withinMs`, and when a process fails. */
  async until<Result>(
    what: string,
    withinMs: number,
    condition: () => Result | Promise<Result>,
  ): Promise<Exclude<Result, undefined | false>> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      this.check();
      const result = await condition();
      if (result !== undefined && result !== false) return result as Exclude<Result, undefined | false>;
      if (performance.now() >= deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`);
      await sleep(pollMs);
    }
  }

  /** Called when the test is over, the last one first, before the processes are killed. */
  onClose(close: () => Promise<void> | void): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    await Promise.all(this.#services.map((service) => service.kill()));
    if (env['FOGLINE_KEEP'] === undefined) rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Inside a test only. */
export function openStage(name: string): Stage {
  const stage = new Stage(name);
  onTestFinished(() => stage.close());
  return stage;
}

function nodeArgs(program: Program): string[] {
  return ['--import', leash, fileURLToPath(programs[program])];
}
