/**
 * Which series definitions the hub of this session knows or will know by what is under way: per epoch, all below a number. An epoch
 * inherits those of its parent up to its own base.
 */
import { type EpochAnswer, encodeSeries } from '@fogline/shared/protocol/messages';
import type { DurableSeries } from '../journal/series-registry.ts';
import type { EpochRow } from '../journal/stored.ts';

const seriesPerMessage = 200;

export class DefinitionsSent {
  readonly #agent: string;
  readonly #series: DurableSeries;
  readonly #below = new Map<string, number>();
  /** As `#below`, once everything that will be sent has arrived. */
  readonly #willKnow = new Map<string, number>();

  constructor(agent: string, series: DurableSeries) {
    this.#agent = agent;
    this.#series = series;
  }

  /** Takes the hub's word for one epoch; parents come before their children. `willSend`: `messagesFor` follows. */
  start(epoch: EpochRow, answer: EpochAnswer, willSend: boolean): void {
    const { parent, seriesBase } = epoch;
    const inherited = parent === null ? 0 : Math.min(this.#willKnow.get(parent) ?? 0, seriesBase);
    const below = Math.max(answer.seriesKnown, inherited);
    this.#below.set(epoch.epoch, below);
    this.#willKnow.set(epoch.epoch, willSend ? epoch.seriesCount : below);
  }

  /** The messages that tell what of an epoch is not known yet. */
  *messagesFor({ epoch, seriesCount }: EpochRow): Generator<Uint8Array> {
    for (let first = this.#below.get(epoch) ?? 0; first < seriesCount; ) {
      const end = Math.min(first + seriesPerMessage, seriesCount);
      const definitions = this.#series.told(first, end);
      // Nothing is sent that would use one.
      if (definitions === undefined) return;
      yield encodeSeries({ agent: this.#agent, epoch, first, definitions });
      this.#below.set(epoch, end);
      first = end;
    }
  }

  clear(): void {
    this.#below.clear();
    this.#willKnow.clear();
  }
}
