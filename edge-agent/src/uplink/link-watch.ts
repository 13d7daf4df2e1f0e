/**
 * Whether the other end of the link is still there. A hub that withholds acks answers a ping, a dead link answers nothing: so silence is only
 * counted while something waits for the hub, after a while it is asked, and what does not answer is dead long before TCP says so. What
 * travels slowly is given time for its bytes.
 *
 * Silence is counted in steps, each no longer than two of those in which it is looked at: a process that was away hears first what came meanwhile.
 */

export const linkWatchMs = 2_000;
const askAfterMs = 4_000;
const deadAfterMs = 10_000;
/** However many bytes are under way. */
const deadAfterMsMax = 30_000;
/** The slowest link on which bytes under way are not taken for silence. */
const bytesPerMsMin = 4;

export class LinkWatch {
  #silentMs = 0;
  #lookedAt: number;
  #isAsked = false;

  constructor(now: number) {
    this.#lookedAt = now;
  }

  /** Anything came from the hub. */
  heard(): void {
    this.#silentMs = 0;
    this.#isAsked = false;
  }

  /** To be called every `linkWatchMs`, with the bytes that wait for an ack; undefined: nothing waits for the hub. */
  look(now: number, bytesWaiting: number | undefined): 'fine' | 'ask' | 'dead' {
    const stepMs = Math.min(now - this.#lookedAt, 2 * linkWatchMs);
    this.#lookedAt = now;
    if (bytesWaiting === undefined) {
      this.heard();
      return 'fine';
    }
    this.#silentMs += stepMs;
    if (this.#silentMs >= Math.min(deadAfterMsMax, deadAfterMs + bytesWaiting / bytesPerMsMin)) return 'dead';
    if (this.#isAsked || this.#silentMs < askAfterMs) return 'fine';
    this.#isAsked = true;
    return 'ask';
  }
}
