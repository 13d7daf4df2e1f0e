/** Runs a HubCore on the event loop: everything that arrives in one turn shares one transaction, and so one fsync. */
import type { UpKind } from '@fogline/shared/protocol/topics';
import type { HubCore } from './hub-core.ts';

export interface IngestDriverPorts {
  /** The storage failed; nothing more is committed or acked, and the process should exit. */
  fail(error: unknown): void;
  /** False: what is queued waits, unacked, until `resume`. */
  mayCommit?(): boolean;
  defer?(work: () => void): void;
}

export class IngestDriver {
  readonly #core: HubCore;
  readonly #fail: (error: unknown) => void;
  readonly #defer: (work: () => void) => void;
  readonly #mayCommit: () => boolean;
  #isDue = false;
  #isStopped = false;

  constructor(core: HubCore, { fail, mayCommit = () => true, defer = setImmediate }: IngestDriverPorts) {
    this.#core = core;
    this.#fail = fail;
    this.#mayCommit = mayCommit;
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
      while (this.#mayCommit() && this.#core.commit());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The storage failed elsewhere: nothing is committed any more. */
  abandon(): void {
    this.#isStopped = true;
  }

  /** `mayCommit` is true again. */
  resume(): void {
    this.#arm();
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
      if (this.#mayCommit() && this.#core.commit()) this.#arm();
    } catch (error) {
      this.#isStopped = true;
      this.#fail(error);
    }
  }
}
