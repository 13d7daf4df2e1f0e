/**
 * What came in since the last commit: per source the readings under durable series ids, repeats dropped, and the tokens of
 * those who wait. Nothing here is durable; a commit takes all of it at once.
 */
import { encodeReadings } from '@fogline/shared/codec/readings';
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import { ColumnBuilder } from '../pipeline/columns.ts';
import type { SourceBatch, SourceSeriesDefinition, Token } from '../sources/batch-port.ts';
import { blockBytesMax, type CommitInput } from './commit-record.ts';
import type { RepeatFilter } from './repeat-filter.ts';
import type { DurableSeries } from './series-registry.ts';

/** A commit is due at once when all sources together have gathered this much. */
const rowsPerCommitMax = 32_768;
const bytesPerCommitMax = 1024 * 1024;
/** What a row takes at most once encoded: 8 bytes of value, 8 of time, its share of series ids, flags and heads of blocks. */
const encodedRowBytesMax = 24;
/** New series are refused beyond this many in the database; what is derived from them must still find room (series-registry.ts). */
const seriesCountMaxDefault = 500_000;

export interface Taken {
  readonly source: string;
  readonly input: CommitInput;
  readonly columns: ReadingColumns;
}

/** Who waited for a commit, in the order in which they came. */
export interface Released {
  readonly source: string;
  readonly tokens: readonly Token[];
}

type InputRegistry = Pick<DurableSeries, 'idOf' | 'has' | 'count'>;

/** Stands for the id of a series that was refused. */
const refusedSeries = -1;

interface SourceIntake {
  readonly name: string;
  /** The stream under which the readings themselves are known. */
  readonly stream: string;
  /** It stays on the agent. */
  readonly isLocal: boolean;
  readonly ids: number[];
  /** With the time of their source, and with that of their arrival: only of the former a repeat can be told, also after a restart. */
  readonly timed: ColumnBuilder;
  readonly untimed: ColumnBuilder;
  tokens: Token[];
}

export class Intake {
  readonly #registry: InputRegistry;
  readonly #repeats: RepeatFilter;
  readonly #sources: readonly SourceIntake[];
  readonly #counted = new Map<string, number>();
  /** Of sources that read something once; durable with the rows, and never without them. */
  readonly #progress = new Map<string, number>();
  readonly #seriesCountMax: number;

  constructor(
    sources: readonly Pick<SourceIntake, 'name' | 'stream' | 'isLocal'>[],
    registry: InputRegistry,
    repeats: RepeatFilter,
    seriesCountMax = seriesCountMaxDefault,
  ) {
    this.#registry = registry;
    this.#repeats = repeats;
    this.#seriesCountMax = seriesCountMax;
    this.#sources = sources.map((source) => ({
      ...source,
      ids: [],
      timed: new ColumnBuilder(),
      untimed: new ColumnBuilder(),
      tokens: [],
    }));
  }

  get hasCounted(): boolean {
    return this.#counted.size > 0 || this.#progress.size > 0;
  }

  get isCommitDue(): boolean {
    return (
      this.bytes >= bytesPerCommitMax ||
      this.#sources.reduce((sum, { timed, untimed }) => sum + timed.count + untimed.count, 0) >= rowsPerCommitMax
    );
  }

  get bytes(): number {
    return this.#sources.reduce((sum, { timed, untimed }) => sum + timed.bytes + untimed.bytes, 0);
  }

  count(name: string, count: number): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + count);
  }

  add(batch: SourceBatch): void {
    const source = this.#sources.find(({ name }) => name === batch.source);
    if (source === undefined) throw new RangeError(`no source is called ${batch.source}`);
    for (const definition of batch.newSeries) source.ids[definition.id] = this.#idOf(source, definition);
    for (const token of batch.tokens) source.tokens.push(token);
    for (const { name, bytes } of batch.progress ?? [])
      this.#progress.set(name, (this.#progress.get(name) ?? 0) + bytes);
    const { count, series, time, value, flags, strings } = batch.columns;
    let repeats = 0;
    let refused = 0;
    for (let row = 0; row < count; row++) {
      const id = source.ids[series[row] ?? 0];
      if (id === undefined)
        throw new RangeError(`source ${source.name} sent series ${series[row]} before its definition`);
      if (id === refusedSeries) {
        refused++;
        continue;
      }
      const t = time[row] ?? 0;
      const v = value[row] ?? 0;
      const f = flags[row] ?? 0;
      const text = (f & flagText) === 0 ? undefined : (strings[v] ?? '');
      const isTimed = batch.hasSourceTime[row] === 1;
      if (isTimed && this.#repeats.isRepeat(id, t, text === undefined ? v : hashText(text), f)) {
        repeats++;
        continue;
      }
      const columns = isTimed ? source.timed : source.untimed;
      if (text === undefined) columns.push(id, t, v, f);
      else columns.pushText(id, t, text, f);
    }
    if (repeats > 0) this.count('repeat', repeats);
    if (refused > 0) this.count(`rejected.${source.name}.series_limit`, refused);
  }

  /**
   * Takes the readings of every source that has some, in configuration order; those of one source in several parts when one
   * block could become too large for an envelope, and those without their source's time in a part of their own.
   */
  take(): Taken[] {
    return this.#sources.flatMap(({ name, timed, untimed }) => [
      ...takenOf(name, timed, true),
      ...takenOf(name, untimed, false),
    ]);
  }

  takeTokens(): Released[] {
    const out: Released[] = [];
    for (const source of this.#sources) {
      if (source.tokens.length === 0) continue;
      out.push({ source: source.name, tokens: source.tokens });
      source.tokens = [];
    }
    return out;
  }

  takeCounted(): [string, number][] {
    const counted = [...this.#counted];
    this.#counted.clear();
    return counted;
  }

  /** Together with `take`, for the same commit. */
  takeProgress(): [string, number][] {
    const progress = [...this.#progress];
    this.#progress.clear();
    return progress;
  }

  #idOf(source: SourceIntake, definition: SourceSeriesDefinition): number {
    const input = inputDefinition(source.stream, definition);
    const isFull = this.#registry.count >= this.#seriesCountMax && !this.#registry.has(input, source.isLocal);
    return isFull ? refusedSeries : this.#registry.idOf(input, source.isLocal);
  }
}

