/**
 * From a damaged database to a sound one: every commit whose checksum fits, every row, pack and void that agrees with what it names, the
 * account. What a row lost is made again from its commit; what is in neither is left out, and the next `welcome` declares what the hub
 * lacks of it (decision 0006). Nothing is guessed: an item is either what was committed, under its own number, or absent.
 */

import { checkedBytes } from '@fogline/shared/checked-bytes';
import { unpackDefinition } from '@fogline/shared/protocol/definition';
import { fieldsOf } from '@fogline/shared/protocol/envelope';
import { type Lane, laneCount } from '@fogline/shared/protocol/limits';
import { partKinds } from '@fogline/shared/protocol/messages';
import { attempt, copyRow, keyColumns, readable, tableNames } from '@fogline/shared/readable-rows';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { Database, Value } from '@fogline/shared/sqlite';
import { assembleBatch, BlockReader } from '../outbox/envelope.ts';
import type { RawBatch, RawEpoch, RawRow } from './agent-sql.ts';
import { AgentStore } from './agent-store.ts';
import { blockOf, type CommitOutput, type CommitRecord, decodeCommit } from './commit-record.ts';
import type { HighWater } from './high-water.ts';
import { contentOf, rowProblem, voidProblem } from './journal-check.ts';
import { damagedKey, frozenKey } from './rollback.ts';
import type { EpochRow } from './stored.ts';
import type { VoidRow } from './void-table.ts';

export interface Salvaged {
  readonly commits: number;
  readonly rows: number;
  readonly items: number;
  /** Operators go on where they were; false = what they held open is lost. */
  readonly hasOperators: boolean;
}

/** Tables that are rebuilt here; any other is copied as it reads. */
const rebuilt = new Set([
  'commits',
  'packs',
  'epochs',
  'series',
  'rows',
  'batches',
  'voids',
  'ledger',
  'state',
  'sqlite_sequence',
]);

/** Fills `to`, which is new. `from` is undefined when not even its schema could be read. */
export function salvage(from: Database | undefined, to: Database, water: HighWater, agent: string): Salvaged {
  const work = new Salvage(from, to, water, agent);
  return to.transaction(() => work.run());
}

class Salvage {
  readonly #from: Database | undefined;
  readonly #to: Database;
  readonly #store: AgentStore;
  readonly #water: HighWater;
  readonly #agent: string;
  readonly #epochs = new Map<number, EpochRow>();
  readonly #covered = new Map<string, SeqRanges>();
  #seriesCount = 0;
  #rows = 0;
  #items = 0;

  constructor(from: Database | undefined, to: Database, water: HighWater, agent: string) {
    this.#from = from;
    this.#to = to;
    this.#store = new AgentStore(to);
    this.#water = water;
    this.#agent = agent;
  }

