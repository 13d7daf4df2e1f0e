/**
 * One process of the demo or of a chaos run. It runs in a process group of its own, so that Ctrl-C in a terminal reaches its parent alone, which
 * decides in which order things stop; a leash (cli-leash.ts) ends it when the parent dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { env as environment } from 'node:process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';

export interface ChildOptions {
  /** As people call it: `the hub`. */
  readonly name: string;
  /** URL of the script. */
  readonly script: URL;
  readonly args: readonly string[];
  readonly clock: Clock;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gets every line of standard error. */
  readonly onLog: (line: string) => void;
}

const leash = new URL('./cli-leash.ts', import.meta.url).href;
const lastLinesMax = 15;

export class Child {
  readonly name: string;
  /** Rejects when the process ends before it was told to, with its last words. */
  readonly failed: Promise<never>;
  readonly #process: ChildProcess;
  readonly #clock: Clock;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<(line: string) => boolean>();
  /** How it ended, once it did: `exit code 1`, `SIGKILL`. */
  readonly exited: Promise<string>;
  #isStopping = false;
  #isKilled = false;

  constructor({ name, script, args, clock, env, onLog }: ChildOptions) {
    this.name = name;
    this.#clock = clock;
    this.#process = spawn(process.execPath, ['--import', leash, script.pathname, ...args], {
      detached: true,
      env: { ...environment, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { promise: exited, resolve } = Promise.withResolvers<string>();
    const { promise: failed, reject } = Promise.withResolvers<never>();
    this.exited = exited;
    this.failed = failed;
    // Whoever awaits it hears of it; nobody else has to.
    failed.catch(() => undefined);
    const last: string[] = [];
    const end = (how: string): void => {
      resolve(how);
      if (this.#isStopping) return;
      const said = last.length === 0 ? '' : `; its last lines:\n  ${last.join('\n  ')}`;
      reject(new FoglineError('unavailable', `${name} ended unasked (${how})${said}`));
    };
    const read = (stream: Readable | null, take: (line: string) => void): Promise<unknown> => {
      if (stream === null) return Promise.resolve();
      const lines = createInterface({ input: stream }).on('line', (line) => {
        last.push(line);
        if (last.length > lastLinesMax) last.shift();
        take(line);
      });
      return once(lines, 'close');
    };
    const isRead = Promise.all([
      read(this.#process.stdout, (line) => this.#take(line)),
      read(this.#process.stderr, onLog),
    ]);
    this.#process.on('error', (error) => end(error.message));
    this.#process.on('exit', (code, signal) => {
      // The last lines may still be in the pipes.
      void isRead.then(() => end(signal ?? `exit code ${code ?? '?'}`));
    });
  }

  /** The last line that the process wrote to standard output; '' when there is none. */
  get lastLine(): string {
    return this.#lines.at(-1) ?? '';
  }

  /** True when it had to be ended by force. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** The first line of standard output, so far or to come, that begins with `prefix`; rejects when the process ends before. */
  line(prefix: string): Promise<string> {
    const found = this.#lines.find((line) => line.startsWith(prefix));
    if (found !== undefined) return Promise.resolve(found);
    const coming = new Promise<string>((resolve) => {
      this.#waiting.add((line) => {
        if (line.startsWith(prefix)) resolve(line);
        return line.startsWith(prefix);
      });
    });
    return Promise.race([coming, this.failed]);
  }

  /** SIGKILL; resolves when the process is gone, so that its ports and locks are free. */
  async kill(): Promise<void> {
    this.#isStopping = true;
    this.#process.kill('SIGKILL');
    await this.exited;
  }

  /** Asks the process to stop and waits; by force after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#process.kill('SIGTERM');
    const force = this.#clock.after(`kill ${this.name}`, graceMs, () => {
      this.#isKilled = true;
      this.#process.kill('SIGKILL');
    });
    await this.exited;
    force.cancel();
  }

  #take(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > lastLinesMax) this.#lines.shift();
    for (const waiting of this.#waiting) if (waiting(line)) this.#waiting.delete(waiting);
  }
}

/** Value of `name=` in a line such as `ready http=… mqtt=…`. Throws `message_invalid` without it. */
export function fieldOf(line: string, name: string): string {
  const value = new RegExp(`(?:^| )${name}=(\\S+)`).exec(line)?.[1];
  if (value === undefined) throw new FoglineError('message_invalid', `no ${name}= in "${line}"`);
  return value;
}
