/**
 * From a database to a running core: the last checkpoint plus a replay of the commits after it. Operators get the inputs again
 * under the configuration they were committed under, their outputs are thrown away, for the outbox rows are in the log. Its cost is
 * bounded by the checkpoint's thresholds, not by the backlog.
 *
 * Every start has a new epoch whose parent is the last one; it is recorded with its first commit or session, so that a process which
 * fails before leaves no trace. A changed configuration ends what the changed operators held open.
 */
import { decodeReadings, readReadingsHeader } from '@fogline/shared/codec/readings';
import { laneCount } from '@fogline/shared/protocol/limits';
import type { Random } from '@fogline/shared/random';
import type { Outbox } from '../outbox/outbox.ts';
import { type CommitResults, Replayable, type ReplayConfig } from '../replayable.ts';
import type { AgentStore } from './agent-store.ts';
import type { CommitRecord } from './commit-record.ts';
import { rememberRepeats } from './intake.ts';
import { checkOwner } from './owner.ts';
import type { RepeatFilter } from './repeat-filter.ts';
import { forgetKey } from './rollback.ts';
import type { DurableSeries } from './series-registry.ts';
import type { EpochRow } from './stored.ts';

/** Commits that are read to remember their readings; the time of a start must not depend on how small commits were. */
const recalledCommitsMax = 16_384;

export interface Recovered {
  readonly replayable: Replayable;
  /** Of this process; not recorded yet. */
  readonly epoch: EpochRow;
  readonly lastCommit: number;
  /** What ended because its configuration changed; to be committed together with the new configuration. */
  readonly drained: Omit<CommitResults, 'ofInputs'>;
  readonly isConfigChanged: boolean;
}

/** Throws `config_invalid`, and `storage_*` for what cannot be read. */
export function recover(
  store: AgentStore,
  outbox: Outbox,
  series: DurableSeries,
  config: ReplayConfig,
  { random, now }: { readonly random: Random; readonly now: number },
): Recovered {
  checkOwner(store, config.agent);
  for (const packed of store.series()) series.load(packed);
  const previous = [...outbox.epochs.values()].at(-1);
  // Before the first epoch there is nothing that a configuration could have made.
  const active = new Replayable((previous === undefined ? undefined : activeConfig(store)) ?? config, series);
  const last = [...(previous?.last ?? new Array<number>(laneCount).fill(0))];
  const lastCommit = replay(store, active, (id, record) => {
    outbox.addCommit(id, record);
    // After a rollback they may be of an epoch before, whose end is known already.
    if (record.epochId === previous?.id)
      for (const output of record.outputs) last[output.lane] = Math.max(last[output.lane] ?? 0, output.last);
  });
  // What the database forgot may have been emitted: counting it twice is worse than losing what was still open (rollback.ts).
  const isForgetting = (store.loadText(forgetKey) ?? '') !== '';
  store.transaction(() => {
    outbox.flush();
    for (const { id, packed } of series.takeNew()) store.insertSeries(id, packed);
    if (previous !== undefined) store.updateEpoch(previous.id, series.count, last);
    saveReplayable(store, active, lastCommit);
    if (isForgetting) {
      store.saveOperators([]);
      store.saveState(forgetKey, '');
    }
  });
  const epoch: EpochRow = {
    id: (previous?.id ?? 0) + 1,
    epoch: Buffer.from(random.bytes(8)).toString('hex'),
    parent: previous?.epoch ?? null,
    parentLast: previous === undefined ? [] : last,
    seriesBase: series.count,
    seriesCount: series.count,
    last: new Array<number>(laneCount).fill(0),
  };
  outbox.clearTail();
  outbox.reloadEpochs();
  const replayable = new Replayable(config, series);
  const kept = replayable.keys();
  const drained = (isForgetting ? replayable : active).drain(kept, now);
  if (!isForgetting) replayable.restore(active.save().filter(({ key }) => kept.has(key)));
  const isConfigChanged = JSON.stringify(active.config) !== JSON.stringify(config);
  return { replayable, epoch, lastCommit, drained, isConfigChanged };
}

/** Part of a checkpoint: state and the configuration it belongs to, after commit `lastCommit`. */
export function saveReplayable(store: AgentStore, replayable: Replayable, lastCommit: number): void {
  store.saveState('config', JSON.stringify(replayable.config));
  store.saveOperators(replayable.save());
  store.saveState('checkpoint', String(lastCommit));
}

/** The configuration of the last checkpoint. */
export function activeConfig(store: AgentStore): ReplayConfig | undefined {
  const saved = store.loadText('config');
  return saved === undefined ? undefined : (JSON.parse(saved) as ReplayConfig);
}

/** Brings what is new up to the last commit of the log; returns the id of that. */
export function replay(
  store: AgentStore,
  replayable: Replayable,
  onCommit: (id: number, record: CommitRecord) => void,
): number {
  replayable.restore(store.loadOperators());
  let lastCommit = Number(store.loadText('checkpoint') ?? 0);
  for (const { id, record } of store.commitsAfter(lastCommit)) {
    const { now, outcomes } = record;
    const inputs = record.inputs.map(({ source, bytes }) => ({ source, columns: decodeReadings(bytes) }));
    replayable.run({ now, inputs, outcomes });
    onCommit(id, record);
    lastCommit = id;
  }
  return lastCommit;
}

/** Fills the repeat filter from the log's tail: the last `filter.depth` readings of any kind, or the last commits. */
export function recallRepeats(store: AgentStore, filter: RepeatFilter): void {
  const ids: number[] = [];
  let readings = 0;
  for (const { id, record } of store.commitsBackwards()) {
    if (readings >= filter.depth || ids.length >= recalledCommitsMax) break;
    for (const input of record.inputs) readings += readReadingsHeader(input.bytes).count;
    ids.push(id);
  }
  for (const id of ids.reverse()) {
    for (const input of store.readCommit(id).inputs)
      if (input.hasSourceTime) rememberRepeats(filter, decodeReadings(input.bytes));
  }
}
