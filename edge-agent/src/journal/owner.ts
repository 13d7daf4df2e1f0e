import { FoglineError } from '@fogline/shared/errors';
import type { AgentStore } from './agent-store.ts';

/** Throws `config_invalid` for the database of another agent: its name is in every batch that was sealed. */
export function checkOwner(store: AgentStore, agent: string): void {
  const owner = store.owner();
  if (owner === undefined || owner === agent) return;
  throw new FoglineError(
    'config_invalid',
    `${store.db.path} is of agent "${owner}", and this is "${agent}": correct agent.id, or give another buffer.path`,
  );
}
