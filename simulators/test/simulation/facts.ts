/**
 * What happened in a run. A schedule that passes proves something only if the interesting things came about in it; a run over many
 * seeds asserts that every one of them did.
 */
import type { Logger } from '@fogline/shared/log';
import { decodeBatch, decodeVoid, isThinned } from '@fogline/shared/protocol/messages';
import type { UpKind } from '@fogline/shared/protocol/topics';

const everywhere = [
  'agent crashed between events',
  'agent crashed before COMMIT',
  'agent crashed after COMMIT',
  'hub crashed between events',
  'hub crashed before COMMIT',
  'hub crashed after COMMIT',
  'hub restored',
  'configuration changed',
  'connection cut',
  'connection stalled',
  'stall noticed',
  'message duplicated',
  'ghost read by the hub',
  'greeted anew in a session',
  'batch sent again',
  'acked batches rewound',
  'rows merged',
] as const;

const withLoss = [
  'void sent: evicted_size',
  'void sent: evicted_age',
  'void sent: gone',
  'items declared gone',
  'overloaded',
  'overload ended',
  'lane kept while another was evicted',
] as const;

const withThinning = [
  'rows thinned',
  'thinned batch sent',
  'thinned batch sent again',
  'void sent: evicted_size',
  'disk short',
  'nothing lost, though thinned',
] as const;

export type Fact = (typeof everywhere)[number] | (typeof withLoss)[number] | (typeof withThinning)[number];

/** What the buffer of a schedule is like. */
export type BufferKind = 'ample' | 'small' | 'thinning';

/** What must have come about over many seeds. */
export function factsExpected(buffer: BufferKind): readonly Fact[] {
  return { ample: everywhere, small: [...everywhere, ...withLoss], thinning: [...everywhere, ...withThinning] }[buffer];
}

export class Facts {
  readonly counts = new Map<Fact, number>();

  note(fact: Fact, count = 1): void {
    this.counts.set(fact, (this.counts.get(fact) ?? 0) + count);
  }

  addAll(other: Facts): void {
    for (const [fact, count] of other.counts) this.note(fact, count);
  }

  /** Listens to what an agent says about itself. */
  logger(): Logger {
    const hear = ({ batches, itemsGone, reason }: Readonly<Record<string, unknown>>): void => {
      if (typeof batches === 'number' && batches > 0) this.note('acked batches rewound', batches);
      if (typeof itemsGone === 'number' && itemsGone > 0) this.note('items declared gone', itemsGone);
      if (reason === 'the hub fell silent') this.note('stall noticed');
    };
    const logger: Logger = { debug: hear, info: hear, warn: hear, error: hear, child: () => logger };
    return logger;
  }
}

/** What one connection of an agent carries. */
export class SessionFacts {
  readonly #facts: Facts;
  readonly #batchesSent: Set<string>;
  #hellos = 0;

  /** `batchesSent` outlives the connection. */
  constructor(facts: Facts, batchesSent: Set<string>) {
    this.#facts = facts;
    this.#batchesSent = batchesSent;
  }

  published(kind: UpKind, payload: Uint8Array): void {
    if (kind === 'hello' && ++this.#hellos === 2) this.#facts.note('greeted anew in a session');
    if (kind === 'void') {
      const { reason } = decodeVoid(payload);
      if (reason !== 'damaged') this.#facts.note(`void sent: ${reason}`);
    }
    if (kind !== 'batch') return;
    // Agent, epoch, lane and range are in the first bytes.
    const head = Buffer.from(payload.subarray(0, 48)).toString('latin1');
    const isAgain = this.#batchesSent.has(head);
    if (isAgain) this.#facts.note('batch sent again');
    if (isThinned(decodeBatch(payload))) this.#facts.note(isAgain ? 'thinned batch sent again' : 'thinned batch sent');
    this.#batchesSent.add(head);
  }
}
