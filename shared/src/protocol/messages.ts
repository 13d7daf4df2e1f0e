/**
 * The messages of sync protocol v1 (PROTOCOL.md). Every envelope is one MessagePack array that begins with the version and
 * the origin agent, so it can be relayed unchanged. Decoders accept the exact shape only and throw `message_version` or
 * `message_invalid`. Epochs are 8 random bytes, written as 16 hex digits in memory.
 */
import { FoglineError } from '../errors.ts';
import type { SeriesDefinition } from '../reading.ts';
import { SeqRanges } from '../seq-ranges.ts';
import { packDefinition, unpackDefinition } from './definition.ts';
import { type Fields, fieldsOf, type Packable, packEnvelope } from './envelope.ts';
import { type Lane, laneCount, protocolLimits } from './limits.ts';

export interface EpochOffer {
  readonly epoch: string;
  readonly parent: { readonly epoch: string; readonly last: readonly number[] } | undefined;
  /** How many series definitions the epoch inherited, and how many it has now. */
  readonly seriesBase: number;
  readonly seriesCount: number;
  /** Per lane the highest sequence number produced; 0 = none. */
  readonly last: readonly number[];
}

export interface Hello {
  readonly agent: string;
  /** Random per session; `welcome` repeats it. */
  readonly session: number;
  readonly page: number;
  readonly pages: number;
  /** The epoch of the sending process. */
  readonly current: string;
  readonly software: string;
  readonly clockMs: number;
  readonly isClockTrusted: boolean;
  /** Items queued per lane. */
  readonly queued: readonly number[];
  readonly epochs: readonly EpochOffer[];
}

export interface EpochAnswer {
  readonly epoch: string;
  /** Definitions with ids below this are known, contiguous from 0. */
  readonly seriesKnown: number;
  /** Per lane what the hub durably holds. */
  readonly held: readonly SeqRanges[];
}

export interface Welcome {
  readonly agent: string;
  readonly session: number;
  readonly page: number;
  readonly pages: number;
  readonly to: string;
  readonly serverTimeMs: number;
  /** Most batches in flight. */
  readonly window: number;
  readonly refused: string | undefined;
  readonly epochs: readonly EpochAnswer[];
}

export interface SeriesMessage {
  readonly agent: string;
  readonly epoch: string;
  /** Id of the first definition; the rest follow on. */
  readonly first: number;
  readonly definitions: readonly SeriesDefinition[];
}

/** `thinned`: minutes that stand for items (aggregate/thinned-columns.ts). */
export const partKinds = ['readings', 'windows', 'thinned'] as const;
export type PartKind = (typeof partKinds)[number];

export interface BatchPart {
  readonly kind: PartKind;
  readonly bytes: Uint8Array;
}

export interface SeqRange {
  readonly epoch: string;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
}

export interface BatchMessage extends SeqRange {
  readonly agent: string;
  /** Their item counts add up to last − first + 1. All thinned, or none. */
  readonly parts: readonly BatchPart[];
}

export function isThinned({ parts }: Pick<BatchMessage, 'parts'>): boolean {
  return parts[0]?.kind === 'thinned';
}

export const voidReasons = ['evicted_size', 'evicted_age', 'gone', 'damaged'] as const;
export type VoidReason = (typeof voidReasons)[number];

