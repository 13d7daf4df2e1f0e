/**
 * One page of the journal: the readings of some series in a range of event time, as sources delivered them, commit by commit from a cursor on. Holds no
 * statement open between two steps, so commits and recycling go on beside it. What cannot be read of a commit is told, and passed over.
 */
import { decodeReadingsOf, encodeReadings, readReadingsHeader } from '@fogline/shared/codec/readings';
import { hasCode } from '@fogline/shared/errors';
import {
  type Answer,
  type MissingReason,
  type MissingSpan,
  type Query,
  type RawCursor,
  type RawName,
  rawLimits,
} from '@fogline/shared/protocol/raw-query';
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import { controlSource } from '../alarms/commands.ts';
import type { AgentStore } from './agent-store.ts';
import { type CommitRecord, decodeCommit } from './commit-record.ts';
import type { DurableSeries } from './series-registry.ts';

/** Of a page, by the most that its parts may take; with one reading and its definition more, an answer is still within its limit. */
const pageBytesMax = 128 * 1024;
const rowBytesMax = 24;
/** Of a character of a text. */
const characterBytesMax = 3;

export type RawPage = Pick<Answer, 'next' | 'missing' | 'definitions' | 'block'>;

interface Position {
  /** Looked at last; 0 = none. */
  commit: number;
  /** When it was written. */
  atMs: number;
  /** So many readings of the commit after it are told already. */
  skip: number;
}

/** Yields after each commit and block, where others may run. `mayGoOn` false: the page ends there. `nowMs`: when it is read. */
export function* readRawPage(
  { store, series }: { readonly store: AgentStore; readonly series: DurableSeries },
  query: Query,
  nowMs: number,
  mayGoOn: () => boolean,
): Generator<void, RawPage> {
  const [commit, atMs, skip] = query.cursor ?? [0, 0, 0];
  const at: Position = { commit, atMs, skip };
  const rows = new PageRows(series, query);
  const missing = new Missing(query.fromMs);
  const pageTo = (next: RawCursor | undefined): RawPage => ({ ...rows.taken(), missing: missing.spans, next });
  // What lies before the first commit is in no journal.
  if (query.cursor === undefined) missing.begin('not_held', undefined);
  for (;;) {
    const next = store.nextCommit(at.commit);
    if (next === undefined) {
      // What was written last is gone, or this journal is an older one than that of the page before.
      if (at.commit !== store.newestCommitId()) missing.begin('not_held', at);
      missing.end(nowMs);
      return pageTo(undefined);
    }
    if (next.id > at.commit + 1) {
      missing.begin('not_held', at);
      at.skip = 0;
    }
    const record = decoded(next.body, next.id);
    if (record === undefined) {
      missing.begin('damaged', at);
      Object.assign(at, { commit: next.id, skip: 0 });
    } else {
      missing.end(record.now);
      const told = yield* rows.addCommit(record, at.skip, () => missing.add('damaged', record.now, record.now + 1));
      if (told !== undefined) return pageTo([next.id - 1, at.atMs, told]);
      Object.assign(at, { commit: next.id, atMs: record.now, skip: 0 });
    }
    if (!missing.isOpen && (missing.isFull || !mayGoOn())) return pageTo([at.commit, at.atMs, 0]);
    yield;
  }
}

/** Undefined where it is damaged. */
function decoded(body: Uint8Array, id: number): CommitRecord | undefined {
  try {
    return decodeCommit(body, id);
  } catch (error) {
    if (hasCode(error, 'storage_corrupt', 'storage_open')) return undefined;
    throw error;
  }
}

/** What cannot be read, by the time at which it was written; spans that end before the range begins are left out. */
class Missing {
  readonly spans: MissingSpan[] = [];
  readonly #fromMs: number;
  readonly #open = new Map<MissingReason, number | undefined>();

  constructor(fromMs: number) {
    this.#fromMs = fromMs;
  }

  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Another commit may add one span of each reason, and one that it is damaged. */
  get isFull(): boolean {
    return this.spans.length + 3 > rawLimits.missingMax;
  }

