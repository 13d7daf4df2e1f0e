/** `GET /api/v1/agents` and `ledger`: who there is, and whether everything they produced is accounted for. */

import { answers } from '@fogline/shared/hub-api/answers';
import { lanes, protocolLimits } from '@fogline/shared/protocol/limits';
import { z } from 'zod';
import { decodeCursor, encodeCursor, fingerprint } from '../query/cursor.ts';
import { isoOf, parseRange, type TimeRange } from '../query/time.ts';
import { hourMs } from '../store/levels.ts';
import type { AgentInfo, LedgerLine, StoreRead } from '../store/read.ts';
import { type Row, renderList } from './output.ts';
import { choiceOf, cursorParam, formatParam, limitParam, refuseQuery } from './params.ts';
import { defineRoute } from './route.ts';

const eventsShownMax = 5;

export const agentsRoute = defineRoute({
  url: '/api/v1/agents',
  scope: 'read',
  answers: answers.agents,
  summary: 'The agents: whether they are there, what waits with them, what was refused or went wrong.',
  query: z.object({ format: formatParam, limit: limitParam(1_000, 10_000), cursor: cursorParam }),
  answer({ store }, { format, limit, cursor }) {
    const mark = fingerprint(['agents']);
    const [after = 0] = cursor === undefined ? [] : decodeCursor(cursor, mark, 1);
    const rest = store.listAgents().filter(({ id }) => id > after);
    const page = rest.sort((a, b) => a.id - b.id).slice(0, limit);
    const next = page.length < rest.length ? encodeCursor(mark, [page.at(-1)?.id ?? 0]) : null;
    const quarantined = quarantineByAgent(store);
    const rows = page.map((info) => agentRow(store, info, quarantined.get(info.agent) ?? {}));
    return renderList('agents', rows, { complete: next === null, next }, format);
  },
});

function quarantineByAgent(store: StoreRead): Map<string, Record<string, number>> {
  const byAgent = new Map<string, Record<string, number>>();
  for (const { agent, reason, count } of store.quarantineCounts()) {
    byAgent.set(agent, { ...byAgent.get(agent), [reason]: count });
  }
  return byAgent;
}

function agentRow(store: StoreRead, info: AgentInfo, quarantined: Row): Row {
  const {
    agent,
    site,
    isOnline,
    lastSeenMs,
    epoch,
    software,
    queued,
    clockOffsetMs,
    isClockTrusted,
    createdMs,
    hasCredential,
    isRevoked,
    counters,
  } = info;
  const events = store.events({ agent, limit: eventsShownMax });
  return {
    agent,
    site,
    isOnline,
    lastSeenMs: lastSeenMs ?? null,
    epoch: epoch ?? null,
    software,
    queued: Object.fromEntries(lanes.map((lane, index) => [lane, queued[index] ?? 0])),
    clockOffsetMs: clockOffsetMs ?? null,
    isClockTrusted,
    createdMs,
    hasCredential,
    isRevoked,
    quarantined,
    counters,
    events: events.map(({ id, atMs, kind, detail }) => ({ id, atMs, kind, detail })),
  };
}

export const ledgerRoute = defineRoute({
  url: '/api/v1/ledger',
  scope: 'read',
  answers: answers.ledger,
  summary:
    'What each agent produced, by lane and event hour, and what became of it; unaccounted is 0, or null while more has arrived than the agent reported so far.',
  query: z.object({
    agent: z.string().max(64).optional().describe('Only this agent.'),
    lane: z
      .string()
      .optional()
      .describe(`Only this lane: ${lanes.join(', ')}.`),
    from: z.string().optional().describe('Begin, inclusive; hours that overlap count.'),
    to: z.string().optional().describe('End, exclusive; default now.'),
    format: formatParam,
    limit: limitParam(1_000, 10_000),
    cursor: cursorParam,
  }),
  answer({ store, clock }, asked) {
    const lane = laneOf(asked.lane);
    if (asked.from === undefined && asked.to !== undefined)
      throw refuseQuery('to: give from as well, for example from=now-24h');
    const range = asked.from === undefined ? undefined : parseRange(asked.from, asked.to, clock.now());
    const mark = fingerprint(['ledger', asked.agent, asked.lane, asked.from, asked.to]);
    const lines = store
      .ledger(asked.agent)
      .filter(
        (line) => (lane === undefined || line.lane === lane) && (range === undefined || isWithin(line.hour, range)),
      );
    const begin = asked.cursor === undefined ? 0 : positionAfter(store, lines, decodeCursor(asked.cursor, mark, 3));
    const page = lines.slice(begin, begin + asked.limit);
    const last = begin + page.length < lines.length ? page.at(-1) : undefined;
    const next = last === undefined ? null : encodeCursor(mark, placeOf(store, last));
    const paging = { complete: next === null, next };
    return renderList('ledger', page.map(ledgerRow), paging, asked.format, { totals: totalsOf(lines) });
  },
});

function laneOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : lanes.indexOf(choiceOf('lane', lanes, text));
}

/** Lines whose hour nobody knows (−1) belong to no range. */
function isWithin(hour: number, { fromMs, toMs }: TimeRange): boolean {
  return hour !== unknownHour && (hour + 1) * hourMs > fromMs && hour * hourMs < toMs;
}

const unknownHour = -1;

function placeOf(store: StoreRead, line: LedgerLine): [agent: number, lane: number, hour: number] {
  return [store.agent(line.agent)?.id ?? 0, line.lane, line.hour];
}

/** Lines never vanish, so the place of the last one told is always found. */
function positionAfter(
  store: StoreRead,
  lines: readonly LedgerLine[],
  [agentId = 0, lane = 0, hour = 0]: readonly number[],
): number {
  const agent = store.listAgents().find(({ id }) => id === agentId)?.agent;
  return lines.findIndex((line) => line.agent === agent && line.lane === lane && line.hour === hour) + 1;
}

/** Items for which there is no other place than that the agent gave them up, or that they are lost. */
function leftOf({ produced, delivered, thinned, queued, voided, quarantined }: LedgerLine): number {
  return produced - (delivered + thinned + queued + voided.gone + voided.damaged + quarantined);
}

/**
 * What was given up and is not here: data beats void, and an agent whose disk was put back may give up what it had sent. At least what voids
 * declared; what no void declared yet is believed to the agent's own account.
 */
function evictedOf(line: LedgerLine): number {
  const declared = line.voided.evicted_size + line.voided.evicted_age;
  return Math.max(declared, Math.min(line.evicted, leftOf(line)));
}

/** produced − everything that became of it; the agent reports produced, queued and evicted, the hub knows the rest. */
function unaccountedOf(line: LedgerLine): number {
  return leftOf(line) - evictedOf(line);
}

function ledgerRow(line: LedgerLine): Row {
  const { agent, lane, hour, produced, delivered, thinned, queued, voided, quarantined } = line;
  return {
    agent,
    lane: lanes[lane],
    hourMs: hour === unknownHour ? null : hour * hourMs,
    hour: hour === unknownHour || Math.abs(hour) > protocolLimits.hourMax ? null : isoOf(hour * hourMs),
    produced,
    delivered,
    thinned,
    queued,
    evicted: evictedOf(line),
    voided,
    quarantined,
    unaccounted: orNullBehind(unaccountedOf(line)),
  };
}

function totalsOf(lines: readonly LedgerLine[]): Row {
  const totals = {
    produced: 0,
    delivered: 0,
    thinned: 0,
    queued: 0,
    evicted: 0,
    gone: 0,
    damaged: 0,
    quarantined: 0,
    unaccounted: 0,
  };
  for (const line of lines) {
    totals.produced += line.produced;
    totals.delivered += line.delivered;
    totals.thinned += line.thinned;
    totals.queued += line.queued;
    totals.evicted += evictedOf(line);
    totals.gone += line.voided.gone;
    totals.damaged += line.voided.damaged;
    totals.quarantined += line.quarantined;
    totals.unaccounted += unaccountedOf(line);
  }
  return { ...totals, unaccounted: orNullBehind(totals.unaccounted) };
}

/** Below zero, more has become of the items than the agent's report knows to be produced: the report is behind, nothing is wrong. */
function orNullBehind(unaccounted: number): number | null {
  return unaccounted < 0 ? null : unaccounted;
}
