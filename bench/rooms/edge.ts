/** The rooms of the agent one after the other, without sockets and database. */
import type { PipelineConfig } from '@fogline/edge-agent/core-config';
import { Intake, type Taken } from '@fogline/edge-agent/journal/intake';
import { RepeatFilter } from '@fogline/edge-agent/journal/repeat-filter';
import { DurableSeries } from '@fogline/edge-agent/journal/series-registry';
import { outputsOfCommit } from '@fogline/edge-agent/outbox/outputs';
import { Replayable } from '@fogline/edge-agent/replayable';
import type { SourceBatch } from '@fogline/edge-agent/sources/batch-port';
import { SourceBatcher } from '@fogline/edge-agent/sources/source-batcher';
import { FastLane } from '@fogline/shared/broker/fast-lane';
import { FrameGate, type PendingBudget } from '@fogline/shared/broker/frame-gate';
import { defaultGateLimits } from '@fogline/shared/broker/gate-limits';
import { encodeBatch } from '@fogline/shared/protocol/messages';
import type { SeriesDefinition } from '@fogline/shared/reading';
import { agent, epoch, lane } from './hub.ts';
import { beginMs, type Chunk, hello, type Messages, names } from './messages.ts';

const source = 'climate';
const time = { fields: ['ts'], unit: 'ms', maxSkewMs: 86_400_000 } as const;
const metric = { name: 'temperature', field: 'temperature', unit: '°C', type: 'number' } as const;
const parsers = {
  mqtt: { format: 'json', metrics: [metric], time },
  lines: { format: 'line_protocol', metrics: 'auto', device: 'device', precision: 'ns', maxSkewMs: time.maxSkewMs },
} as const;
const live: PipelineConfig = { name: 'live', from: source, lane };
const mean: PipelineConfig = {
  name: 'mean',
  from: source,
  lane,
  window: { everyMs: 10_000, latenessMs: 2_000, hasSketch: false },
};

type Results = ReturnType<Replayable['run']>;

export class EdgeRooms {
  readonly #batcher: SourceBatcher;
  readonly #gates: readonly FrameGate[];
  readonly #registry = new DurableSeries();
  readonly #intake = new Intake([{ name: source, stream: 'live', isLocal: false }], this.#registry, new RepeatFilter());
  readonly #replayable: Replayable;
  readonly #submitted: SourceBatch[] = [];
  /** Publishes to be settled, as after a commit. */
  readonly #owed: { settle(ticket: number): void; ticket: number }[] = [];
  #definitionsTold = 0;
  #last = 0;

  constructor({ kind }: Messages) {
    const topics = kind === 'mqtt' ? ['sensors/{device}/climate'] : ['write'];
    const options = { name: source, topics, parse: parsers[kind], payloadBytesMax: 1_000_000 };
    this.#batcher = new SourceBatcher(options, { submit: (batch) => void this.#submitted.push(batch) });
    this.#gates = kind === 'mqtt' ? this.#openGates() : [];
    this.#replayable = new Replayable({ agent, alarms: [], pipelines: [live, mean] }, this.#registry);
  }

  receive({ sender, bytes }: Chunk): void {
    const gate = this.#gates[sender];
    if (gate === undefined) return this.#batcher.take('write', bytes, beginMs, undefined);
    gate.feed(bytes);
    while (gate.step(0).kind !== 'wait');
    gate.outbound.take();
  }

  /** What was decoded since the last one. */
  batch(): SourceBatch[] {
    this.#batcher.submit();
    return this.#submitted.splice(0);
  }

  gather(batches: readonly SourceBatch[]): void {
    for (const batch of batches) this.#intake.add(batch);
  }

  take(): Taken[] {
    return this.#intake.take();
  }

  process(inputs: readonly Taken[]): Results {
    return this.#replayable.run({ now: beginMs, inputs, outcomes: [] });
  }

  /** The message to the hub. */
  seal(taken: readonly Taken[], results: Results): Uint8Array {
    const outputs = outputsOfCommit(results);
    const first = this.#last + 1;
    for (const { count } of outputs) this.#last += count;
    const parts = outputs.map(({ kind, bytes, input }) => ({
      kind,
      bytes: bytes ?? taken[input]?.input.bytes ?? new Uint8Array(0),
    }));
    return encodeBatch({ agent, epoch, lane, first, last: this.#last, parts });
  }

  /** The senders get their acks. */
  settle(): void {
    for (const { settle, ticket } of this.#owed.splice(0)) settle(ticket);
    for (const gate of this.#gates) gate.outbound.take();
  }

  takeDefinitions(): { readonly first: number; readonly definitions: readonly SeriesDefinition[] } {
    const first = this.#definitionsTold;
    this.#definitionsTold = this.#registry.count;
    return { first, definitions: this.#registry.told(first, this.#definitionsTold) ?? [] };
  }

  /** Of one connection a device, all accepted. */
  #openGates(): FrameGate[] {
    const budget: PendingBudget = { bytesMax: Number.POSITIVE_INFINITY, bytes: 0, waiting: new Set() };
    const limits = { ...defaultGateLimits, pendingBytesMax: Number.POSITIVE_INFINITY };
    const fastLane = new FastLane({
      mayPublish: () => true,
      isHeard: () => false,
      taker: (topic) => {
        const take = this.#batcher.lane(topic);
        return {
          isOpen: true,
          take: (bytes, start, end, settle, ticket) => {
            if (settle !== undefined) this.#owed.push({ settle, ticket });
            take(bytes, start, end, beginMs, ticket);
          },
        };
      },
    });
    return names.map(() => {
      const gate = new FrameGate(limits, budget);
      gate.feed(hello);
      gate.step(0);
      gate.accept(0, fastLane.of('sender'));
      return gate;
    });
  }
}
