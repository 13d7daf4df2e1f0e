/** `/api/v1/alarms`: what is the matter now, what was, and who takes care of it. */

import { FoglineError } from '@fogline/shared/errors';
import { alarmHistory, alarmRow, answers } from '@fogline/shared/hub-api/answers';
import { parseDurationMs } from '@fogline/shared/units';
import { z } from 'zod';
import type { Deed } from '../alarms/alarm-deeds.ts';
import { alarmStates } from '../alarms/alarm-state.ts';
import type { AlarmRow } from '../alarms/alarm-view.ts';
import { severities } from '../alarms/severity.ts';
import { decodeCursor, encodeCursor, fingerprint } from '../query/cursor.ts';
import { parseRange } from '../query/time.ts';
import { type Rendered, renderList, renderObject } from './output.ts';
import { choiceParam, cursorParam, formatParam, idParam, limitParam } from './params.ts';
import { type ApiContext, defineRoute } from './route.ts';

const url = '/api/v1/alarms';
const any = 'any';

const listAlarms = defineRoute({
  url,
  scope: 'read',
  summary: 'The alarms of agents, of rules of the hub and of missing agents, as they are now.',
  answers: answers.alarms,
  query: z.object({
    state: choiceParam([any, ...alarmStates], any).describe('Only in this state.'),
    severity: choiceParam([any, ...severities], any).describe(
      'Only of this severity; alarms of agents have none here.',
    ),
    agent: z.string().max(64).optional().describe('Only of this agent.'),
    format: formatParam,
    limit: limitParam(1_000, 10_000),
    cursor: cursorParam,
  }),
  answer({ alarms, clock }, { state, severity, agent, format, limit, cursor }) {
    const mark = fingerprint(['alarms', state, severity, agent]);
    const [after = 0] = cursor === undefined ? [] : decodeCursor(cursor, mark, 1);
    const only = { state: state === any ? undefined : state, severity: severity === any ? undefined : severity, agent };
    const rows = alarms.list({ ...only, after, limit: limit + 1 }, clock.now());
    const page = rows.slice(0, limit).map((row) => ({ ...row }));
    const next = page.length < rows.length ? encodeCursor(mark, [page.at(-1)?.id ?? 0]) : null;
    return renderList('alarms', page, { complete: next === null, next }, format);
  },
});

const id = idParam.describe('Of the alarm.');

const listHistory = defineRoute({
  url: `${url}/history`,
  scope: 'read',
  summary: 'What happened to one alarm, and what people did about it. Newest first, by event time.',
  answers: alarmHistory,
  query: z.object({
    alarm: id,
    from: z.string().default('now-7d').describe('Begin, inclusive: now-6h, RFC 3339 or epoch milliseconds.'),
    to: z.string().optional().describe('End, exclusive; default now.'),
    format: formatParam,
    limit: limitParam(100, 1_000),
    cursor: cursorParam,
  }),
  answer({ alarms, clock }, { alarm, from, to, format, limit, cursor }) {
    const nowMs = clock.now();
    found(alarms.get(alarm, nowMs), alarm);
    const mark = fingerprint(['alarm history', alarm, from, to]);
    const position = cursor === undefined ? undefined : decodeCursor(cursor, mark, 4);
    const range = position === undefined ? parseRange(from, to, nowMs) : undefined;
    const [fromMs = range?.fromMs ?? 0, toMs = range?.toMs ?? 0, timeMs = 0, id = 0] = position ?? [];
    const after = position === undefined ? undefined : { timeMs, id };
    const rows = alarms.history(alarm, { fromMs, toMs, after, limit: limit + 1 });
    const page = rows.slice(0, limit).map((row) => ({ ...row }));
    const last = page.length < rows.length ? page.at(-1) : undefined;
    const next = last === undefined ? null : encodeCursor(mark, [fromMs, toMs, last.timeMs, last.id]);
    return renderList('history', page, { complete: next === null, next }, format);
  },
});

const noteParam = z.string().max(500).default('').describe('Why, for whoever reads the history.');

const acknowledge = defineRoute({
  method: 'POST',
  url: `${url}/:id/ack`,
  scope: 'command',
  summary: 'Says that somebody takes care of an active alarm; it counts until the alarm is over.',
  answers: alarmRow,
  audited: ['note'],
  query: z.object({ id, note: noteParam }),
  answer: (context, { id: alarm, note }) =>
    act(context, alarm, note, ({ deeds }, deed) => deeds.acknowledge(alarm, deed)),
});

const shelve = defineRoute({
  method: 'POST',
  url: `${url}/:id/shelve`,
  scope: 'command',
  summary: 'Has an alarm tell nothing for some time, 7d at most; what it is then is told when that ends.',
  answers: alarmRow,
  audited: ['for', 'note'],
  query: z.object({
    id,
    for: z.string().max(40).describe('For how long: 30m, 8h, 2d.'),
    note: noteParam,
  }),
  answer(context, { id: alarm, for: length, note }) {
    const parsed = parseDurationMs(length);
    if ('problem' in parsed) throw new FoglineError('query_invalid', `for: ${parsed.problem}`);
    return act(context, alarm, note, ({ deeds }, deed) => deeds.shelve(alarm, parsed.value, deed));
  },
});

const unshelve = defineRoute({
  method: 'POST',
  url: `${url}/:id/unshelve`,
  scope: 'command',
  summary: 'Ends the shelving of an alarm before its time.',
  answers: alarmRow,
  audited: ['note'],
  query: z.object({ id, note: noteParam }),
  answer: (context, { id: alarm, note }) => act(context, alarm, note, ({ deeds }, deed) => deeds.unshelve(alarm, deed)),
});

export const alarmRoutes = [listAlarms, listHistory, acknowledge, shelve, unshelve];

/** Does it where the caller sees the alarm, and answers what it is then. */
function act(
  { alarms, services, clock, caller }: ApiContext,
  id: number,
  note: string,
  work: (services: ApiContext['services']['alarms'], deed: Deed) => void,
): Rendered {
  const nowMs = clock.now();
  found(alarms.get(id, nowMs), id);
  work(services.alarms, { who: caller.name, nowMs, note });
  return renderObject(found(alarms.get(id, nowMs), id));
}

function found(row: AlarmRow | undefined, id: number): AlarmRow {
  if (row === undefined) throw new FoglineError('not_found', `no alarm ${id}: take an id of /api/v1/alarms`);
  return row;
}
