/**
 * Lets go of those whose readings are durable: in order, each once, also when somebody who was released submits more at once and that is
 * committed before `add` returns.
 */
import type { Released } from './intake.ts';

export class Releases {
  readonly #queue: Released[] = [];
  readonly #release: (released: Released) => void;

  constructor(release: (released: Released) => void) {
    this.#release = release;
  }

  add(released: readonly Released[]): void {
    const isReleasing = this.#queue.length > 0;
    this.#queue.push(...released);
    if (isReleasing) return;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      this.#release(next);
      this.#queue.shift();
    }
  }
}
