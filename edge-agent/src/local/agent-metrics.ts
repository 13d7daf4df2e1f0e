/** What the agent tells a scraper. Components keep numbers; they are read when asked. */

import { Metrics } from '@fogline/shared/metrics';
import { lanes } from '@fogline/shared/protocol/limits';
import type { AgentCore } from '../agent-core.ts';
import type { OpenDoor } from '../sources/door.ts';
import type { SourceCounters } from '../sources/source-batcher.ts';

/** The open doors by their kind. */
export interface OpenDoors {
  readonly mqtt: readonly OpenDoor[];
  readonly http: readonly OpenDoor[];
  readonly joined: readonly OpenDoor[];
  readonly file: readonly OpenDoor[];
}

export function agentMetrics(core: AgentCore, doors: OpenDoors): Metrics {
  const metrics = new Metrics();
  const all = (): OpenDoor[] => [...doors.mqtt, ...doors.http, ...doors.joined, ...doors.file];
  const bySource = (read: (counters: SourceCounters) => number) => (): Record<string, number> =>
    Object.fromEntries(
      all().flatMap((door) => door.sources.map((name) => [name, read(door.sourceCounters(name))] as const)),
    );
  metrics.readCounters(
    'agent_readings_total',
    'Readings decoded, by source.',
    'source',
    bySource(({ readings }) => readings),
  );
  metrics.readGauges(
    'agent_source_series',
    'Series seen since the start, by source.',
    'source',
    bySource(({ series }) => series),
  );
  metrics.readCounters('agent_rejected_total', 'What became no reading, by reason.', 'reason', () =>
    summed(all().flatMap((door) => door.sources.map((name) => door.sourceCounters(name).rejected))),
  );
  for (const [kind, name, help] of [
    ['mqtt', 'agent_broker_total', 'Refusals, drops and pauses of the local broker, by reason.'],
    ['http', 'agent_http_total', 'Answers of the HTTP door, by status.'],
    ['joined', 'agent_joined_total', 'Sessions at brokers that the agent joined, by what became of them.'],
    [
      'file',
      'agent_file_total',
      'Bytes that are durable, lines too long, and files done, failed, rotated and truncated.',
    ],
  ] as const) {
    metrics.readCounters(name, help, kind === 'http' ? 'status' : 'reason', () =>
      summed(doors[kind].map((door) => door.counters())),
    );
  }
  metrics.readGauges('agent_queued_items', 'Items whose delivery is not known, by lane.', 'lane', () => {
    const { queuedItems } = core.status();
    return Object.fromEntries(lanes.map((lane, index) => [lane, queuedItems[index] ?? 0]));
  });
  metrics.readCounters(
    'agent_alarm_transitions_total',
    'Transitions of alarms since the start, by what they say.',
    'to',
    () => withPrefix(core.desk.totals(), 'alarm.'),
  );
  metrics.readCounters(
    'agent_actions_total',
    'Actions since the start: decided, done, expired, dropped, refused, suppressed, outdated.',
    'outcome',
    () => withPrefix(core.desk.totals(), 'action.'),
  );
  metrics.readGauge(
    'agent_pending_actions',
    'Actions decided and not known to be carried out.',
    () => core.pendingActions,
  );
  metrics.readGauge('agent_connected', '1 while a session with the hub is ready.', () => (core.isConnected ? 1 : 0));
  metrics.readGauge('agent_overloaded', '1 while acks are withheld because nothing more may be dropped.', () =>
    core.isOverloaded ? 1 : 0,
  );
  metrics.readGauge('agent_database_bytes', 'Database pages in use.', () => core.usedBytes);
  metrics.readCounters(
    'agent_counted_total',
    'Counted before the outbox since the database was made, by name.',
    'name',
    () => core.counters(),
  );
  return metrics;
}

/** What is counted under a prefix, without it. */
function withPrefix(counters: ReadonlyMap<string, number>, prefix: string): Record<string, number> {
  return Object.fromEntries(
    [...counters].flatMap(([name, count]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), count]] : [])),
  );
}

function summed(counters: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const counter of counters)
    for (const [key, count] of Object.entries(counter)) sums[key] = (sums[key] ?? 0) + count;
  return sums;
}
