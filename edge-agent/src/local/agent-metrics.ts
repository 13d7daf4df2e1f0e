/** What the agent tells a scraper. Components keep numbers; they are read when asked. */

import { Metrics } from '@fogline/shared/metrics';
import { lanes } from '@fogline/shared/protocol/limits';
import type { AgentCore } from '../agent-core.ts';
import type { ListenerConfig } from '../config/sources.ts';
import type { MqttListener, SourceCounters } from '../sources/mqtt-listen.ts';

/** An open listener and the names of the sources it serves. */
export interface OpenListener {
  readonly listener: MqttListener;
  readonly sources: ListenerConfig['sources'];
}

export function agentMetrics(core: AgentCore, listeners: readonly OpenListener[]): Metrics {
  const metrics = new Metrics();
  const bySource = (read: (counters: SourceCounters) => number) => (): Record<string, number> =>
    Object.fromEntries(
      listeners.flatMap(({ listener, sources }) => sources.map((name) => [name, read(listener.sourceCounters(name))])),
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
    summed(listeners.flatMap(({ listener, sources }) => sources.map((name) => listener.sourceCounters(name).rejected))),
  );
  metrics.readCounters(
    'agent_broker_total',
    'Refusals, drops and pauses of the local broker, by reason.',
    'reason',
    () => summed(listeners.map(({ listener }) => listener.counters())),
  );
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
