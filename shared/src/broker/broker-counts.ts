/** Counts every refusal, drop and pause of a broker by reason, and logs each once per client. */
import type { BrokerLog } from './broker-port.ts';

const loggedMax = 1_000;

export class BrokerCounts {
  readonly #log: BrokerLog;
  readonly #counts = new Map<string, number>();
  readonly #logged = new Set<string>();

  constructor(log: BrokerLog) {
    this.#log = log;
  }

  add(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  /** One line per client and reason: a device that errs every second must not fill the log. */
  logOnce(
    reason: string,
    client: { readonly clientId: string; readonly address: string },
    message: string,
    error?: Error,
  ): void {
    const { clientId, address } = client;
    const key = `${reason} ${clientId === '' ? address : clientId}`;
    if (this.#logged.has(key)) return;
    if (this.#logged.size >= loggedMax) this.#logged.clear();
    this.#logged.add(key);
    const details = { reason, clientId, address };
    this.#log.warn(error === undefined ? details : { ...details, error: error.message }, message);
  }

  toObject(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
