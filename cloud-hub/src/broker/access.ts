/**
 * Who may do what on the hub's broker: an agent proves itself with its id and token, connects as `{agent}:{epoch}`, and touches
 * its own topics only. Everything else is refused; the broker counts it.
 */
import {
  agentIdPattern,
  answerKind,
  isDownKind,
  isUpKind,
  parseTopic,
  type UpKind,
} from '@fogline/shared/protocol/topics';

export interface AgentIdentity {
  readonly agent: string;
  /** 16 hex digits, from the client id. */
  readonly epoch: string;
}

/** Splits `{agent}:{epoch}`; undefined when it is not of that form. */
export function parseClientId(clientId: string): AgentIdentity | undefined {
  const match = /^([^:]+):([0-9a-f]{16})$/.exec(clientId);
  if (match?.[1] === undefined || match[2] === undefined || !agentIdPattern.test(match[1])) return undefined;
  return { agent: match[1], epoch: match[2] };
}

/** The kind of a message that this agent may publish on `topic`; undefined when it may not. */
export function upKindOf(identity: AgentIdentity, topic: string): UpKind | typeof answerKind | undefined {
  const parsed = parseTopic(topic);
  if (parsed?.agent !== identity.agent) return undefined;
  return isUpKind(parsed.kind) || parsed.kind === answerKind ? parsed.kind : undefined;
}

/** Whole topics only: a wildcard is refused even where it would match nothing foreign. */
export function maySubscribe(identity: AgentIdentity, filter: string): boolean {
  const parsed = parseTopic(filter);
  return parsed?.agent === identity.agent && isDownKind(parsed.kind);
}
