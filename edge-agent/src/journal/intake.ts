/**
 * What came in since the last commit: per source the readings under durable series ids, repeats dropped, and the tokens of
 * those who wait. Nothing here is durable; a commit takes all of it at once.
 */
import { encodeReadings } from '@fogline/shared/codec/readings';
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import { ColumnBuilder } from '../pipeline/columns.ts';
import type { SeriesRegistry } from '../pipeline/operator.ts';
import type { SourceBatch, SourceSeriesDefinition, Token } from '../sources/batch-port.ts';
import type { CommitInput } from './commit-record.ts';
import type { RepeatFilter } from './repeat-filter.ts';

/** A commit is due at once when a source has gathered this much. */
const rowsPerCommitMax = 32_768;
const bytesPerCommitMax = 1024 * 1024;

export interface Taken {
  readonly source: string;
  readonly input: CommitInput;
  readonly columns: ReadingColumns;
}

interface SourceIntake {
  readonly name: string;
  /** The stream under which the readings themselves are known. */
  readonly stream: string;
  readonly ids: number[];
  readonly columns: ColumnBuilder;
  hasSourceTime: boolean;
  tokens: Token[];
}

export class Intake {
  readonly #registry: SeriesRegistry;
  readonly #repeats: RepeatFilter;
  readonly #sources: readonly SourceIntake[];
  readonly #counted = new Map<string, number>();

  constructor(sources: readonly { name: string; stream: string }[], registry: SeriesRegistry, repeats: RepeatFilter) {
    this.#registry = registry;
    this.#repeats = repeats;
    this.#sources = sources.map(({ name, stream }) => ({
      name,
      stream,
      ids: [],
      columns: new ColumnBuilder(),
      hasSourceTime: true,
      tokens: [],
    }));
  }

  get hasCounted(): boolean {
    return this.#counted.size > 0;
  }

  get isCommitDue(): boolean {
    return this.#sources.some(({ columns }) => columns.count >= rowsPerCommitMax || columns.bytes >= bytesPerCommitMax);
  }

  get bytes(): number {
    return this.#sources.reduce((sum, { columns }) => sum + columns.bytes, 0);
  }

  count(name: string, count: number): void {
    this.#counted.set(name, (this.#counted.get(name) ?? 0) + count);
  }

  add(batch: SourceBatch): void {
    const source = this.#sources.find(({ name }) => name === batch.source);
    if (source === undefined) throw new RangeError(`no source is called ${batch.source}`);
    for (const definition of batch.newSeries)
      source.ids[definition.id] = this.#registry.idOf(inputDefinition(source.stream, definition));
    for (const token of batch.tokens) source.tokens.push(token);
    const { count, series, time, value, flags, strings } = batch.columns;
    let repeats = 0;
    for (let row = 0; row < count; row++) {
      const id = source.ids[series[row] ?? 0];
      if (id === undefined)
        throw new RangeError(`source ${source.name} sent series ${series[row]} before its definition`);
      const t = time[row] ?? 0;
      const v = value[row] ?? 0;
      const f = flags[row] ?? 0;
      const text = (f & flagText) === 0 ? undefined : (strings[v] ?? '');
      if (batch.hasSourceTime[row] !== 1) source.hasSourceTime = false;
      else if (this.#repeats.isRepeat(id, t, text === undefined ? v : hashText(text), f)) {
        repeats++;
        continue;
      }
      if (text === undefined) source.columns.push(id, t, v, f);
      else source.columns.pushText(id, t, text, f);
    }
    if (repeats > 0) this.count('repeat', repeats);
  }

  /** Takes the readings of every source that has some, in configuration order. */
  take(): Taken[] {
    const taken: Taken[] = [];
    for (const source of this.#sources) {
      if (source.columns.count === 0) continue;
      const columns = source.columns.take();
      const { name, hasSourceTime } = source;
      taken.push({
        source: name,
        columns,
        input: { source: name, hasSourceTime, bytes: encodeReadings(columns, 'fast') },
      });
      source.hasSourceTime = true;
    }
    return taken;
  }

  takeTokens(): { source: string; tokens: readonly Token[] }[] {
    const out: { source: string; tokens: readonly Token[] }[] = [];
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
