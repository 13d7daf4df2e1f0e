/** Posts a JSON document. Bounded in time and in how many are under way; what the server answers is not read. */
import type { Clock } from '@fogline/shared/clock';

const inFlightMax = 8;

export class Webhooks {
  readonly #clock: Clock;
  #inFlight = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `end` once, later or at once: true when the server accepted it (2xx). Redirects are not followed. */
  post(url: string, body: string, timeoutMs: number, end: (isDone: boolean) => void): void {
    if (this.#inFlight >= inFlightMax) {
      end(false);
      return;
    }
    this.#inFlight++;
    const limit = new AbortController();
    const timer = this.#clock.after('agent.webhook', timeoutMs, () => limit.abort());
    const { signal } = limit;
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal, redirect: 'manual' })
      .then(
        async (response) => {
          await response.body?.cancel();
          return response.ok;
        },
        // No connection, no answer in time: all the same to an action, which is tried again.
        () => false,
      )
      .catch(() => false)
      .then((isDone) => {
        timer.cancel();
        this.#inFlight--;
        end(isDone);
      })
      .catch((error: unknown) => {
        // Whoever was called back failed, and that is not to be swallowed.
        queueMicrotask(() => {
          throw error;
        });
      });
  }
}
