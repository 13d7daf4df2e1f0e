/** Rows as SQL gives them → what the store answers. */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { Sampling, ValueType } from '@fogline/shared/reading';
import type { EventKind } from './events.ts';
import type { AgentInfo, HubEvent, LedgerLine, SeriesInfo } from './read.ts';

export interface AgentSql {
  readonly id: number;
  readonly name: string;
  readonly site: string;
  readonly token_hash: Uint8Array | null;
  readonly created: number;
  readonly revoked: number | null;
  readonly last_seen: number | null;
  readonly epoch: string | null;
  readonly software: string;
  readonly queued: string;
  readonly clock_offset: number | null;
  readonly clock_trusted: number;
  readonly counters: string;
}

export function agentFrom(row: AgentSql, isOnline: boolean, lastSeenMs: number | undefined): AgentInfo {
  return {
    id: row.id,
    agent: row.name,
    site: row.site,
    createdMs: row.created,
    isOnline,
    lastSeenMs: lastSeenMs ?? row.last_seen ?? undefined,
    epoch: row.epoch ?? undefined,
    software: row.software,
    queued: JSON.parse(row.queued) as number[],
    clockOffsetMs: row.clock_offset ?? undefined,
    isClockTrusted: row.clock_trusted === 1,
    hasCredential: row.token_hash !== null,
    isRevoked: row.revoked !== null,
    counters: JSON.parse(row.counters) as Record<string, number>,
  };
}

export interface SeriesSql {
  readonly id: number;
  readonly agent_name: string;
  readonly site: string;
  readonly stream: string;
  readonly device: string;
  readonly metric: string;
  readonly unit: string;
  readonly kind: 'reading' | 'window';
  readonly type: ValueType;
  readonly sampling: Sampling;
  readonly tags: string;
  readonly width: number;
  readonly hold: number;
  readonly widths: string;
}

/** What most series have. */
const none: SeriesInfo['tags'] = [];
const ofReadings: SeriesInfo['widthsMs'] = [0];

export function seriesFrom(row: SeriesSql): SeriesInfo {
  const { id, stream, device, metric, unit, kind, type, sampling } = row;
  return {
    id,
    agent: row.agent_name,
    site: row.site,
    stream,
    device,
    metric,
    unit,
    kind,
    type,
    sampling,
    tags: row.tags === '[]' ? none : (JSON.parse(row.tags) as [string, string][]),
    widthMs: row.width,
    holdMs: row.hold,
    widthsMs: row.widths === '[0]' ? ofReadings : (JSON.parse(row.widths) as number[]),
  };
}

export interface LedgerSql {
  readonly agent: number;
  readonly agent_name: string;
  readonly lane: Lane;
  readonly hour: number;
  readonly delivered: number;
  readonly thinned: number;
  readonly quarantined: number;
  readonly evicted_size: number;
  readonly evicted_age: number;
  readonly gone: number;
  readonly damaged: number;
  readonly produced: number;
  readonly queued: number;
  readonly evicted: number;
}

export function ledgerFrom(row: LedgerSql): LedgerLine {
  const { lane, hour, delivered, thinned, quarantined, produced, queued, evicted } = row;
  const { evicted_size, evicted_age, gone, damaged } = row;
  const voided = { evicted_size, evicted_age, gone, damaged };
  return { agent: row.agent_name, lane, hour, delivered, thinned, quarantined, voided, produced, queued, evicted };
}

export interface EventSql {
  readonly id: number;
  readonly at: number;
  readonly agent_name: string;
  readonly kind: EventKind;
  readonly epoch: string | null;
  readonly detail: string;
}

export function eventFrom(row: EventSql): HubEvent {
  const detail = JSON.parse(row.detail) as Record<string, unknown>;
  return { id: row.id, atMs: row.at, agent: row.agent_name, kind: row.kind, epoch: row.epoch ?? undefined, detail };
}
