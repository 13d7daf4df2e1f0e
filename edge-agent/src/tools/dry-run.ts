/**
 * A configuration at work on recorded messages in virtual time: the agent's own decoders, core and storage (in memory), with no
 * network. Deterministic. Commits happen once a virtual second, when there is something to do, as an agent's do that spares its
 * flash memory; so what is printed does not depend on how fast the recording is read.
 */
import { FoglineError } from '@fogline/shared/errors';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { type Database, openDatabase } from '@fogline/shared/sqlite';
import { type AgentConfig, coreConfigOf } from '../agent-config.ts';
import { AgentCore } from '../agent-core.ts';
import type { ParseConfig } from '../decoders/decoder.ts';
import { AgentStore } from '../journal/agent-store.ts';
import { agentDatabase } from '../journal/schema.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import type { IngestPort } from '../sources/batch-port.ts';
import { SourceBatcher } from '../sources/source-batcher.ts';
import type { Wire } from '../uplink/wire.ts';
import { type ComputedOf, isoOf, type OutputLine, outputLines } from './output-lines.ts';
import type { RecordedMessage } from './recording.ts';
import { VirtualClock } from './virtual-clock.ts';

const tickMs = 1_000;
/** Nothing is ever sent, so everything stays: far more than a recording needs, and never full. */
const databaseBytesMax = 64 * 1024 ** 3;

export class DryRun {
  readonly #config: AgentConfig;
  readonly #print: (line: OutputLine) => void;
  readonly #clock: VirtualClock;
  readonly #db: Database;
  readonly #store: AgentStore;
  readonly #core: AgentCore;
  readonly #sources: readonly SourceBatcher[];
  readonly #series = new DurableSeries();
  readonly #outputs = new Map<string, number>();
  readonly #startMs: number;
  readonly #local: ReadonlySet<unknown>;
  #printedCommit = 0;
  #pendingAt: number | undefined;
  #line = 0;
  #messages = 0;

