/** Messages as JSON, the way PROTOCOL.md writes its golden vectors: bytes as hex, held ranges as flat lists. */
import { SeqRanges } from '../../seq-ranges.ts';
import * as messages from '../messages.ts';
import * as raw from '../raw-query.ts';

export interface Vector {
  readonly kind: string;
  readonly json: string;
  readonly hex: string;
}

/** Every `vector:` block of the document, in order. */
export function vectorsIn(markdown: string): Vector[] {
  const pattern = /^vector: (\w+)\n+```json\n([\s\S]*?)\n```\n+```hex\n([\s\S]*?)\n```/gm;
  return [...markdown.matchAll(pattern)].map(([, kind = '', json = '', hex = '']) => ({
    kind,
    json,
    hex: hex.replace(/\s/g, ''),
  }));
}

interface Codec {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

const held = (flat: readonly number[]): SeqRanges => SeqRanges.from(flat[0] ?? 0, flat.slice(1));
const flat = (ranges: SeqRanges): number[] => [ranges.watermark, ...ranges.beyond];

interface WelcomeJson extends Omit<messages.Welcome, 'epochs'> {
  readonly epochs: readonly {
    readonly epoch: string;
    readonly seriesKnown: number;
    readonly held: readonly (readonly number[])[];
  }[];
}

interface BatchJson extends Omit<messages.BatchMessage, 'parts'> {
  readonly parts: readonly { readonly kind: messages.PartKind; readonly bytes: string }[];
}

const welcome: Codec = {
  encode(value) {
    const { epochs, ...rest } = value as WelcomeJson;
    return messages.encodeWelcome({
      ...rest,
      epochs: epochs.map((answer) => ({ ...answer, held: answer.held.map(held) })),
    });
  },
  decode(bytes) {
    const { epochs, ...rest } = messages.decodeWelcome(bytes);
    return { ...rest, epochs: epochs.map((answer) => ({ ...answer, held: answer.held.map(flat) })) };
  },
};

const batch: Codec = {
  encode(value) {
    const { parts, ...rest } = value as BatchJson;
    return messages.encodeBatch({
      ...rest,
      parts: parts.map(({ kind, bytes }) => ({ kind, bytes: Buffer.from(bytes, 'hex') })),
    });
  },
  decode(bytes) {
    const { parts, ...rest } = messages.decodeBatch(bytes);
    return {
      ...rest,
      parts: parts.map(({ kind, bytes: block }) => ({ kind, bytes: Buffer.from(block).toString('hex') })),
    };
  },
};

const answer: Codec = {
  encode(value) {
    const { block, ...rest } = value as Omit<raw.Answer, 'block'> & { readonly block?: string };
    return raw.encodeAnswer({ ...rest, block: block === undefined ? undefined : Buffer.from(block, 'hex') });
  },
  decode(bytes) {
    const { block, ...rest } = raw.decodeAnswer(bytes);
    return { ...rest, ...(block === undefined ? {} : { block: Buffer.from(block).toString('hex') }) };
  },
};

export const codecs: Readonly<Record<string, Codec>> = {
  hello: { encode: (value) => messages.encodeHello(value as messages.Hello), decode: messages.decodeHello },
  welcome,
  series: { encode: (value) => messages.encodeSeries(value as messages.SeriesMessage), decode: messages.decodeSeries },
  batch,
  void: { encode: (value) => messages.encodeVoid(value as messages.VoidMessage), decode: messages.decodeVoid },
  reported: { encode: (value) => messages.encodeReported(value as messages.Reported), decode: messages.decodeReported },
  status: { encode: (value) => messages.encodeStatus(value as messages.Status), decode: messages.decodeStatus },
  flow: { encode: (value) => messages.encodeFlow(value as messages.Flow), decode: messages.decodeFlow },
  query: { encode: (value) => raw.encodeQuery(value as raw.Query), decode: raw.decodeQuery },
  answer,
};
