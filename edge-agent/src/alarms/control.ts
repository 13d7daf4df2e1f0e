/**
 * The reserved source `control`: acknowledgements, answers of actuators and what happens to the agent itself, as readings that are
 * journaled with all others. Who waits is called back once the reading is durable.
 */
import type { Clock } from '@fogline/shared/clock';
import { flagText } from '@fogline/shared/reading';
import type { SourceBatch, Token } from '../sources/batch-port.ts';
import { SeriesRegistry, type Tags } from '../sources/series-registry.ts';
import { type Command, commandText, controlSource } from './commands.ts';

/** Of what concerns the agent as a whole. */
const agentMetric = 'agent';

export interface ControlTarget {
  readonly device: string;
  readonly tags: Tags;
  readonly alarm: string;
}

export class Control {
  readonly #agent: string;
  readonly #clock: Clock;
  readonly #take: (batch: SourceBatch) => void;
  readonly #series = new SeriesRegistry();
  readonly #waiting = new Map<Token, () => void>();
  #nextToken: Token = 1;

  constructor(agent: string, clock: Clock, take: (batch: SourceBatch) => void) {
    this.#agent = agent;
    this.#clock = clock;
    this.#take = take;
  }

  /** Returns false, and calls nobody back, when there are more targets than the agent keeps series. */
  send(target: ControlTarget, command: Command, onDurable?: () => void): boolean {
    const series = this.#series.id(target.device, target.alarm, target.tags, '', 'text');
    if (series < 0) return false;
    const token = onDurable === undefined ? undefined : this.#nextToken++;
    if (token !== undefined && onDurable !== undefined) this.#waiting.set(token, onDurable);
    this.#take({
      source: controlSource,
      newSeries: this.#series.takeNew(),
      columns: {
        count: 1,
        series: Uint32Array.of(series),
        time: Float64Array.of(this.#clock.now()),
        value: Float64Array.of(0),
        flags: Uint8Array.of(flagText),
        strings: [commandText(command)],
      },
      hasSourceTime: Uint8Array.of(0),
      tokens: token === undefined ? [] : [token],
    });
    return true;
  }

  /** Of the agent as a whole. */
  sendOwn(command: Command): void {
    this.send({ device: this.#agent, tags: [], alarm: agentMetric }, command);
  }

  release(tokens: readonly Token[]): void {
    for (const token of tokens) {
      const onDurable = this.#waiting.get(token);
      this.#waiting.delete(token);
      onDurable?.();
    }
  }
}
