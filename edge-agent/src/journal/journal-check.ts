/**
 * Looks for damage in an agent's database, one row a step, so that a start can do all of it at once and a running agent a little every
 * second. Nothing is held between two steps: whoever writes meanwhile is not in the way. What it cannot see: flipped bits in counters and
 * samples, which are diagnostics.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { decodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings } from '@fogline/shared/codec/readings';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { unpackDefinition } from '@fogline/shared/protocol/definition';
import { fieldsOf } from '@fogline/shared/protocol/envelope';
import { laneCount } from '@fogline/shared/protocol/limits';
import { partKinds, voidReasons } from '@fogline/shared/protocol/messages';
import { flagText } from '@fogline/shared/reading';
import type { Database } from '@fogline/shared/sqlite';
import { Outbox } from '../outbox/outbox.ts';
import type { RawBatch, RawRow } from './agent-sql.ts';
import { AgentStore } from './agent-store.ts';
import { blockOf, type CommitRecord, decodeCommit } from './commit-record.ts';
import type { VoidRow } from './void-table.ts';

/** What a block really holds, or stands for. Throws `codec_corrupt`. */
export function contentOf(kind: number, bytes: Uint8Array): { count: number; seriesEnd: number } {
  if (partKinds[kind] === 'windows') {
    const { count, series, partial } = decodeWindows(bytes);
    for (const one of partial) Partial.decode(one);
    return { count, seriesEnd: endOf(series) };
  }
  if (partKinds[kind] === 'thinned') {
    const { series, items, partial } = decodeThinned(bytes);
    for (const one of partial) Partial.decode(one);
    return { count: items.reduce((sum, one) => sum + one, 0), seriesEnd: endOf(series) };
  }
  const { count, series, flags, value, strings } = decodeReadings(bytes);
  for (let row = 0; row < count; row++) {
    if (((flags[row] ?? 0) & flagText) !== 0 && strings[value[row] ?? -1] === undefined)
      throw new FoglineError('codec_corrupt', 'a text that is not there');
  }
  return { count, seriesEnd: endOf(series) };
}

function endOf(series: Uint32Array): number {
  let end = 0;
  for (const id of series) if (id >= end) end = id + 1;
  return end;
}

/** What is wrong with a row of the outbox beside the block that it names; undefined = nothing. */
export function rowProblem(
  row: RawRow,
  content: { count: number; seriesEnd: number },
  seriesCount: number,
): string | undefined {
  const items = row.last - row.first + 1;
  if (row.first < 1 || items !== content.count) return `claims ${items} items, its block has ${content.count}`;
  if (content.seriesEnd > seriesCount) return `uses series ${content.seriesEnd - 1}, which is not defined`;
  const hours = JSON.parse(row.hours) as number[];
  let sum = 0;
  for (let i = 0; i < hours.length; i += 2) sum += hours[i + 1] ?? 0;
  return sum === items ? undefined : `its hours have ${sum} items, its range ${items}`;
}

/** Every step yields undefined, or what is wrong. Ends after one pass. */
export function* checkJournal(db: Database, agent: string): Generator<string | undefined, void> {
  yield* guarded('epochs', checkEpochs(db));
  const series = { count: 0 };
  yield* guarded('series', checkSeries(db, series));
  yield* guarded('commits', checkCommits(db));
  yield* guarded('rows', checkRows(db, series.count));
  yield* guarded('batches', checkBatches(db, agent));
  yield* guarded('voids', checkVoids(db));
  yield* guarded('state', checkState(db));
}

/** Any error while reading is a finding. */
function* guarded(what: string, steps: Generator<string | undefined, void>): Generator<string | undefined, void> {
  try {
    for (const step of steps) yield step === undefined ? undefined : `${what}: ${step}`;
  } catch (error) {
    yield `${what}: ${messageOf(error)}`;
  }
}

function* checkEpochs(db: Database): Generator<string | undefined, void> {
  let previous: { id: number; epoch: string } | undefined;
  const produced = new Array<number>(laneCount).fill(0);
  // Read at once: the next commit changes both.
  const rows = new AgentStore(db).epochs();
  const ledger = db
    .prepare<{ lane: number; items: number }>('SELECT lane, sum(produced) AS items FROM ledger GROUP BY lane')
    .all();
  for (const row of rows) {
    if (!/^[0-9a-f]{16}$/.test(row.epoch) || (row.parent ?? undefined) !== previous?.epoch)
      yield `epoch ${row.id} does not follow the one before it`;
    if (row.last.length !== laneCount || !row.last.every((last) => Number.isSafeInteger(last) && last >= 0))
      yield `epoch ${row.id} has no last numbers`;
    row.last.forEach((last, lane) => {
      produced[lane] = (produced[lane] ?? 0) + last;
    });
    previous = row;
    yield undefined;
  }
  // Between two checkpoints both are as of the last one.
  const counted = new Map(ledger.map(({ lane, items }) => [lane, items]));
  for (const [lane, items] of produced.entries())
    if ((counted.get(lane) ?? 0) !== items)
      yield `the ledger counts ${counted.get(lane) ?? 0} items of lane ${lane}, the epochs ${items}`;
}

