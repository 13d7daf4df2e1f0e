/**
 * Which agents are missing: neither connected nor heard for a while, by monotonic time. Pure: told of what came, asked now and then. It
 * begins anew with the process, so that a restart of the hub gives everyone the whole time to come back.
 */

export interface MissingRule {
  /** Not connected and not heard for so long: missing. */
  readonly afterMs: number;
  /** Connected for so long without a break: back. */
  readonly backForMs: number;
}

interface Known {
  heardAtMs: number;
  isOnline: boolean;
  onlineSinceMs: number;
  isMissing: boolean;
}

export interface MissingDecision {
  readonly agent: string;
  readonly isMissing: boolean;
}

export class MissingAgents {
  readonly #rule: MissingRule;
  readonly #known = new Map<string, Known>();

  constructor(rule: MissingRule) {
    this.#rule = rule;
  }

  /** One that an earlier process knew. */
  expect(agent: string, isMissing: boolean, atMs: number): void {
    this.#known.set(agent, { heardAtMs: atMs, isOnline: false, onlineSinceMs: atMs, isMissing });
  }

  forget(agent: string): void {
    this.#known.delete(agent);
  }

  /** Nobody could be heard: everyone has the whole time anew. */
  excuse(atMs: number): void {
    for (const known of this.#known.values()) known.heardAtMs = atMs;
  }

  /** It came, said something of itself, or left. */
  heard(agent: string, isOnline: boolean, atMs: number): void {
    const known = this.#known.get(agent);
    if (known === undefined) {
      this.#known.set(agent, { heardAtMs: atMs, isOnline, onlineSinceMs: atMs, isMissing: false });
      return;
    }
    known.heardAtMs = atMs;
    if (isOnline && !known.isOnline) known.onlineSinceMs = atMs;
    known.isOnline = isOnline;
  }

  /** Who became missing, or is back, since the last look. `wasHeard`: asked of one about to be missing, whether something came that nobody told of here. */
  look(atMs: number, wasHeard: (agent: string) => boolean): MissingDecision[] {
    const decisions: MissingDecision[] = [];
    for (const [agent, known] of this.#known) {
      if (known.isOnline) known.heardAtMs = atMs;
      const isBack = known.isOnline && atMs - known.onlineSinceMs >= this.#rule.backForMs;
      const isGone = atMs - known.heardAtMs >= this.#rule.afterMs;
      if (known.isMissing ? !isBack : !isGone) continue;
      if (!known.isMissing && wasHeard(agent)) {
        known.heardAtMs = atMs;
        continue;
      }
      known.isMissing = !known.isMissing;
      decisions.push({ agent, isMissing: known.isMissing });
    }
    return decisions;
  }
}
