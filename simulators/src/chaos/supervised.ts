/**
 * A process under a supervisor that does what a service manager does: starts it again when it ends, at once and then with growing pauses, and
 * nothing else. It can be killed at any time, also while it starts, and held down while its files are changed.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import { Child, type ChildOptions } from '../demo/cli-child.ts';

export interface Ended {
  readonly name: string;
  readonly how: string;
  /** It had said that it was ready. */
  readonly wasReady: boolean;
  readonly lastWords: string;
}

const pauseMsMin = 200;
const pauseMsMax = 5_000;
const lastWordsMax = 12;

export class Supervised {
  readonly name: string;
  readonly #options: ChildOptions;
  readonly #clock: Clock;
  readonly #ended: Ended[] = [];
  #env: Readonly<Record<string, string>> = {};
  #child: Child | undefined;
  #isHeld = true;
  #timer: Timer | undefined;
  #words: string[] = [];
  #isReady = false;
  #failedStarts = 0;
  starts = 0;
  kills = 0;
  /** Ends in a row before it was ready that nobody asked for. */
  failedStartsMax = 0;
  /** While this is set they are not counted. */
  isExcused = false;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Ends that nobody asked for. */
  get ended(): readonly Ended[] {
    return this.#ended;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  start(env: Readonly<Record<string, string>> = this.#env): void {
    this.#env = env;
    this.#isHeld = false;
    this.#launch();
  }

  /** SIGKILL; the supervisor starts it again. */
  async kill(): Promise<void> {
    this.kills++;
    await this.#end();
    if (!this.#isHeld) this.#launch();
  }

  /** SIGKILL, and down until `start`. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    this.#timer?.cancel();
    await this.#end();
  }

  /** In good order, for good. */
  async stop(graceMs: number): Promise<void> {
    this.#isHeld = true;
    this.#timer?.cancel();
    const child = this.#child;
    this.#child = undefined;
    await child?.stop(graceMs);
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#isReady = false;
    await child?.kill();
  }

  #launch(): void {
    this.#timer?.cancel();
    if (this.#child !== undefined || this.#isHeld) return;
    this.starts++;
    this.#words = [];
    const onLog = (line: string): void => {
      this.#words.push(line);
      if (this.#words.length > lastWordsMax) this.#words.shift();
      this.#options.onLog(line);
    };
    const child = new Child({ ...this.#options, env: this.#env, onLog });
    this.#child = child;
    let isReady = false;
    child.line('ready ').then(
      () => {
        isReady = true;
        if (this.#child !== child) return;
        this.#isReady = true;
        this.#failedStarts = 0;
      },
      () => undefined,
    );
    void child.exited.then((how) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#isReady = false;
      this.#ended.push({ name: this.name, how, wasReady: isReady, lastWords: this.#words.join('\n') });
      if (!isReady && !this.isExcused) this.#failedStarts++;
      this.failedStartsMax = Math.max(this.failedStartsMax, this.#failedStarts);
      const pauseMs = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(this.#failedStarts, 10));
      this.#timer = this.#clock.after(`start ${this.name}`, pauseMs, () => this.#launch());
    });
  }
}
