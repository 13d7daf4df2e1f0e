/** An outbox on a database in memory, for tests: rows come from commits as they do in the agent, readings of two series by turns. */

import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeWindows, encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings, encodeReadings } from '@fogline/shared/codec/readings';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { PartKind } from '@fogline/shared/protocol/messages';
import type { SeriesDefinition } from '@fogline/shared/reading';
import { type Database, openDatabase } from '@fogline/shared/sqlite';
import { AgentStore } from '../journal/agent-store.ts';
import { type CommitOutput, type CommitRecord, encodeCommit } from '../journal/commit-record.ts';
import { agentDatabase } from '../journal/schema.ts';
import type { EpochRow } from '../journal/stored.ts';
import { Outbox } from '../outbox/outbox.ts';
import { hoursOf } from '../pipeline/columns.ts';

export interface Produce {
  readonly lane?: Lane;
  readonly count?: number;
  readonly kind?: PartKind;
  /** Wall time of the commit. */
  readonly at?: number;
  /** Seal everything unsealed of the lane with this commit. */
  readonly isSealed?: boolean;
  /** Instead of readings that count up. */
  readonly bytes?: Uint8Array;
}

/** Every series of the kit carries all readings; windows have 10 s. */
export function definitionOf(series: number): SeriesDefinition {
  return {
    stream: 'live',
    device: `d${series}`,
    metric: 'temperature',
    unit: '',
    kind: 'reading',
    type: 'number',
    sampling: 'all',
    tags: [],
    widthMs: 10_000,
    holdMs: 0,
  };
}

export class OutboxKit {
  readonly db: Database;
  readonly store: AgentStore;
  readonly outbox: Outbox;
  epoch: EpochRow;
  lastCommit = 0;
  #items = 0;

  constructor(db = openDatabase(':memory:', agentDatabase)) {
    this.db = db;
    this.store = new AgentStore(db);
    this.outbox = new Outbox(this.store, 'pi');
    this.epoch = this.openEpoch();
  }

  /** As a restart does. */
  openEpoch(): EpochRow {
    const id = this.outbox.epochs.size + 1;
    const epoch = id.toString(16).padStart(16, '0');
    const [parent, parentLast] = id === 1 ? [null, []] : [this.epoch.epoch, this.epoch.last];
    const row = { id, epoch, parent, parentLast, seriesBase: 2, seriesCount: 2, last: [0, 0, 0, 0] };
    this.store.transaction(() => this.outbox.openEpoch(row));
    this.epoch = row;
    return row;
  }

  /** Commits one row and returns its range. */
  produce({ lane = 2, count = 3, kind = 'readings', at = 0, isSealed = false, bytes }: Produce = {}): CommitOutput {
    const first = (this.epoch.last[lane] ?? 0) + 1;
    const last = first + count - 1;
    const time = Float64Array.from({ length: count }, () => this.#items++ * 1000);
    const block = bytes ?? (kind === 'readings' ? readings(time) : windows(time));
    const output = { lane, kind, first, last, hours: hoursOf(time, count), input: -1, bytes: block };
    const draft = {
      epochId: this.epoch.id,
      now: at,
      inputs: [],
      outputs: [output],
      counted: [],
      actions: [],
      outcomes: [],
    };
    const planned = isSealed ? this.outbox.planSeals(draft, lane, 1000) : [];
    const record: CommitRecord = { ...draft, seals: planned.map(({ seal }) => seal) };
    const id = ++this.lastCommit;
    this.store.transaction(() => this.store.appendCommit(id, encodeCommit(record)));
    this.outbox.addCommit(id, record);
    const lasts = this.epoch.last.map((before, index) => (index === lane ? last : before));
    this.epoch = { ...this.epoch, last: lasts };
    return output;
  }

  checkpoint(): void {
    this.store.transaction(() => {
      this.outbox.flush();
      this.store.updateEpoch(this.epoch.id, this.epoch.seriesCount, this.epoch.last);
    });
    this.outbox.clearTail();
    this.outbox.reloadEpochs();
  }

  /** Every item of the tables as `lane:time`, in no particular order. */
  items(): string[] {
    const rows = this.db
      .prepare<{ lane: number; kind: number; commit_id: number | null; output: number; pack_id: number }>(
        'SELECT * FROM rows',
      )
      .all();
    return rows
      .flatMap(({ lane, kind, commit_id: commit, output, pack_id: pack }) => {
        const block =
          commit === null ? this.store.readPack(pack) : this.store.readCommit(commit).outputs[output]?.bytes;
        if (block === undefined || block === null) throw new Error('a row without a block');
        const times = kind === 0 ? decodeReadings(block).time : decodeWindows(block).start;
        return [...times].map((time) => `${lane}:${time}`);
      })
      .sort();
  }

  /** Ranges of the tables, by lane and order. */
  ranges(): { lane: number; epoch: number; first: number; last: number }[] {
    return this.db
      .prepare<{ lane: number; epoch: number; first: number; last: number }>(
        'SELECT lane, epoch, first, last FROM rows ORDER BY lane, epoch, first',
      )
      .all();
  }

  voids(): { lane: number; first: number; last: number; reason: string }[] {
    return this.db
      .prepare<{ lane: number; first: number; last: number; reason: string }>(
        'SELECT lane, first, last, reason FROM voids ORDER BY lane, epoch, first',
      )
      .all();
  }
}

function readings(time: Float64Array): Uint8Array {
  const count = time.length;
  const half = Math.floor(count / 2);
  return encodeReadings(
    {
      count,
      series: Uint32Array.from({ length: count }, (_, i) => (i < half ? 0 : 1)),
      time,
      value: time.map((t) => t / 7),
      flags: new Uint8Array(count),
      strings: [],
    },
    'fast',
  );
}

function windows(start: Float64Array): Uint8Array {
  const count = start.length;
  const partial = Array.from(start, (time) => {
    const one = Partial.empty();
    one.add(time, time / 7);
    return one.encode();
  });
  return encodeWindows({ count, series: new Uint32Array(count), start, delta: new Uint8Array(count), partial });
}
