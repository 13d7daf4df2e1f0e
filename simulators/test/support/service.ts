/**
 * One real process that can be killed and started again with the same command line, any number of times. What it says on standard error,
 * over all its lives, is in one log file. An end that nobody asked for is a fault, and the stage reports it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServiceCommand {
  readonly name: string;
  /** Absolute path of the program. */
  readonly file: string;
  readonly args: readonly string[];
  /** The first line of standard output that begins with this says that it is up; without it, the start of the process does. */
  readonly readyPrefix?: string;
  readonly logFile: string;
}

const readyMs = 60_000;
const stopMs = 15_000;
const lastLinesMax = 25;

interface Life {
  readonly process: ChildProcess;
  readonly exited: Promise<string>;
  readonly ready: Promise<string>;
}

export class Service {
  readonly name: string;
  readonly #command: ServiceCommand;
  #life: Life | undefined;
  #isEndAsked = false;
  #fault: Error | undefined;
  #lastEnd = '';

  constructor(command: ServiceCommand) {
    this.name = command.name;
    this.#command = command;
  }

  get pid(): number {
    const pid = this.#life?.process.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  /** Why it ended when nobody asked it to. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  /** Starts the process and returns at once; `ready` waits. */
  launch(): void {
    if (this.#life !== undefined) throw new Error(`${this.name} runs already`);
    const { file, args, readyPrefix, logFile } = this.#command;
    this.#isEndAsked = false;
    const log = openSync(logFile, 'a');
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', log] });
    closeSync(log);
    // A program that ends before it reads everything is not a fault of the pipe.
    child.stdin?.on('error', () => undefined);
    const { promise: ready, resolve, reject } = Promise.withResolvers<string>();
    ready.catch(() => undefined);
    if (readyPrefix === undefined) child.once('spawn', () => resolve(''));
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (readyPrefix !== undefined && line.startsWith(readyPrefix)) resolve(line);
      });
    }
    const exited = new Promise<string>((end) => {
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code ?? '?'}`));
    }).then((how) => {
      if (this.#life?.process === child) this.#life = undefined;
      this.#lastEnd = how;
      const fault = new Error(`${this.name} ended (${how}); its log ends with:\n${this.lastLog()}`);
      // A server has no reason to end by itself, however it says it.
      const isGood = this.#isEndAsked || (readyPrefix === undefined && how === 'exit code 0');
      if (!isGood) this.#fault = fault;
      reject(fault);
      return how;
    });
    this.#life = { process: child, exited, ready };
  }

  /** The ready line of the present life. Throws when the process ends before, or takes longer than a minute. */
  async ready(): Promise<string> {
    if (this.#life === undefined) throw this.#fault ?? new Error(`${this.name} does not run`);
    const limit = new AbortController();
    const tooLong = async (): Promise<never> => {
      await sleep(readyMs, undefined, { signal: limit.signal });
      throw new Error(`${this.name} is not ready after ${readyMs} ms; its log ends with:\n${this.lastLog()}`);
    };
    try {
      return await Promise.race([this.#life.ready, tooLong()]);
    } finally {
      limit.abort();
    }
  }

  async start(): Promise<string> {
    this.launch();
    return this.ready();
  }

  /** SIGKILL; resolves when the process is gone, so that its ports and locks are free. */
  async kill(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    const wasEndAsked = this.#isEndAsked;
    this.#isEndAsked = true;
    life.process.kill('SIGKILL');
    const how = await life.exited;
    // It was quicker.
    if (!wasEndAsked && how !== 'SIGKILL') this.#fault = new Error(`${this.name} ended by itself (${how})`);
  }

  /** Asks it to stop in good order. Throws when it does not within 15 s, or with another exit code than 0 and `alsoGood`. */
  async stop(alsoGood = 0): Promise<void> {
    this.#isEndAsked = true;
    this.#life?.process.kill('SIGTERM');
    await this.ended(stopMs, alsoGood);
  }

  /** Ends its standard input, which tells a program that reads it that no more will come. */
  endInput(): void {
    this.#life?.process.stdin?.end();
  }

  /** Waits for the end and says how it came. Throws when it does not come in time, or with another exit code than 0 and `alsoGood`. */
  async ended(withinMs: number, alsoGood = 0): Promise<string> {
    const life = this.#life;
    if (life === undefined) return this.#lastEnd;
    this.#isEndAsked = true;
    const limit = new AbortController();
    const tooLong = sleep(withinMs, `still alive after ${withinMs} ms`, { signal: limit.signal }).catch(() => '');
    const how = await Promise.race([life.exited, tooLong]);
    limit.abort();
    if (how === 'exit code 0' || how === `exit code ${alsoGood}`) return how;
    life.process.kill('SIGKILL');
    await life.exited;
    throw new Error(`${this.name} did not end in good order (${how}); its log ends with:\n${this.lastLog()}`);
  }

  lastLog(): string {
    const lines = readFileSync(this.#command.logFile, 'utf8').trimEnd().split('\n');
    return lines
      .slice(-lastLinesMax)
      .map((line) => `  ${line}`)
      .join('\n');
  }
}
