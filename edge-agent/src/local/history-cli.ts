/**
 * Commands that read an agent's database beside the running agent, or without one: `status`, `query`, `outbox`,
 * `quarantine`. They open it read-only.
 */
import { defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { laneCount, lanes } from '@fogline/shared/protocol/limits';
import type { Database } from '@fogline/shared/sqlite';
import { formatSize, parseDurationMs } from '@fogline/shared/units';
import { type AlarmStatus, statusOf } from '../alarms/desk.ts';
import { loadAgentConfig } from '../config.ts';
import { openExisting } from '../data-folder.ts';
import { AgentStore } from '../journal/agent-store.ts';
import { checkOwner } from '../journal/owner.ts';
import { activeConfig, replay } from '../journal/recovery.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import { Outbox } from '../outbox/outbox.ts';
import { Replayable } from '../replayable.ts';
import { readHistory } from './history.ts';
import { configOption } from './run-cli.ts';

const options = { config: configOption } as const;
/** Of counters: `rejected.<source>.<reason>`. */
const rejectedPrefix = 'rejected.';

function withStore<T>(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  read: (store: AgentStore, agent: string, db: Database) => T,
): T {
  const { value: config } = loadAgentConfig({ file }, env);
  const db = openExisting(config.buffer.path);
  try {
    const store = new AgentStore(db);
    checkOwner(store, config.agent);
    return read(store, config.agent, db);
  } finally {
    db.close();
  }
}

/** The outbox as the log has it: the tables of the last checkpoint plus the commits after it. */
function outboxOf(store: AgentStore, agent: string): Outbox {
  const outbox = new Outbox(store, agent);
  for (const { id, record } of commitsSinceCheckpoint(store)) outbox.addCommit(id, record);
  return outbox;
}

/** Counters as the log has them. */
function countersOf(store: AgentStore): Map<string, number> {
  const counters = new Map(store.counters().map(({ name, value }) => [name, value]));
  for (const { record } of commitsSinceCheckpoint(store)) {
    for (const [name, count] of record.counted) counters.set(name, (counters.get(name) ?? 0) + count);
  }
  return counters;
}

/** Alarms that are not normal, as the log has them. */
function alarmsOf(store: AgentStore): AlarmStatus[] {
  const config = activeConfig(store);
  if (config === undefined || config.alarms.length === 0) return [];
  const series = new DurableSeries();
  for (const packed of store.series()) series.load(packed);
  const replayable = new Replayable(config, series);
  replay(store, replayable, () => undefined);
  return statusOf(replayable.alarms);
}

function commitsSinceCheckpoint(store: AgentStore): ReturnType<AgentStore['commitsAfter']> {
  return store.commitsAfter(Number(store.loadText('checkpoint') ?? 0));
}

const status = defineCommand({
  name: 'status',
  summary: 'Shows what the agent holds: epochs, queue per lane, size, alarms, counters.',
  options,
  run({ options: { config }, io }) {
    withStore(config, io.env, (store, agent, db) => {
      const outbox = outboxOf(store, agent);
      const queued = outbox.queued();
      const epoch = [...outbox.epochs.values()].at(-1);
      io.out(`agent     ${agent}`);
      io.out(`epoch     ${epoch?.epoch ?? 'none'} (${outbox.epochs.size} in all)`);
      io.out(`database  ${formatSize(db.usedBytes())} in use, ${store.lastCommitId()} commits`);
      const thinned = new Array<number>(laneCount).fill(0);
      for (const { lane, thinned: items } of store.wholeLedger()) thinned[lane] = (thinned[lane] ?? 0) + items;
      lanes.forEach((lane, index) => {
        const minutes = thinned[index] === 0 ? '' : `; as minutes so far: ${thinned[index]} items`;
        io.out(`queue     ${lane.padEnd(7)} ${queued[index] ?? 0} items${minutes}`);
      });
      for (const { alarm, device, severity, state, isAcknowledged, since, value } of alarmsOf(store)) {
        const acknowledged = isAcknowledged ? ', acknowledged' : '';
        const when = new Date(since).toISOString();
        io.out(`alarm     ${alarm} on ${device}: ${state}${acknowledged}, ${severity}, since ${when}, at ${value}`);
      }
      for (const [name, count] of countersOf(store)) io.out(`counted   ${name} ${count}`);
    });
  },
});

const outbox = defineCommand({
  name: 'outbox',
  summary: 'Lists per lane and event hour what was produced, is queued, was evicted, was thinned; and every void.',
  options,
  run({ options: { config }, io }) {
    withStore(config, io.env, (store, agent) => {
      const queued = outboxOf(store, agent).queuedByHour();
      io.out(['lane', 'hour', 'produced', 'queued', 'evicted', 'thinned'].join('\t'));
      for (const { lane, hour, produced, evicted, thinned } of store.wholeLedger()) {
        io.out(
          [lanes[lane], hourText(hour), produced, queued.get(`${lane}:${hour}`) ?? 0, evicted, thinned].join('\t'),
        );
      }
      for (let lane = 0; lane < laneCount; lane++) {
        const epochs = store.epochs();
        for (const { epochId, first, last, reason } of epochs.flatMap(({ id }) =>
          store.voids.in({ epochId: id, lane: lane as 0, first: 1, last: Number.MAX_SAFE_INTEGER }),
        )) {
          io.out(
            ['void', lanes[lane], epochs.find(({ id }) => id === epochId)?.epoch, `${first}..${last}`, reason].join(
              '\t',
            ),
          );
        }
      }
    });
  },
});

const query = defineCommand({
  name: 'query',
  summary: 'Prints readings of the local history as NDJSON, oldest first.',
  options: {
    ...options,
    device: { type: 'text', help: 'only this device', placeholder: 'NAME' },
    metric: { type: 'text', help: 'only this metric', placeholder: 'NAME' },
    since: { type: 'text', help: 'how far back, by event time', placeholder: 'DURATION', default: '1h' },
    limit: { type: 'integer', help: 'most readings printed', default: 10_000 },
  },
  run({ options: { config, device, metric, since, limit }, io }) {
    const back = parseDurationMs(since);
    if ('problem' in back) throw new FoglineError('usage', `--since: ${back.problem}`);
    withStore(config, io.env, (store) => {
      const series = new DurableSeries();
      for (const packed of store.series()) series.load(packed);
      const from = systemClock.now() - back.value;
      let printed = 0;
      for (const reading of readHistory(store, series, { from, device, metric })) {
        if (printed++ >= limit) {
          io.err(`stopped after ${limit} readings; ask for less with --since, --device or --metric, or raise --limit`);
          break;
        }
        io.out(JSON.stringify(reading));
      }
    });
  },
});

const quarantine = defineCommand({
  name: 'quarantine',
  summary:
    'Shows what arrived and became no reading: counts by reason, and the last payloads of each, up to the last checkpoint.',
  options,
  run({ options: { config }, io }) {
    withStore(config, io.env, (store) => {
      for (const [name, count] of countersOf(store)) {
        if (name.startsWith(rejectedPrefix)) io.out(`${name.slice(rejectedPrefix.length)}\t${count}`);
      }
      for (const sample of store.rejectedSamples()) io.out(JSON.stringify(sample));
    });
  },
});

function hourText(hour: number): string {
  return hour < 0 ? 'unknown' : new Date(hour * 3_600_000).toISOString().slice(0, 13);
}

export const historyCommands = [status, query, outbox, quarantine];
