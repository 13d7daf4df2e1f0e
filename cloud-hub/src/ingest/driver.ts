/** Runs a HubCore on the event loop: everything that arrives in one turn shares one transaction, and so one fsync. */
import type { UpKind } from '@fogline/shared/protocol/topics';
import type { HubCore } from './hub-core.ts';

export class IngestDriver {
  readonly #core: HubCore;
  readonly #fail: (error: unknown) => void;
  readonly #defer: (work: () => void) => void;
  #isDue = false;
  #isStopped = false;

  /** `fail`: the storage failed; nothing more is committed or acked, and the process should exit. */
  constructor(core: HubCore, fail: (error: unknown) => void, defer: (work: () => void) => void = setImmediate) {
    this.#core = core;
    this.#fail = fail;
    this.#defer = defer;
  }

  /** As `HubCore.submit`; the payload is copied, so it may be a view into a buffer that is used again. */
  submit(agent: string, kind: UpKind, payload: Uint8Array, done: () => void): void {
    this.#core.submit(agent, kind, new Uint8Array(payload), done);
    this.#arm();
  }

  /** Commits what is queued; nothing is committed afterwards. No fold: the next start replays the log, within limits, in less time. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    try {
      while (this.#core.commit());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The storage failed elsewhere: nothing is committed any more. */
  abandon(): void {
    this.#isStopped = true;
  }

  #arm(): void {
    if (this.#isDue || this.#isStopped) return;
    this.#isDue = true;
    this.#defer(() => this.#run());
  }

  #run(): void {
    this.#isDue = false;
    if (this.#isStopped) return;
    try {
      if (this.#core.commit()) this.#arm();
    } catch (error) {
      this.#isStopped = true;
      this.#fail(error);
    }
  }
}
