/**
 * Series renamed, merged, and ranges of them deleted: orders as the commands give them, carried out and committed before the answer. Of agents that
 * the caller may see. What cannot be brought back asks for `admin`.
 */

import { FoglineError } from '@fogline/shared/errors';
import { answers, orderDone } from '@fogline/shared/hub-api/answers';
import { z } from 'zod';
import { decodeCursor, encodeCursor, fingerprint } from '../query/cursor.ts';
import { parseRange } from '../query/time.ts';
import type { StoreRead } from '../store/read.ts';
import { renderList, renderObject } from './output.ts';
import { cursorParam, formatParam, idParam, limitParam, refuseQuery } from './params.ts';
import { defineRoute } from './route.ts';

const id = idParam.describe('Of the series.');
const name = z.string().max(256).optional();

function checkSeen(store: StoreRead, ...ids: readonly number[]): void {
  for (const series of ids)
    if (store.series(series) === undefined)
      throw new FoglineError('not_found', `no series ${series}: the list of series has the ids`);
}

const rename = defineRoute({
  method: 'POST',
  url: '/api/v1/series/:id/rename',
  scope: 'write',
  summary: 'Gives a series another name; its agent goes on to call it as before.',
  answers: orderDone,
  audited: ['metric', 'device', 'stream', 'unit'],
  query: z.object({
    id,
    metric: name.describe('New metric; what is left out stays.'),
    device: name.describe('New device.'),
    stream: name.describe('New stream.'),
    unit: name.describe('New unit; values stay as they are.'),
  }),
  answer({ services, store }, { id: series, ...given }) {
    const names = Object.fromEntries(Object.entries(given).filter(([, text]) => text !== undefined));
    if (Object.keys(names).length === 0) throw refuseQuery('give the new name: metric, device, stream or unit');
    checkSeen(store, series);
    return renderObject({ done: services.order({ kind: 'series_rename', series, names }) });
  },
});

const merge = defineRoute({
  method: 'POST',
  url: '/api/v1/series/:id/merge',
  scope: 'write',
  summary: 'Reads one series as part of another from now on, history included.',
  answers: orderDone,
  audited: ['into'],
  query: z.object({ id, into: z.int().positive().describe('The series that both are read as.') }),
  answer({ services, store }, { id: series, into }) {
    checkSeen(store, series, into);
    return renderObject({ done: services.order({ kind: 'series_merge', series, into }) });
  },
});

const deleteRange = defineRoute({
  method: 'POST',
  url: '/api/v1/series/:id/delete-range',
  scope: 'admin',
  summary: 'Deletes a range of a series for good: what comes for it later is left out too.',
  answers: orderDone,
  audited: ['from', 'to'],
  query: z.object({
    id,
    from: z.string().describe('Begin, inclusive: RFC 3339 with offset, or epoch milliseconds.'),
    to: z.string().describe('End, exclusive.'),
  }),
  answer({ services, store, clock }, { id: series, from, to }) {
    const { fromMs, toMs } = parseRange(from, to, clock.now());
    checkSeen(store, series);
    return renderObject({ done: services.order({ kind: 'series_delete', series, fromMs, toMs }) });
  },
});

const listDeleted = defineRoute({
  url: '/api/v1/deleted',
  scope: 'read',
  summary: 'The ranges of series that were deleted, what they held, and what came for them since. Oldest first.',
  answers: answers.deleted,
  query: z.object({ format: formatParam, limit: limitParam(1_000, 10_000), cursor: cursorParam }),
  answer({ store }, { format, limit, cursor }) {
    const mark = fingerprint(['deleted']);
    const [told = 0] = cursor === undefined ? [] : decodeCursor(cursor, mark, 1);
    const all = store.tombstones();
    const page = all.slice(told, told + limit);
    const next = told + page.length < all.length ? encodeCursor(mark, [told + page.length]) : null;
    const rows = page.map(({ series, agent, fromMs, toMs, atMs, readings, late }) => {
      return { series: series ?? null, agent, fromMs, toMs, atMs, readings, late };
    });
    return renderList('deleted', rows, { complete: next === null, next }, format);
  },
});

export const seriesOrderRoutes = [rename, merge, deleteRange, listDeleted];