  constructor(config: AgentConfig, startMs: number, print: (line: OutputLine) => void) {
    this.#config = config;
    this.#print = print;
    this.#startMs = startMs;
    this.#clock = new VirtualClock(startMs);
    this.#db = openDatabase(':memory:', agentDatabase);
    this.#store = new AgentStore(this.#db);
    const { buffer, pipelines, ...core } = coreConfigOf(config, 'fogline-agent test');
    this.#local = new Set(pipelines.flatMap(({ name, isLocal }) => (isLocal === true ? [name] : [])));
    // What is put out is what is printed, so nothing may stay within.
    const printed = pipelines.map(({ isLocal: _isLocal, ...pipeline }) => pipeline);
    this.#core = new AgentCore(
      { ...core, pipelines: printed, buffer: { ...buffer, sizeBytesMax: databaseBytesMax } },
      {
        db: this.#db,
        clock: this.#clock,
        random: new SeededRandom(1),
        wire: noWire,
        log: silentLogger,
        actuator: { carryOut: (_call, _timeoutMs, end) => end(true) },
        release: () => undefined,
        setOverloaded: () => undefined,
        onFatal: (error) => {
          throw error;
        },
      },
    );
    this.#sources = sourcesOf(config, this.#core, (source, reason, topic, payload) => {
      this.#core.reject(source, reason, topic, payload);
      // What is only counted, such as a field that a device need not send, is not worth a line.
      if (payload !== undefined) this.#emit({ kind: 'rejected', line: this.#line, source, reason, topic });
    });
  }

  /** Lets the time go on to `arrivalMs`, never back, and publishes a message. */
  take({ line, topic, payload }: RecordedMessage, arrivalMs: number): void {
    this.#runUntil(arrivalMs);
    this.#clock.moveTo(arrivalMs);
    this.#line = line;
    this.#messages++;
    const source = sourceOf(this.#sources, topic);
    if (source === undefined) {
      this.#emit({ kind: 'rejected', line, reason: 'topic_unmatched', topic });
      return;
    }
    this.#pendingAt ??= this.#clock.now();
    source.take(topic, payload, this.#clock.now(), undefined);
  }

  /** Lets the time go on until the windows that are open have closed, and prints what came of it all. */
  finish(): void {
    const open = this.#config.pipelines.flatMap(({ window, hopping }) => [
      (window?.everyMs ?? 0) + (window?.latenessMs ?? 0),
      (hopping?.widthMs ?? 0) + (hopping?.latenessMs ?? 0),
    ]);
    this.#runUntil(this.#clock.now() + Math.max(tickMs, ...open) + tickMs);
    this.#commit();
    this.#core.checkpoint();
    this.#print({
      kind: 'summary',
      messages: this.#messages,
      from: isoOf(this.#startMs),
      to: isoOf(this.#clock.now()),
      printed: byName(Object.fromEntries(this.#outputs)),
      counted: byName(this.#core.counters()),
    });
  }

  close(): void {
    this.#core.kill();
    this.#db.close();
  }

  #runUntil(ms: number): void {
    for (let next = this.#nextTick(); next <= ms; next = this.#nextTick()) {
      this.#clock.moveTo(next);
      this.#commit();
    }
  }

  /** The next whole second, after now, at which a commit has something to do. */
  #nextTick(): number {
    const pending = this.#pendingAt === undefined ? Number.POSITIVE_INFINITY : this.#pendingAt + 1;
    const due = Math.max(Math.min(pending, this.#core.dueAt ?? Number.POSITIVE_INFINITY), this.#clock.now() + 1);
    return Math.ceil(due / tickMs) * tickMs;
  }

  #commit(): void {
    this.#pendingAt = undefined;
    for (const source of this.#sources) source.submit();
    this.#core.commit();
    for (const { id, record } of this.#store.commitsAfter(this.#printedCommit)) {
      this.#printedCommit = id;
      for (const line of outputLines(record, this.#definitionOf, this.#computedOf)) this.#emit(line);
    }
  }

  readonly #definitionOf = (id: number) => {
    if (id >= this.#series.count)
      for (const packed of this.#store.series(this.#series.count)) this.#series.load(packed);
    return this.#series.definitionOf(id);
  };

  readonly #computedOf: ComputedOf = (stream) => this.#config.computed[stream] ?? [];

  #emit(line: OutputLine): void {
    const { kind, stream, reason } = line;
    const name = [kind, stream ?? reason].join(' ');
    this.#outputs.set(name, (this.#outputs.get(name) ?? 0) + 1);
    this.#print(this.#local.has(stream) ? { ...line, local: true } : line);
  }
}

function byName(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.keys(counts)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .map((name) => [name, counts[name] ?? 0]),
  );
}

/** Asks the agent's own sources what they would make of a message. */
export class Peek {
  readonly #config: AgentConfig;
  readonly #sources: readonly SourceBatcher[];

  constructor(config: AgentConfig) {
    this.#config = config;
    this.#sources = sourcesOf(config, nowhere, () => undefined);
  }

  /** How the payloads of a topic are read; undefined when it belongs to no source. */
  parseOf(topic: string): ParseConfig | undefined {
    const name = sourceOf(this.#sources, topic)?.name;
    return this.#config.sources.find((source) => source.name === name)?.parse;
  }

  /** The latest time that its source has told with it and before it, with a value or without; undefined when it has told none. */
  timeOf({ topic, payload }: RecordedMessage): number | undefined {
    const source = sourceOf(this.#sources, topic);
    source?.take(topic, payload, Number.MAX_SAFE_INTEGER, undefined);
    source?.submit();
    const latestMs = source?.latestSourceMs ?? Number.NEGATIVE_INFINITY;
    return Number.isFinite(latestMs) ? latestMs : undefined;
  }
}

const nowhere: IngestPort = { submit: () => undefined };

function sourcesOf(
  config: AgentConfig,
  ingest: IngestPort,
  onRejected: ConstructorParameters<typeof SourceBatcher>[2],
): SourceBatcher[] {
  return config.sources.map((source) => new SourceBatcher(source, ingest, onRejected));
}

function sourceOf(sources: readonly SourceBatcher[], topic: string): SourceBatcher | undefined {
  return sources.find((source) => source.matches(topic));
}

const noWire: Wire = {
  open: () => undefined,
  publish: () => {
    throw new FoglineError('unavailable', 'a dry run sends nothing');
  },
  ping: () => undefined,
  close: () => undefined,
};