/** What was lost of one series in one event hour. For window items min, max and mean are over the window's own min, max, mean. */
export interface VoidStat {
  readonly series: number;
  readonly hour: number;
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

export interface VoidMessage extends SeqRange {
  readonly agent: string;
  readonly reason: VoidReason;
  /** Capped at `voidStatsMax`; what did not fit is in `statsOmitted` (items). */
  readonly stats: readonly VoidStat[];
  readonly statsOmitted: number;
  /** Items per event hour (hours since the epoch), complete up to `voidHoursMax`; what did not fit is under hour −1. */
  readonly hours: readonly (readonly [hour: number, items: number])[];
}

/** One line of the agent's account, absolute, so that a repeat changes nothing. */
export interface LedgerRow {
  readonly lane: Lane;
  /** Event hour: hours since the epoch. */
  readonly hour: number;
  readonly produced: number;
  readonly queued: number;
  readonly evicted: number;
}

export interface Reported {
  readonly agent: string;
  readonly atMs: number;
  readonly rows: readonly LedgerRow[];
  /** Counted before the outbox: filtered and rejected by reason, since the database was made. */
  readonly counters: readonly (readonly [name: string, value: number])[];
}

export interface Status {
  readonly agent: string;
  readonly epoch: string;
  readonly isOnline: boolean;
}

/** Asks an agent for a smaller in-flight window until further notice. */
export interface Flow {
  readonly agent: string;
  readonly window: number;
}

const { seqMax, timeMax, hourMax, nameCharactersMax } = protocolLimits;
const epochBytes = 8;

const bin = (hex: string): Uint8Array => Buffer.from(hex, 'hex');

function laneOf(fields: Fields): Lane {
  return fields.integer('lane', 0, laneCount - 1) as Lane;
}

function perLane(fields: Fields, name: string): number[] {
  const inner = fields.nested(name);
  const out = Array.from({ length: laneCount }, () => inner.integer('lane', 0, seqMax));
  inner.end();
  return out;
}

function rangeOf(fields: Fields): SeqRange {
  const epoch = fields.hex('epoch', epochBytes);
  const lane = laneOf(fields);
  const first = fields.integer('first', 1, seqMax);
  const last = fields.integer('last', first, seqMax);
  return { epoch, lane, first, last };
}

export function encodeHello(message: Hello): Uint8Array {
  return packEnvelope(message.agent, [
    message.session,
    message.page,
    message.pages,
    bin(message.current),
    message.software,
    message.clockMs,
    message.isClockTrusted ? 1 : 0,
    message.queued,
    message.epochs.map((offer) => [
      bin(offer.epoch),
      offer.parent === undefined ? null : [bin(offer.parent.epoch), offer.parent.last],
      offer.seriesBase,
      offer.seriesCount,
      offer.last,
    ]),
  ]);
}

export function decodeHello(payload: Uint8Array): Hello {
  const { agent, fields } = fieldsOf(payload, 'hello');
  const hello: Hello = {
    agent,
    session: fields.integer('session', 0, 0xffff_ffff),
    page: fields.integer('page', 1, protocolLimits.pagesMax),
    pages: fields.integer('pages', 1, protocolLimits.pagesMax),
    current: fields.hex('current', epochBytes),
    software: fields.text('software', nameCharactersMax),
    clockMs: fields.integer('clock', -timeMax, timeMax),
    isClockTrusted: fields.integer('clockTrusted', 0, 1) === 1,
    queued: perLane(fields, 'queued'),
    epochs: fields.records('epochs', protocolLimits.epochsPerPageMax, (offer) => ({
      epoch: offer.hex('epoch', epochBytes),
      parent: offer.optional(() => {
        const parent = offer.nested('parent');
        const value = { epoch: parent.hex('epoch', epochBytes), last: perLane(parent, 'last') };
        parent.end();
        return value;
      }),
      seriesBase: offer.integer('seriesBase', 0, protocolLimits.seriesIdMax),
      seriesCount: offer.integer('seriesCount', 0, protocolLimits.seriesIdMax),
      last: perLane(offer, 'last'),
    })),
  };
  fields.end();
  return hello;
}

export function encodeWelcome(message: Welcome): Uint8Array {
  return packEnvelope(message.agent, [
    message.session,
    message.page,
    message.pages,
    bin(message.to),
    message.serverTimeMs,
    message.window,
    message.refused ?? null,
    message.epochs.map((answer) => [
      bin(answer.epoch),
      answer.seriesKnown,
      answer.held.map((held) => [held.watermark, ...held.beyond]),
    ]),
  ]);
}

export function decodeWelcome(payload: Uint8Array): Welcome {
  const { agent, fields } = fieldsOf(payload, 'welcome');
  const welcome: Welcome = {
    agent,
    session: fields.integer('session', 0, 0xffff_ffff),
    page: fields.integer('page', 1, protocolLimits.pagesMax),
    pages: fields.integer('pages', 1, protocolLimits.pagesMax),
    to: fields.hex('to', epochBytes),
    serverTimeMs: fields.integer('serverTime', -timeMax, timeMax),
    window: fields.integer('window', 1, 65_535),
    refused: fields.optional(() => fields.text('refused', nameCharactersMax)),
    epochs: fields.records('epochs', protocolLimits.epochsPerPageMax, (answer) => ({
      epoch: answer.hex('epoch', epochBytes),
      seriesKnown: answer.integer('seriesKnown', 0, protocolLimits.seriesIdMax),
      held: answer.list('held', laneCount, (lane) => {
        const range = lane.nested('lane');
        const watermark = range.integer('watermark', 0, seqMax);
        const beyond: number[] = [];
        while (!range.isAtEnd && beyond.length <= protocolLimits.rangesPerLaneMax * 2)
          beyond.push(range.integer('range', 1, seqMax));
        range.end();
        return SeqRanges.from(watermark, beyond);
      }),
    })),
  };
  fields.end();
  return welcome;
}

export function encodeSeries(message: SeriesMessage): Uint8Array {
  return packEnvelope(message.agent, [bin(message.epoch), message.first, message.definitions.map(packDefinition)]);
}

export function decodeSeries(payload: Uint8Array): SeriesMessage {
  const { agent, fields } = fieldsOf(payload, 'series');
  const message: SeriesMessage = {
    agent,
    epoch: fields.hex('epoch', epochBytes),
    first: fields.integer('first', 0, protocolLimits.seriesIdMax),
    definitions: fields.records('definitions', protocolLimits.seriesPerMessageMax, unpackDefinition),
  };
  fields.end();
  return message;
}

export function encodeBatch(message: BatchMessage): Uint8Array {
  return packEnvelope(message.agent, [
    bin(message.epoch),
    message.lane,
    message.first,
    message.last,
    message.parts.flatMap((part): Packable[] => [partKinds.indexOf(part.kind), part.bytes]),
  ]);
}

export function decodeBatch(payload: Uint8Array): BatchMessage {
  const { agent, fields } = fieldsOf(payload, 'batch');
  const message: BatchMessage = {
    agent,
    ...rangeOf(fields),
    parts: fields.list('parts', protocolLimits.partsPerBatchMax * 2, (part) => ({
      kind: partKinds[part.integer('kind', 0, partKinds.length - 1)] ?? 'readings',
      bytes: part.bytes('bytes', 1, payload.byteLength),
    })),
  };
  fields.end();
  if (message.parts.some(({ kind }) => (kind === 'thinned') !== isThinned(message)))
    throw new FoglineError('message_invalid', 'batch.parts: thinned blocks beside others');
  return message;
}

export function encodeVoid(message: VoidMessage): Uint8Array {
  return packEnvelope(message.agent, [
    bin(message.epoch),
    message.lane,
    message.first,
    message.last,
    voidReasons.indexOf(message.reason),
    message.stats.map((stat) => [stat.series, stat.hour, stat.count, stat.min, stat.max, stat.mean]),
    message.statsOmitted,
    message.hours.flat(),
  ]);
}

export function decodeVoid(payload: Uint8Array): VoidMessage {
  const { agent, fields } = fieldsOf(payload, 'void');
  const message: VoidMessage = {
    agent,
    ...rangeOf(fields),
    reason: voidReasons[fields.integer('reason', 0, voidReasons.length - 1)] ?? 'gone',
    stats: fields.records('stats', protocolLimits.voidStatsMax, (stat) => ({
      series: stat.integer('series', 0, protocolLimits.seriesIdMax),
      hour: stat.integer('hour', -hourMax, hourMax),
      count: stat.integer('count', 1, seqMax),
      min: stat.finite('min'),
      max: stat.finite('max'),
      mean: stat.finite('mean'),
    })),
    statsOmitted: fields.integer('statsOmitted', 0, seqMax),
    hours: fields.list('hours', protocolLimits.voidHoursMax * 2, (hour): [number, number] => [
      hour.integer('hour', -hourMax, hourMax),
      hour.integer('items', 1, seqMax),
    ]),
  };
  fields.end();
  return message;
}

export function encodeReported(message: Reported): Uint8Array {
  return packEnvelope(message.agent, [
    message.atMs,
    message.rows.map((row) => [row.lane, row.hour, row.produced, row.queued, row.evicted]),
    message.counters.flat(),
  ]);
}

export function decodeReported(payload: Uint8Array): Reported {
  const { agent, fields } = fieldsOf(payload, 'reported');
  const message: Reported = {
    agent,
    atMs: fields.integer('at', -timeMax, timeMax),
    rows: fields.records('rows', protocolLimits.ledgerRowsPerMessageMax, (row) => ({
      lane: laneOf(row),
      hour: row.integer('hour', -hourMax, hourMax),
      produced: row.integer('produced', 0, seqMax),
      queued: row.integer('queued', 0, seqMax),
      evicted: row.integer('evicted', 0, seqMax),
    })),
    counters: fields.list('counters', protocolLimits.countersMax * 2, (counter): [string, number] => [
      counter.text('name', nameCharactersMax),
      counter.integer('value', 0, seqMax),
    ]),
  };
  fields.end();
  return message;
}

export function encodeStatus(message: Status): Uint8Array {
  return packEnvelope(message.agent, [bin(message.epoch), message.isOnline ? 1 : 0]);
}

export function decodeStatus(payload: Uint8Array): Status {
  const { agent, fields } = fieldsOf(payload, 'status');
  const message: Status = {
    agent,
    epoch: fields.hex('epoch', epochBytes),
    isOnline: fields.integer('online', 0, 1) === 1,
  };
  fields.end();
  return message;
}

export function encodeFlow(message: Flow): Uint8Array {
  return packEnvelope(message.agent, [message.window]);
}

export function decodeFlow(payload: Uint8Array): Flow {
  const { agent, fields } = fieldsOf(payload, 'flow');
  const message: Flow = { agent, window: fields.integer('window', 1, 65_535) };
  fields.end();
  return message;
}
