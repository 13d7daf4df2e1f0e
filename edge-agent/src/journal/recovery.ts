/**
 * From a database to a running core: the last checkpoint plus a replay of the commits after it. Operators get the inputs again
 * under the configuration they were committed under, their outputs are thrown away, for the outbox rows are in the log. Its cost is
 * bounded by the checkpoint's thresholds, not by the backlog.
 *
 * Every start has a new epoch whose parent is the last one; it is recorded with its first commit or session, so that a process which
 * fails before leaves no trace. A changed configuration ends what the changed operators held open.
 */
import { decodeReadings, readReadingsHeader } from '@fogline/shared/codec/readings';
import { FoglineError } from '@fogline/shared/errors';
import { laneCount } from '@fogline/shared/protocol/limits';
import type { Random } from '@fogline/shared/random';
import type { PipelineConfig } from '../core-config.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { Pipeline, type StreamItems } from '../pipeline/pipeline.ts';
import type { AgentStore } from './agent-store.ts';
import { rememberRepeats } from './intake.ts';
import type { RepeatFilter } from './repeat-filter.ts';
import type { DurableSeries } from './series-registry.ts';
import type { EpochRow } from './stored.ts';

/** Commits that are read to remember their readings; the time of a start must not depend on how small commits were. */
const recalledCommitsMax = 16_384;

export interface Recovered {
  readonly pipeline: Pipeline;
  /** Of this process; not recorded yet. */
  readonly epoch: EpochRow;
  readonly lastCommit: number;
  /** What ended because its configuration changed; to be committed together with the new configuration. */
  readonly drained: readonly StreamItems[];
  readonly isConfigChanged: boolean;
}

/** Throws `config_invalid` for the database of another agent: its name is in every batch that was sealed. */
export function checkOwner(store: AgentStore, agent: string): void {
  const owner = store.owner();
  if (owner === undefined || owner === agent) return;
  throw new FoglineError(
    'config_invalid',
    `${store.db.path} is of agent "${owner}", and this is "${agent}": correct agent.id, or give another buffer.path`,
  );
}

/** Throws `config_invalid`, and `storage_*` for what cannot be read. */
export function recover(
  agent: string,
  store: AgentStore,
  outbox: Outbox,
  series: DurableSeries,
  configs: readonly PipelineConfig[],
  random: Random,
): Recovered {
  checkOwner(store, agent);
  for (const packed of store.series()) series.load(packed);
  const previous = [...outbox.epochs.values()].at(-1);
  const savedConfigs = store.loadText('pipelines');
  const activeConfigs = savedConfigs === undefined ? configs : (JSON.parse(savedConfigs) as PipelineConfig[]);
  const active = new Pipeline(activeConfigs, series);
  active.restore(store.loadOperators());
  const checkpoint = Number(store.loadText('checkpoint') ?? 0);
  const last = [...(previous?.last ?? new Array<number>(laneCount).fill(0))];
  let lastCommit = checkpoint;
  for (const { id, record } of store.commitsAfter(checkpoint)) {
    for (const input of record.inputs) active.process(input.source, decodeReadings(input.bytes), record.now);
    active.tick(record.now);
    outbox.addCommit(id, record);
    for (const output of record.outputs) last[output.lane] = Math.max(last[output.lane] ?? 0, output.last);
    lastCommit = id;
  }
  store.transaction(() => {
    outbox.flush();
    for (const { id, packed } of series.takeNew()) store.insertSeries(id, packed);
    if (previous !== undefined) store.updateEpoch(previous.id, series.count, last);
    store.saveState('pipelines', JSON.stringify(activeConfigs));
    store.saveOperators(active.save());
    store.saveState('checkpoint', String(lastCommit));
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
  const pipeline = new Pipeline(configs, series);
  const kept = pipeline.keys();
  const drained = active.drain(kept);
  pipeline.restore(active.save().filter(({ key }) => kept.has(key)));
  const isConfigChanged = JSON.stringify(activeConfigs) !== JSON.stringify(configs);
  return { pipeline, epoch, lastCommit, drained, isConfigChanged };
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
