/**
 * Whether the other end of the link is still there. A hub that withholds acks answers a ping, a dead link answers nothing: so silence is only
 * counted while something waits for the hub, after a while it is asked, and what does not answer is dead long before TCP says so.
 *
 * What travels slowly is given time for its bytes, because the answer to a ping comes after them. How slow a link is nobody can see: where one was
 * given up too early the next is given twice the time, or a large batch would be sent again and again and never come.
 *
 * Silence is counted in steps, each no longer than two of those in which it is looked at: a process that was away hears first what came meanwhile.
 */

export const linkWatchMs = 2_000;
const askAfterMs = 4_000;
/** Asked again, so that nobody below takes the silence for the end. */
const askAgainMs = 20_000;
const deadAfterMs = 10_000;
/** However many bytes are under way, times the patience. */
const travelMsMax = 20_000;
/** The slowest link on which bytes under way are not taken for silence, as long as there are not too many, by the patience. */
const bytesPerMsMin = 4;
const patienceMax = 12;
/** A message of so many bytes that is acked so fast came over a link that needs less. */
const fast = { bytesMin: 32 * 1024, tookMs: 500 } as const;

export class LinkWatch {
  #silentMs = 0;
  #lookedAt = 0;
  #askAtMs = askAfterMs;
  #patience = 1;

  /** With another connection. */
  begin(now: number): void {
    this.#lookedAt = now;
    this.heard();
  }

  /** Anything came from the hub. */
  heard(): void {
    this.#silentMs = 0;
    this.#askAtMs = askAfterMs;
  }

  /** A message was acked. */
  acked(bytes: number, tookMs: number): void {
    this.heard();
    if (bytes >= fast.bytesMin && tookMs <= fast.tookMs) this.#patience = Math.max(1, this.#patience / 2);
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
    const travelMs = Math.min(travelMsMax, bytesWaiting / bytesPerMsMin) * this.#patience;
    if (this.#silentMs >= deadAfterMs + travelMs) {
      if (bytesWaiting > 0) this.#patience = Math.min(patienceMax, this.#patience * 2);
      return 'dead';
    }
    if (this.#silentMs < this.#askAtMs) return 'fine';
    this.#askAtMs += askAgainMs;
    return 'ask';
  }
}
