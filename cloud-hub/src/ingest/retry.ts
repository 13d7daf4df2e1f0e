/**
 * A quarantined message once more, after what kept it out has changed: definitions that came, an epoch that is known now, a build that
 * decodes it. It goes the way of a message that has just come; what still does not fit is quarantined again.
 */
import { FoglineError } from '@fogline/shared/errors';
import { isUpKind } from '@fogline/shared/protocol/topics';
import type { QuarantinedMessage } from '../store/quarantine.ts';
import { ingestHeld } from './apply-batch.ts';
import type { IngestContext } from './context.ts';
import { dispatch } from './dispatch.ts';

function messageAt(context: IngestContext, id: number): QuarantinedMessage {
  const found = context.store.quarantine.message(id);
  if (found === undefined) throw new FoglineError('not_found', `nothing is quarantined under ${id}`);
  return found;
}

/** Returns what became of it. Throws `not_found`. */
export function retryQuarantined(context: IngestContext, id: number): string {
  const { store } = context;
  const { agent: agentId, kind, payload, held } = messageAt(context, id);
  const agent = store.agents.byId(agentId);
  if (agent === undefined || !isUpKind(kind))
    throw new FoglineError('not_found', `message ${id} has no agent any more`);
  if (held !== undefined) return ingestHeld(context, agent, id, held);
  const { batchesRepeated, voidsRepeated } = store.counters;
  store.quarantine.remove(id);
  dispatch(context, agent, kind, payload);
  const still = store.quarantine.find(agentId, payload);
  if (still !== undefined) return `quarantined again: ${still.reason}: ${still.detail}`;
  const isRepeat = store.counters.batchesRepeated > batchesRepeated || store.counters.voidsRepeated > voidsRepeated;
  return isRepeat ? 'what it brings is held already; it is gone from the quarantine' : 'ingested';
}

/** Throws `not_found`. */
export function dropQuarantined(context: IngestContext, id: number): string {
  const { held } = messageAt(context, id);
  context.store.quarantine.forget(id);
  if (held === undefined) return 'dropped';
  return 'dropped; its range stays held, so its agent does not send it again, and the ledger counts it as quarantined';
}