function takenOf(source: string, builder: ColumnBuilder, hasSourceTime: boolean): Taken[] {
  if (builder.count === 0) return [];
  return parted(builder.take()).map((columns) => {
    const bytes = encodeReadings(columns, 'fast');
    return { source, columns, input: { source, hasSourceTime, bytes } };
  });
}

/** Cuts columns into parts whose encoded blocks are certain to stay within `blockBytesMax`. */
function parted(columns: ReadingColumns): ReadingColumns[] {
  const { count, series, time, value, flags, strings } = columns;
  let textBytes = 0;
  for (const text of strings) textBytes += Buffer.byteLength(text);
  if (count * encodedRowBytesMax + textBytes <= blockBytesMax) return [columns];
  const parts: ReadingColumns[] = [];
  const part = new ColumnBuilder();
  let bytes = 0;
  for (let row = 0; row < count; row++) {
    const isText = ((flags[row] ?? 0) & flagText) !== 0;
    const text = isText ? (strings[value[row] ?? 0] ?? '') : '';
    const rowBytes = encodedRowBytesMax + Buffer.byteLength(text);
    if (bytes + rowBytes > blockBytesMax && part.count > 0) {
      parts.push(part.take());
      bytes = 0;
    }
    bytes += rowBytes;
    if (isText) part.pushText(series[row] ?? 0, time[row] ?? 0, text, flags[row] ?? 0);
    else part.push(series[row] ?? 0, time[row] ?? 0, value[row] ?? 0, flags[row] ?? 0);
  }
  parts.push(part.take());
  return parts;
}

/** Remembers the readings of a journaled input, as if they had just come in. */
export function rememberRepeats(filter: RepeatFilter, columns: ReadingColumns): void {
  const { count, series, time, value, flags, strings } = columns;
  for (let row = 0; row < count; row++) {
    const f = flags[row] ?? 0;
    const v = value[row] ?? 0;
    filter.isRepeat(series[row] ?? 0, time[row] ?? 0, (f & flagText) === 0 ? v : hashText(strings[v] ?? ''), f);
  }
}

function inputDefinition(stream: string, definition: SourceSeriesDefinition): SeriesDefinition {
  const { device, metric, unit, type, tags } = definition;
  return { stream, device, metric, unit, kind: 'reading', type, sampling: 'all', tags, widthMs: 0, holdMs: 0 };
}

/** FNV-1a over UTF-16 units, as a number that stands for the text in the repeat filter. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
