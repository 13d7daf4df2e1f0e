/** `/api/v1/quarantine`: what was acked and could not be applied; looked at, tried again, dropped. Of agents that the caller may see. */
import { FoglineError } from '@fogline/shared/errors';
import { answers, orderDone, quarantinedMessage } from '@fogline/shared/hub-api/answers';
import { z } from 'zod';
import { contentOf } from '../store/quarantined-content.ts';
import type { QuarantinedInfo, StoreRead } from '../store/read.ts';
import { pageNewestFirst } from './newest-first.ts';
import { renderList, renderObject } from './output.ts';
import { cursorParam, formatParam, idParam, limitParam } from './params.ts';
import { defineRoute } from './route.ts';

const url = '/api/v1/quarantine';
const id = idParam.describe('Of the message.');

function messageAt(store: StoreRead, asked: number): QuarantinedInfo {
  const found = store.quarantined(asked);
  if (found === undefined) throw new FoglineError('not_found', `nothing is quarantined under ${asked}`);
  return found;
}

const list = defineRoute({
  url,
  scope: 'read',
  summary: 'Messages that were acked but could not be applied. Newest first.',
  answers: answers.quarantine,
  query: z.object({
    agent: z.string().max(64).optional().describe('Only this agent.'),
    format: formatParam,
    limit: limitParam(100, 1_000),
    cursor: cursorParam,
  }),
  answer({ store }, { agent, format, limit, cursor }) {
    const of = agent === undefined ? {} : { agent };
    const asked = { limit, cursor };
    const read = (rows: { readonly before?: number; readonly limit: number }) => store.quarantine({ ...of, ...rows });
    const { page, paging } = pageNewestFirst(['quarantine', agent], asked, read);
    const rows = page.map((row) => ({ ...row }));
    return renderList('quarantine', rows, paging, format);
  },
});

const show = defineRoute({
  url: `${url}/:id`,
  scope: 'read',
  summary: 'One quarantined message, what can be read of it, and its bytes.',
  answers: quarantinedMessage,
  query: z.object({ id }),
  answer({ store }, asked) {
    const { payload, ...message } = messageAt(store, asked.id);
    const content = message.kind === 'batch' ? contentOf(payload) : null;
    return renderObject({ ...message, content, payload: Buffer.from(payload).toString('base64') });
  },
});

const retry = defineRoute({
  method: 'POST',
  url: `${url}/:id/retry`,
  scope: 'write',
  summary: 'Tries to apply a message again, after what kept it out has changed.',
  answers: orderDone,
  query: z.object({ id }),
  answer({ services, store }, asked) {
    messageAt(store, asked.id);
    return renderObject({ done: services.order({ kind: 'quarantine_retry', id: asked.id }) });
  },
});

const drop = defineRoute({
  method: 'DELETE',
  url: `${url}/:id`,
  scope: 'admin',
  summary: 'Forgets a message for good; it stays counted.',
  answers: orderDone,
  query: z.object({ id }),
  answer({ services, store }, asked) {
    messageAt(store, asked.id);
    return renderObject({ done: services.order({ kind: 'quarantine_drop', id: asked.id }) });
  },
});

export const quarantineRoutes = [list, show, retry, drop];