  /** From what was written after `at` on; undefined: since ever. */
  begin(reason: MissingReason, at: Position | undefined): void {
    if (!this.#open.has(reason)) this.#open.set(reason, at === undefined || at.commit === 0 ? undefined : at.atMs);
  }

  end(atMs: number): void {
    for (const [reason, fromMs] of this.#open) this.add(reason, fromMs, atMs);
    this.#open.clear();
  }

  /** The agent's clock may have been set back in between. */
  add(reason: MissingReason, fromMs: number | undefined, toMs: number): void {
    const span =
      fromMs === undefined ? { fromMs, toMs } : { fromMs: Math.min(fromMs, toMs), toMs: Math.max(fromMs, toMs) };
    const before = this.spans.at(-1);
    const isSame = before?.reason === reason && before.fromMs === span.fromMs && before.toMs === span.toMs;
    if (span.toMs > this.#fromMs && !isSame) this.spans.push({ reason, ...span });
  }
}

/** The readings of a page, until it is full. */
class PageRows {
  readonly #series: DurableSeries;
  readonly #query: Query;
  readonly #wanted: ReadonlySet<number>;
  /** By id of the journal: id in the page. */
  readonly #ids = new Map<number, number>();
  readonly #definitions: SeriesDefinition[] = [];
  readonly #strings = new Map<string, number>();
  readonly #rows: { readonly series: number; readonly time: number; readonly value: number; readonly flags: number }[] =
    [];
  #bytes = 0;

  constructor(series: DurableSeries, query: Query) {
    this.#series = series;
    this.#query = query;
    this.#wanted = wantedIds(series, query.names);
  }

  /** Adds the readings of a commit but the first `skip`; returns how many of it are told when the page is full, undefined when all are. */
  *addCommit(record: CommitRecord, skip: number, onDamage: () => void): Generator<void, number | undefined> {
    const { fromMs, toMs } = this.#query;
    let told = 0;
    for (const { source, bytes } of record.inputs) {
      if (source === controlSource) continue;
      const columns = this.#decoded(bytes, onDamage);
      for (let row = 0; row < (columns?.count ?? 0); row++) {
        const time = columns?.time[row] ?? 0;
        if (time < fromMs || time >= toMs || columns === undefined) continue;
        if (told >= skip && !this.#add(columns, row)) return told;
        told++;
      }
      yield;
    }
    return undefined;
  }

  taken(): Pick<RawPage, 'definitions' | 'block'> {
    // Stable: rows of one series stay in the order in which they were written.
    const rows = this.#rows.sort((a, b) => a.series - b.series);
    const columns = {
      count: rows.length,
      series: Uint32Array.from(rows, ({ series }) => series),
      time: Float64Array.from(rows, ({ time }) => time),
      value: Float64Array.from(rows, ({ value }) => value),
      flags: Uint8Array.from(rows, ({ flags }) => flags),
      strings: [...this.#strings.keys()],
    };
    return { definitions: this.#definitions, block: rows.length === 0 ? undefined : encodeReadings(columns, 'fast') };
  }

  /** The rows of the wanted series; undefined where there are none in the range. */
  #decoded(bytes: Uint8Array, onDamage: () => void): ReadingColumns | undefined {
    try {
      const { count, timeMin, timeMax } = readReadingsHeader(bytes);
      if (count === 0 || timeMax < this.#query.fromMs || timeMin >= this.#query.toMs) return undefined;
      return decodeReadingsOf(bytes, this.#wanted);
    } catch (error) {
      if (!hasCode(error, 'codec_corrupt', 'codec_version')) throw error;
      onDamage();
      return undefined;
    }
  }

  /** False when the page is full. */
  #add({ series, time, value, flags, strings }: ReadingColumns, row: number): boolean {
    const id = series[row] ?? 0;
    const rowFlags = flags[row] ?? 0;
    const text = (rowFlags & flagText) === 0 ? undefined : (strings[value[row] ?? 0] ?? '');
    const known = this.#ids.get(id);
    const definition = known === undefined ? this.#series.definitionOf(id) : undefined;
    const isNewText = text !== undefined && !this.#strings.has(text);
    const bytes =
      rowBytesMax +
      characterBytesMax *
        ((isNewText ? text.length : 0) + (definition === undefined ? 0 : JSON.stringify(definition).length));
    const rowsMax = this.#query.rowsMax;
    if (this.#rows.length > 0 && (this.#rows.length >= rowsMax || this.#bytes + bytes > pageBytesMax)) return false;
    this.#bytes += bytes;
    if (definition !== undefined) {
      this.#ids.set(id, this.#definitions.length);
      this.#definitions.push(definition);
    }
    if (isNewText) this.#strings.set(text, this.#strings.size);
    this.#rows.push({
      series: this.#ids.get(id) ?? 0,
      time: time[row] ?? 0,
      value: text === undefined ? (value[row] ?? 0) : (this.#strings.get(text) ?? 0),
      flags: rowFlags,
    });
    return true;
  }
}

/** Series of readings with one of these names. */
function wantedIds(series: DurableSeries, names: readonly RawName[]): Set<number> {
  const byDevice = Map.groupBy(names, ({ device }) => device);
  const wanted = new Set<number>();
  for (let id = 0; id < series.count; id++) {
    const { device, metric, tags, kind } = series.definitionOf(id);
    const isNamed = byDevice.get(device)?.some((name) => name.metric === metric && isSame(name.tags, tags)) ?? false;
    if (isNamed && kind === 'reading') wanted.add(id);
  }
  return wanted;
}

function isSame(a: RawName['tags'], b: RawName['tags']): boolean {
  return a.length === b.length && a.every(([key, value], i) => b[i]?.[0] === key && b[i]?.[1] === value);
}