function* checkSeries(db: Database, series: { count: number }): Generator<string | undefined, void> {
  const ids = db.prepare<{ n: number; last: number | null }>('SELECT count(*) AS n, max(id) AS last FROM series').get();
  for (const packed of new AgentStore(db).series()) {
    unpackDefinition(fieldsOf(packed, 'series').fields.nested('definition'));
    series.count++;
  }
  if (ids !== undefined && ids.n !== (ids.last ?? -1) + 1)
    yield `${ids.n} definitions, the last has number ${ids.last}`;
  yield undefined;
}

function* checkCommits(db: Database): Generator<string | undefined, void> {
  const next = db.prepare<{ id: number; body: Uint8Array }>(
    'SELECT id, body FROM commits WHERE id > ? ORDER BY id LIMIT 1',
  );
  for (let row = next.get(-1); row !== undefined; ) {
    decodeCommit(row.body, row.id);
    yield undefined;
    const after = next.get(row.id);
    if (after !== undefined && after.id <= row.id) yield `commit ${after.id} comes after ${row.id}`;
    row = after;
  }
}

function* checkRows(db: Database, seriesCount: number): Generator<string | undefined, void> {
  const next = db.prepare<RawRow>('SELECT * FROM rows WHERE id > ? ORDER BY id LIMIT 1');
  const commitBody = db.prepare<{ body: Uint8Array }>('SELECT body FROM commits WHERE id = ?');
  const packBody = db.prepare<{ body: Uint8Array }>('SELECT body FROM packs WHERE id = ?');
  const defined = db.prepare<{ count: number }>('SELECT count(*) AS count FROM series');
  let known = seriesCount;
  let commit: { id: number; record: CommitRecord } | undefined;
  for (let row = next.get(-1); row !== undefined; ) {
    let block: Uint8Array | undefined;
    if (row.pack_id !== null) block = packBody.get(row.pack_id)?.body;
    else {
      if (commit?.id !== row.commit_id) {
        const body = commitBody.get(row.commit_id)?.body;
        if (body !== undefined) commit = { id: row.commit_id ?? 0, record: decodeCommit(body, row.commit_id ?? 0) };
      }
      const output = commit?.id === row.commit_id ? commit?.record.outputs[row.output ?? -1] : undefined;
      if (output !== undefined && commit !== undefined) block = blockOf(commit.record, output);
      if (output !== undefined && (output.first !== row.first || output.last !== row.last || output.lane !== row.lane))
        yield `row ${row.id} is not what its commit says`;
    }
    if (block === undefined) yield `row ${row.id} names a block that is not there`;
    else {
      const content = contentOf(row.kind, block);
      // Readings go on meanwhile: definitions arrive with the first commit that uses them.
      if (content.seriesEnd > known) known = defined.get()?.count ?? known;
      const problem = rowProblem(row, content, known);
      yield problem === undefined ? undefined : `row ${row.id} ${problem}`;
    }
    const after = next.get(row.id);
    if (after !== undefined && after.id <= row.id) yield `row ${after.id} comes after ${row.id}`;
    row = after;
  }
}

/** What was sealed must still be the bytes that were sealed. */
function* checkBatches(db: Database, agent: string): Generator<string | undefined, void> {
  const outbox = new Outbox(new AgentStore(db), agent);
  const next = db.prepare<RawBatch>('SELECT * FROM batches WHERE id > ? ORDER BY id LIMIT 1');
  for (let row = next.get(-1); row !== undefined; row = next.get(row.id)) {
    outbox.reloadEpochs();
    outbox.payloadOf({ ...row, epochId: row.epoch });
    yield undefined;
  }
}

function* checkVoids(db: Database): Generator<string | undefined, void> {
  const next = db.prepare<VoidRow>('SELECT * FROM voids WHERE id > ? ORDER BY id LIMIT 1');
  for (let row = next.get(-1); row !== undefined; row = next.get(row.id)) {
    yield voidProblem(row) === undefined ? undefined : `void ${row.id} ${voidProblem(row)}`;
  }
}

export function voidProblem(row: VoidRow): string | undefined {
  const items = row.last - row.first + 1;
  const hours = JSON.parse(row.hours) as [number, number][];
  if (!Array.isArray(JSON.parse(row.stats))) return 'has no statistics';
  if (row.first < 1 || items < 1 || !voidReasons.includes(row.reason)) return 'has no range or reason';
  const sum = hours.reduce((total, [, count]) => total + count, 0);
  return sum <= items ? undefined : `its hours have ${sum} items, its range ${items}`;
}

function* checkState(db: Database): Generator<string | undefined, void> {
  const store = new AgentStore(db);
  store.loadOperators();
  const configs = store.loadText('config');
  if (configs !== undefined) JSON.parse(configs);
  const checkpoint = Number(store.loadText('checkpoint') ?? 0);
  if (!Number.isSafeInteger(checkpoint) || checkpoint > store.lastCommitId()) yield `a checkpoint at ${checkpoint}`;
  yield undefined;
}
