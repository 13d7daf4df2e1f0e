/** `series`: definitions, append-only; what waited for them is ingested in the same transaction. `reported`: the agent's own account. */
import type { Reported, SeriesMessage } from '@fogline/shared/protocol/messages';
import type { AgentState } from '../store/agent-table.ts';
import { ingestWaiting } from './apply-batch.ts';
import type { IngestContext } from './context.ts';

export function applySeries(
  context: IngestContext,
  agent: AgentState,
  message: SeriesMessage,
  payload: Uint8Array,
): void {
  const { store } = context;
  const epoch = store.epochs.find(agent.id, message.epoch);
  if (epoch === undefined) {
    return context.quarantine(agent, {
      kind: 'series',
      reason: 'unknown_epoch',
      detail: `epoch ${message.epoch}`,
      payload,
    });
  }
  const outcome = store.series.define(epoch, message.first, message.definitions, context.limits.seriesPerAgentMax);
  if (outcome.kind !== 'defined') {
    return context.quarantine(agent, { kind: 'series', reason: outcome.kind, detail: outcome.detail, payload });
  }
  store.counters.seriesDefined += outcome.added;
  store.stamps.touchAgent(agent.id);
  // A tombstone may know them already.
  if (outcome.added > 0) store.tombstones.reset();
  if (outcome.added > 0) ingestWaiting(context, agent);
  context.changedAgents.add(agent.name);
}

export function applyReported(context: IngestContext, agent: AgentState, message: Reported): void {
  const { store } = context;
  for (const row of message.rows) store.ledger.report(agent.id, row, message.atMs);
  if (message.counters.length > 0) store.agents.saveCounters(agent, Object.fromEntries(message.counters));
  context.changedAgents.add(agent.name);
}
