/** One process of a benchmark. None outlives the benchmark, however that ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Usage, usageOf } from './process-stats.ts';

const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const stopMs = 30_000;
/** Of standard output, not asked for yet. */
const linesMax = 1_000;

export class Running {
  readonly pid: number;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #lines: string[] = [];
  readonly #errors: string[] = [];
  #onLine: () => void = () => {};

  /** Runs a script with this Node, `nodeOptions` before it; or a program of PATH. */
  constructor(name: string, program: URL | string, args: readonly string[], nodeOptions: readonly string[] = []) {
    this.#name = name;
    this.#child =
      typeof program === 'string'
        ? spawn(program, args, { stdio: 'pipe' })
        : spawn(process.execPath, [...nodeOptions, program.pathname, ...args], { stdio: 'pipe' });
    if (this.#child.pid === undefined) throw new Error(`${name} did not start`);
    this.pid = this.#child.pid;
    alive.add(this.#child);
    this.#exited = once(this.#child, 'exit').then(() => {
      alive.delete(this.#child);
      this.#onLine();
    });
    this.#read(this.#child.stdout, (line) => {
      this.#lines.push(line);
      if (this.#lines.length > linesMax) this.#lines.shift();
      this.#onLine();
    });
    this.#read(this.#child.stderr, (line) => {
      this.#errors.push(line);
      if (this.#errors.length > 20) this.#errors.shift();
    });
  }

  get usage(): Usage {
    return usageOf(this.pid);
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The next line of standard output that begins so. Throws, with its last words, when the process ends before. */
  async line(prefix: string): Promise<string> {
    for (;;) {
      const at = this.#lines.findIndex((line) => line.startsWith(prefix));
      if (at >= 0) return this.#lines.splice(0, at + 1).at(-1) ?? '';
      if (this.hasExited) throw new Error(`${this.#name} ended: ${this.#errors.join('\n') || 'without a word'}`);
      await new Promise<void>((resolve) => {
        this.#onLine = resolve;
      });
    }
  }

  /** What the next line `result …` holds as JSON. */
  async result<Result>(): Promise<Result> {
    const prefix = 'result ';
    return JSON.parse((await this.line(prefix)).slice(prefix.length)) as Result;
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#child.kill(signal);
    const force = setTimeout(() => this.#child.kill('SIGKILL'), stopMs);
    await this.#exited;
    clearTimeout(force);
  }

  #read(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
    if (stream !== null) createInterface({ input: stream }).on('line', take);
  }
}

/** Options of a command line by their names; one that is undefined is left out. */
export function argumentsOf(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
}

/** Value of `name=` in a line such as `ready http=… mqtt=…`. */
export function fieldOf(line: string, name: string): string {
  const value = new RegExp(`(?:^| )${name}=(\\S+)`).exec(line)?.[1];
  if (value === undefined) throw new Error(`no ${name}= in "${line}"`);
  return value;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