  run(): Salvaged {
    this.#readEpochs();
    this.#readSeries();
    const ids = this.#copyCommits();
    this.#copyRows();
    this.#copyVoids();
    this.#rowsOfCommits(ids);
    this.#copyBatches();
    this.#writeEpochs();
    this.#writeLedger();
    this.#copyOthers();
    const hasOperators = this.#writeState(ids);
    return { commits: ids.length, rows: this.#rows, items: this.#items, hasOperators };
  }

  *#read<Row>(table: string, key: string): Generator<Row> {
    if (this.#from !== undefined) yield* readable<Row>(this.#from, table, key);
  }

  #readEpochs(): void {
    for (const row of this.#water.epochs) this.#epochs.set(row.id, row);
    for (const raw of this.#read<RawEpoch>('epochs', 'id')) {
      const row = epochOf(raw);
      if (row === undefined) continue;
      const known = this.#epochs.get(row.id);
      if (known === undefined) this.#epochs.set(row.id, row);
      else if (known.epoch === row.epoch)
        this.#epochs.set(row.id, { ...known, seriesCount: row.seriesCount, last: row.last });
    }
    // What the child names as the end of its parent is exact, and so is the high water; the row itself may be older or damaged.
    for (const { id, parentLast } of this.#epochs.values()) {
      const parent = this.#epochs.get(id - 1);
      if (parent !== undefined && parentLast.length === laneCount)
        this.#epochs.set(id - 1, { ...parent, last: parentLast });
    }
    const mark = this.#water.mark?.epoch;
    if (mark !== undefined) this.#epochs.set(mark.id, mark);
  }

  /** Ids are dense: what follows a definition that cannot be read cannot be used either. */
  #readSeries(): void {
    const found = new Map<number, Uint8Array>();
    for (const { id, definition } of this.#read<{ id: number; definition: Uint8Array }>('series', 'id')) {
      attempt(() => {
        const packed = checkedBytes(definition, 'a definition');
        unpackDefinition(fieldsOf(packed, 'series').fields.nested('definition'));
        found.set(id, packed);
      });
    }
    for (let packed = found.get(0); packed !== undefined; packed = found.get(this.#seriesCount))
      this.#store.insertSeries(this.#seriesCount++, packed);
  }

  #copyCommits(): number[] {
    const ids: number[] = [];
    for (const { id, body } of this.#read<{ id: number; body: Uint8Array }>('commits', 'id')) {
      attempt(() => {
        const { epochId } = decodeCommit(body, id);
        if (!this.#epochs.has(epochId)) return;
        this.#store.appendCommit(id, body);
        ids.push(id);
      });
    }
    return ids.sort((a, b) => a - b);
  }

  #copyRows(): void {
    const pack = this.#from?.prepare<{ body: Uint8Array }>('SELECT body FROM packs WHERE id = ?');
    for (const raw of this.#read<RawRow>('rows', 'id')) {
      attempt(() => {
        if (raw.pack_id === null) {
          const record = this.#store.readCommit(raw.commit_id ?? -1);
          const output = record.outputs[raw.output ?? -1];
          if (output !== undefined && output.first === raw.first && output.last === raw.last)
            this.#addOutput(raw.commit_id ?? -1, record, output, raw.output ?? -1);
          return;
        }
        const body = pack?.get(raw.pack_id)?.body;
        if (body === undefined || rowProblem(raw, contentOf(raw.kind, body), this.#seriesCount) !== undefined) return;
        if (!this.#claim(raw.epoch, raw.lane, raw.first, raw.last)) return;
        const place = { pack: this.#store.insertPack(body) };
        const { lane, first, last, at } = raw;
        const hours = JSON.parse(raw.hours) as number[];
        const kind = partKinds[raw.kind] ?? 'readings';
        this.#store.insertRow({
          epochId: raw.epoch,
          lane,
          kind,
          first,
          last,
          place,
          bytes: body.byteLength,
          at,
          hours,
          batch: null,
        });
        this.#count(first, last);
      });
    }
  }

  #copyVoids(): void {
    for (const raw of this.#read<VoidRow>('voids', 'id')) {
      attempt(() => {
        if (voidProblem(raw) !== undefined || !this.#claim(raw.epoch, raw.lane, raw.first, raw.last)) return;
        const { epoch: epochId, lane, first, last, reason, stats_omitted: statsOmitted } = raw;
        const [stats, hours] = [JSON.parse(raw.stats), JSON.parse(raw.hours)] as [[], []];
        const id = this.#store.voids.insert({ epochId, lane, first, last, reason, stats, statsOmitted, hours });
        // It may be on its way or held: it is not to be grown.
        this.#store.voids.markSent(id);
      });
    }
  }

  /** What no row and no void speaks of, from the commits themselves. */
  #rowsOfCommits(ids: readonly number[]): void {
    for (const id of ids) {
      const record = this.#store.readCommit(id);
      record.outputs.forEach((output, index) => {
        attempt(() => this.#addOutput(id, record, output, index));
      });
    }
  }

  #addOutput(commit: number, record: CommitRecord, output: CommitOutput, index: number): void {
    const { lane, kind, first, last, hours } = output;
    const block = blockOf(record, output);
    const { count, seriesEnd } = contentOf(partKinds.indexOf(kind), block);
    if (count !== last - first + 1 || seriesEnd > this.#seriesCount || !this.#claim(record.epochId, lane, first, last))
      return;
    const place = { commit, output: index };
    const { epochId, now: at } = record;
    this.#store.insertRow({ epochId, lane, kind, first, last, place, bytes: block.byteLength, at, hours, batch: null });
    this.#count(first, last);
  }

  #count(first: number, last: number): void {
    this.#rows++;
    this.#items += last - first + 1;
  }

  /** True where nobody has any of the range, and the epoch could have produced it. */
  #claim(epochId: number, lane: Lane, first: number, last: number): boolean {
    const epoch = this.#epochs.get(epochId);
    if (epoch === undefined || first < 1 || last < first) return false;
    const key = `${epochId}:${lane}`;
    const ranges = this.#covered.get(key) ?? SeqRanges.empty();
    if (ranges.classify(first, last) !== 'new') return false;
    ranges.add(first, last);
    this.#covered.set(key, ranges);
    if (last > (epoch.last[lane] ?? 0))
      this.#epochs.set(epochId, { ...epoch, last: epoch.last.map((old, at) => (at === lane ? last : old)) });
    return true;
  }

  /** A seal stands where its bytes do, so that a copy that is under way is no contradiction; otherwise its rows are free again. */
  #copyBatches(): void {
    const inside = this.#to.prepare<RawRow>(
      'SELECT * FROM rows WHERE epoch = ? AND lane = ? AND batch IS NULL AND first BETWEEN ? AND ? ORDER BY first',
    );
    const blocks = new BlockReader(this.#store);
    for (const raw of this.#read<RawBatch & { acked: number }>('batches', 'id')) {
      attempt(() => {
        const { epoch: epochId, lane, first, last } = raw;
        const rows = inside.all(epochId, lane, first, last);
        if (rows.at(-1)?.last !== last) return;
        const parts = rows.map((row) => {
          const place =
            row.pack_id === null ? { commit: row.commit_id ?? 0, output: row.output ?? 0 } : { pack: row.pack_id };
          return { kind: partKinds[row.kind] ?? 'readings', bytes: blocks.read(place) };
        });
        const epoch = this.#epochs.get(epochId)?.epoch ?? '';
        if (assembleBatch(this.#agent, { epoch, lane, first, last }, parts).crc !== raw.crc) return;
        const batch = this.#store.insertBatch({ epochId, lane, first, last }, raw.crc, raw.acked === 1);
        for (const { id } of rows) this.#store.setBatchOfRow(id, batch);
      });
    }
  }

  #writeEpochs(): void {
    const ordered = [...this.#epochs.values()].sort((a, b) => a.id - b.id);
    for (const row of ordered) {
      const last = row.last.length === laneCount ? row.last : new Array<number>(laneCount).fill(0);
      // A child begins where its parent ended; the last may have defined all that there is.
      const defined = this.#epochs.get(row.id + 1)?.seriesBase ?? this.#seriesCount;
      this.#store.insertEpoch({ ...row, seriesCount: Math.min(defined, this.#seriesCount), last });
    }
  }

  /** Per lane the account adds up to what the epochs produced; what it lost stands under the unknown hour. */
  #writeLedger(): void {
    const lines = [
      ...this.#read<{ lane: Lane; hour: number; produced: number; evicted: number; thinned: number }>(
        'ledger',
        'lane, hour',
      ),
    ];
    for (let lane = 0 as Lane; lane < laneCount; lane = (lane + 1) as Lane) {
      let produced = 0;
      for (const { last } of this.#store.epochs()) produced += last[lane] ?? 0;
      for (const line of lines) {
        const isSound =
          [line.produced, line.evicted, line.thinned, line.hour].every(Number.isSafeInteger) && line.produced >= 0;
        if (line.lane !== lane || !isSound || line.produced > produced) continue;
        produced -= line.produced;
        this.#store.addToLedger(lane, line.hour, line.produced, Math.max(0, line.evicted));
        if (line.thinned > 0) this.#store.addThinnedToLedger(lane, line.hour, line.thinned);
      }
      if (produced > 0) this.#store.addToLedger(lane, -1, produced, 0);
    }
  }

  #copyOthers(): void {
    for (const table of tableNames(this.#to)) {
      if (rebuilt.has(table)) continue;
      const key = keyColumns(this.#to, table).join(', ');
      for (const row of this.#read<Record<string, Value>>(table, key)) attempt(() => copyRow(this.#to, table, row));
    }
    this.#store.addToCounter('damage.salvages', 1);
  }

  #writeState(ids: readonly number[]): boolean {
    const state = new Map<string, Uint8Array | string>();
    for (const { key, value } of this.#read<{ key: string; value: Uint8Array | string }>('state', 'key'))
      state.set(key, value);
    const text = (key: string): string | undefined => {
      const value = state.get(key);
      return typeof value === 'string' ? value : undefined;
    };
    const checkpoint = Number(text('checkpoint'));
    const after = ids.filter((id) => id > checkpoint);
    const end = this.#water.mark?.commit ?? -1;
    const isWhole = Number.isSafeInteger(checkpoint) && after.every((id, at) => id === checkpoint + 1 + at);
    const operators = [...state].filter(([key]) => key.startsWith('operator:'));
    const areSound = operators.every(
      ([key, value]) => attempt(() => checkedBytes(value as Uint8Array, key)) !== undefined,
    );
    const configs = text('config');
    const isConfigSound = configs !== undefined && attempt(() => JSON.parse(configs) as object) !== undefined;
    const seriesEnd = Math.max(0, ...[...this.#epochs.values()].map(({ seriesCount }) => seriesCount));
    // Rows are in tables now, so nothing is left to replay; operators have to be as of the last commit for that.
    const isCurrent = isWhole && after.length === 0 && checkpoint >= end && this.#seriesCount >= seriesEnd;
    const hasOperators = isCurrent && areSound && isConfigSound;
    if (isConfigSound) this.#store.saveState('config', configs);
    if (hasOperators) for (const [key, value] of operators) this.#store.saveState(key, value);
    this.#store.saveState('checkpoint', String(Math.max(0, ids.at(-1) ?? 0, end)));
    for (const key of [damagedKey, frozenKey]) this.#store.saveState(key, String(Math.max(0, ...this.#epochs.keys())));
    return hasOperators;
  }
}

function epochOf(raw: RawEpoch): EpochRow | undefined {
  return attempt(() => {
    const [parentLast, last] = [JSON.parse(raw.parent_last), JSON.parse(raw.last)] as number[][];
    const areNumbers = [...(last ?? []), ...(parentLast ?? [])].every((one) => Number.isSafeInteger(one) && one >= 0);
    if (!/^[0-9a-f]{16}$/.test(raw.epoch) || !areNumbers || last?.length !== laneCount) return undefined;
    const { id, epoch, parent, series_base: seriesBase, series_count: seriesCount } = raw;
    return { id, epoch, parent, parentLast: parentLast ?? [], seriesBase, seriesCount, last };
  });
}
