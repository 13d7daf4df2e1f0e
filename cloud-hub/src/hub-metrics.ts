/** What the hub shows to a scraper: figures that its parts keep anyway, read when asked. */
import type { Metrics } from '@fogline/shared/metrics';
import type { Alarms } from './alarms/alarms.ts';
import type { AgentBroker } from './broker/agent-broker.ts';
import type { DamageWatch } from './damage-watch.ts';
import type { SoundFolder } from './data-folder.ts';
import type { DiskRoom } from './disk-room.ts';
import type { EdgeAsker } from './edge/edge-asker.ts';
import type { HubCore } from './ingest/hub-core.ts';
import type { Live } from './live/live.ts';

export interface Measured {
  readonly core: HubCore;
  readonly broker: AgentBroker;
  readonly room: DiskRoom;
  readonly damageWatch: DamageWatch;
  readonly folder: SoundFolder;
  readonly live: Live;
  readonly alarms: Alarms;
  readonly edge: EdgeAsker;
}

export function registerHubMetrics(metrics: Metrics, measured: Measured): void {
  registerStore(metrics, measured);
  registerDoors(metrics, measured);
  registerAlarms(metrics, measured);
}

function registerStore(metrics: Metrics, { core, room, damageWatch, folder }: Measured): void {
  metrics.readCounters('hub_ingest_total', 'What ingest did since the start, by kind.', 'kind', () => {
    const numbers = Object.entries(core.read.counters()).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    );
    return Object.fromEntries(numbers);
  });
  metrics.readCounters(
    'hub_quarantined_total',
    'Messages quarantined since the start, by reason.',
    'reason',
    () => core.read.counters().quarantined,
  );
  metrics.readGauges('hub_store', 'Size of the store, by what is counted.', 'what', () => ({
    ...core.read.storeStats(),
  }));
  metrics.readGauge('hub_ingest_queued_bytes', 'Bytes that wait for the next commit.', () => core.queuedBytes());
  metrics.readGauge('hub_disk_free_bytes', "Free on the hub's disk, its ballast apart.", () => room.freeBytes);
  metrics.readGauge('hub_disk_is_full', '1 while nothing is acked because the disk is full.', () =>
    room.problem === undefined ? 0 : 1,
  );
  metrics.readCounters('hub_damage_check_total', 'Rows and whole rounds that were checked for damage.', 'what', () => ({
    rows: damageWatch.rowsChecked,
    rounds: damageWatch.roundsDone,
  }));
  metrics.readGauge('hub_is_salvaged', '1 when this start found its database damaged and salvaged it.', () =>
    folder.isSalvaged ? 1 : 0,
  );
}

function registerDoors(metrics: Metrics, { broker, live, edge }: Measured): void {
  metrics.readGauge('hub_mqtt_connections', 'Open MQTT connections.', () => broker.connectionCount());
  metrics.readGauge(
    'hub_agents_connected',
    'Agents with at least one connection.',
    () => broker.connectedAgents().length,
  );
  metrics.readGauge('hub_live_streams', 'Open streams and WebSockets.', () => live.sessions.count);
  metrics.readCounters(
    'hub_edge_answers_total',
    'Pages asked of agents, by what came of them, and answers that were dropped, by reason.',
    'outcome',
    () => edge.counters(),
  );
  metrics.readCounters(
    'hub_mqtt_refused_total',
    'Refusals, drops and pauses of the MQTT listener, by reason.',
    'reason',
    () => broker.counters(),
  );
}

function registerAlarms(metrics: Metrics, { alarms }: Measured): void {
  metrics.readGauges('hub_alarms', 'Alarms, by state.', 'state', () => alarms.countByState());
  metrics.readCounters(
    'hub_alarm_transitions_total',
    'Transitions of alarms since the start, by what became of them.',
    'what',
    () => alarms.counts,
  );
  metrics.readCounters(
    'hub_alarm_rules_total',
    'Rules and series evaluated since the start, series that could not be answered, buckets left out.',
    'what',
    () => alarms.ruleCounts,
  );
  metrics.readCounters(
    'hub_alarm_notifications_total',
    'Notifications since the start by what became of them, and attempts that failed.',
    'outcome',
    () => alarms.webhooks.counts,
  );
  metrics.readGauges('hub_alarm_notifications_waiting', 'Notifications that wait, by webhook.', 'webhook', () =>
    alarms.webhooks.waiting(),
  );
  metrics.readGauges(
    'hub_alarm_breaker',
    'Circuit breaker of each webhook: 0 closed, 1 half open, 2 open.',
    'webhook',
    () => alarms.breakerLevels(),
  );
}
