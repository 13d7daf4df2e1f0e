/** One message: envelope shape, origin, then its handler. What does not decode is quarantined before anything is touched. */
import { hasCode, messageOf } from '@fogline/shared/errors';
import {
  decodeBatch,
  decodeHello,
  decodeReported,
  decodeSeries,
  decodeStatus,
  decodeVoid,
} from '@fogline/shared/protocol/messages';
import type { UpKind } from '@fogline/shared/protocol/topics';
import type { AgentState } from '../store/agent-table.ts';
import { applyBatch } from './apply-batch.ts';
import { applyHello, applyStatus } from './apply-hello.ts';
import { applyReported, applySeries } from './apply-series.ts';
import { applyVoid } from './apply-void.ts';
import type { IngestContext } from './context.ts';

type Handler<M> = (context: IngestContext, agent: AgentState, message: M, payload: Uint8Array) => void;
type Dispatch = (context: IngestContext, agent: AgentState, payload: Uint8Array) => void;

function handling<M extends { readonly agent: string }>(
  kind: UpKind,
  decode: (payload: Uint8Array) => M,
  apply: Handler<M>,
): Dispatch {
  return (context, agent, payload) => {
    let message: M;
    try {
      message = decode(payload);
    } catch (error) {
      if (!hasCode(error, 'message_invalid', 'message_version')) throw error;
      return context.quarantine(agent, { kind, reason: 'corrupt', detail: messageOf(error), payload });
    }
    if (message.agent !== agent.name) {
      return context.quarantine(agent, { kind, reason: 'foreign', detail: `names agent "${message.agent}"`, payload });
    }
    return apply(context, agent, message, payload);
  };
}

const dispatches: Readonly<Record<UpKind, Dispatch>> = {
  hello: handling('hello', decodeHello, applyHello),
  series: handling('series', decodeSeries, applySeries),
  batch: handling('batch', decodeBatch, applyBatch),
  void: handling('void', decodeVoid, applyVoid),
  reported: handling('reported', decodeReported, applyReported),
  status: handling('status', decodeStatus, applyStatus),
};

export function dispatch(context: IngestContext, agent: AgentState, kind: UpKind, payload: Uint8Array): void {
  dispatches[kind](context, agent, payload);
}
