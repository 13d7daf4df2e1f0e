/**
 * `query` and `answer`: the hub asks an agent for readings of its journal, page by page. Nothing of it is stored or counted; either may be lost.
 * Decoders accept the exact shape only and throw `message_version` or `message_invalid`. PROTOCOL.md §6.
 */
import { FoglineError } from '../errors.ts';
import type { SeriesDefinition } from '../reading.ts';
import { packDefinition, unpackDefinition } from './definition.ts';
import { type Fields, fieldsOf, packEnvelope } from './envelope.ts';
import { protocolLimits } from './limits.ts';

export const rawLimits = {
  /** Names of one query. */
  seriesMax: 256,
  /** Readings of one answer. */
  rowsMax: 8_192,
  answerBytesMax: 262_144,
  missingMax: 64,
} as const;

/** What a source calls a series; its stream, unit and type are not asked for. */
export interface RawName {
  readonly device: string;
  readonly metric: string;
  readonly tags: readonly (readonly [key: string, value: string])[];
}

/** Where a page begins, as the answer before gave it; only the agent knows what it means. */
export type RawCursor = readonly [commit: number, atMs: number, skip: number];

export interface Query {
  readonly agent: string;
  readonly id: number;
  readonly page: number;
  /** Event time, half open. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly rowsMax: number;
  /** Undefined: from the beginning. */
  readonly cursor: RawCursor | undefined;
  readonly names: readonly RawName[];
}

export const missingReasons = ['not_held', 'damaged'] as const;
export type MissingReason = (typeof missingReasons)[number];

/** What the agent wrote between these times of its own clock is missing; undefined: since ever. */
export interface MissingSpan {
  readonly reason: MissingReason;
  readonly fromMs: number | undefined;
  readonly toMs: number;
}

export interface Answer {
  readonly agent: string;
  readonly id: number;
  readonly page: number;
  /** Why there is no answer; everything below is empty then. */
  readonly refused: string | undefined;
  /** Undefined: this is the last page. */
  readonly next: RawCursor | undefined;
  readonly missing: readonly MissingSpan[];
  /** Of the series in `block`, by their ids there. */
  readonly definitions: readonly SeriesDefinition[];
  /** A readings block; undefined: no readings. */
  readonly block: Uint8Array | undefined;
}

const { seqMax, timeMax, nameCharactersMax, tagsMax } = protocolLimits;

export function encodeQuery({ agent, id, page, fromMs, toMs, rowsMax, cursor, names }: Query): Uint8Array {
  const packed = names.map(({ device, metric, tags }) => [device, metric, tags.flat()]);
  return packEnvelope(agent, [id, page, fromMs, toMs, rowsMax, cursor ?? null, packed]);
}

export function decodeQuery(payload: Uint8Array): Query {
  const { agent, fields } = fieldsOf(payload, 'query');
  const query: Query = {
    agent,
    ...headOf(fields),
    fromMs: fields.integer('from', -timeMax, timeMax),
    toMs: fields.integer('to', -timeMax, timeMax),
    rowsMax: fields.integer('rowsMax', 1, rawLimits.rowsMax),
    cursor: cursorOf(fields, 'cursor'),
    names: fields.records('names', rawLimits.seriesMax, (name) => ({
      device: name.text('device', nameCharactersMax),
      metric: name.text('metric', nameCharactersMax),
      tags: name.list('tags', tagsMax * 2, (tag): [string, string] => [
        tag.text('key', nameCharactersMax),
        tag.text('value', nameCharactersMax),
      ]),
    })),
  };
  fields.end();
  if (query.fromMs >= query.toMs) throw new FoglineError('message_invalid', 'query: an empty range');
  return query;
}

export function encodeAnswer(answer: Answer): Uint8Array {
  const { agent, id, page, refused, next, missing, definitions, block } = answer;
  return packEnvelope(agent, [
    id,
    page,
    refused ?? null,
    next ?? null,
    missing.map(({ reason, fromMs, toMs }) => [missingReasons.indexOf(reason), fromMs ?? null, toMs]),
    definitions.map(packDefinition),
    block ?? null,
  ]);
}

export function decodeAnswer(payload: Uint8Array): Answer {
  const { answerBytesMax } = rawLimits;
  if (payload.byteLength > answerBytesMax) {
    const found = `answer: ${payload.byteLength} bytes, at most ${answerBytesMax} are accepted`;
    throw new FoglineError('message_invalid', found);
  }
  const { agent, fields } = fieldsOf(payload, 'answer');
  const answer: Answer = {
    agent,
    ...headOf(fields),
    refused: fields.optional(() => fields.text('refused', nameCharactersMax)),
    next: cursorOf(fields, 'next'),
    missing: fields.records('missing', rawLimits.missingMax, (span) => ({
      reason: missingReasons[span.integer('reason', 0, missingReasons.length - 1)] ?? 'not_held',
      fromMs: span.optional(() => span.integer('from', -timeMax, timeMax)),
      toMs: span.integer('to', -timeMax, timeMax),
    })),
    definitions: fields.records('definitions', rawLimits.rowsMax, unpackDefinition),
    block: fields.optional(() => fields.bytes('block', 1, answerBytesMax)),
  };
  fields.end();
  return answer;
}

function headOf(fields: Fields): { readonly id: number; readonly page: number } {
  return { id: fields.integer('id', 0, 0xffff_ffff), page: fields.integer('page', 1, seqMax) };
}

function cursorOf(fields: Fields, name: string): RawCursor | undefined {
  return fields.optional(() => {
    const cursor = fields.nested(name);
    const commit = cursor.integer('commit', 0, seqMax);
    const atMs = cursor.integer('at', -timeMax, timeMax);
    const skip = cursor.integer('skip', 0, seqMax);
    cursor.end();
    return [commit, atMs, skip];
  });
}
