/** One sound message of every kind and form, and the two ends that speak it. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { encodeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { encodeReadings } from '@fogline/shared/codec/readings';
import {
  type BatchPart,
  decodeBatch,
  decodeFlow,
  decodeHello,
  decodeReported,
  decodeSeries,
  decodeStatus,
  decodeVoid,
  decodeWelcome,
  encodeBatch,
  encodeFlow,
  encodeHello,
  encodeReported,
  encodeSeries,
  encodeStatus,
  encodeVoid,
  encodeWelcome,
} from '@fogline/shared/protocol/messages';
import {
  type Answer,
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
  type Query,
} from '@fogline/shared/protocol/raw-query';
import type { answerKind, DownKind, UpKind } from '@fogline/shared/protocol/topics';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import { definitionOf } from './peer.ts';

export const rogue = 'rogue';
export const epoch = '00000000000000b1';
const parent = '00000000000000b0';
const t0 = Date.UTC(2026, 0, 1);
const zero = [0, 0, 0, 0];

function readings(mode: 'fast' | 'dense'): BatchPart {
  const count = 40;
  const rows = Array.from({ length: count }, (_, n) => n);
  const strings = ['open', 'shut', 'x'.repeat(200)];
  const columns = {
    count,
    series: Uint32Array.from(rows, (n) => (n < 30 ? 0 : 1)),
    time: Float64Array.from(rows, (n) => t0 + n * 1_000),
    value: Float64Array.from(rows, (n) => (n < 30 ? n / 10 : n % 3)),
    flags: Uint8Array.from(rows, (n) => (n < 30 ? 0 : 4)),
    strings,
  };
  return { kind: 'readings', bytes: encodeReadings(columns, mode) };
}

function windows(): BatchPart {
  const partial = Partial.empty({ sketch: true });
  for (let n = 0; n < 20; n++) partial.add(t0 + n, n * 1.5);
  const columns = {
    count: 3,
    series: Uint32Array.of(2, 2, 2),
    start: Float64Array.of(t0, t0 + 60_000, t0),
    delta: Uint8Array.of(0, 0, 1),
  };
  return {
    kind: 'windows',
    bytes: encodeWindows({ ...columns, partial: [partial.encode(), partial.encode(), partial.encode()] }),
  };
}

function thinned(): BatchPart {
  const partial = Partial.empty();
  for (let n = 0; n < 20; n++) partial.add(t0 + n, n * 1.5);
  const columns = {
    count: 3,
    series: Uint32Array.of(0, 0, 2),
    start: Float64Array.of(t0, t0 + 60_000, t0),
    items: Float64Array.of(20, 21, 2),
  };
  return {
    kind: 'thinned',
    bytes: encodeThinned({ ...columns, partial: [partial.encode(), partial.encode(), partial.encode()] }),
  };
}

const definitions = [
  definitionOf('value', { tags: [['site', 'north']] }),
  definitionOf('state', { type: 'text' }),
  definitionOf('window', { kind: 'window', stream: 'stats', widthMs: 60_000 }),
];

const batch = { agent: rogue, epoch, lane: 2 } as const;
const offer = { epoch, parent: undefined, seriesBase: 0, seriesCount: 3, last: zero };
const child = { ...offer, epoch: '00000000000000b2', parent: { epoch, last: [0, 0, 80, 0] }, seriesBase: 3 };
const hello = {
  agent: rogue,
  session: 7,
  page: 1,
  pages: 1,
  current: epoch,
  software: 'rogue 1',
  clockMs: t0,
  isClockTrusted: true,
  queued: zero,
};
const stats = [{ series: 0, hour: 490_896, count: 5, min: 1, max: 3, mean: 2 }];

const query: Query = {
  agent: rogue,
  id: 7,
  page: 2,
  fromMs: t0,
  toMs: t0 + 3_600_000,
  rowsMax: 1_000,
  cursor: [3, t0, 5],
  names: [{ device: 'd1', metric: 'temperature', tags: [['room', 'cellar']] }],
};
const answer: Answer = {
  agent: rogue,
  id: 7,
  page: 2,
  refused: undefined,
  next: [9, t0, 0],
  missing: [{ reason: 'not_held', fromMs: undefined, toMs: t0 }],
  definitions,
  block: readings('dense').bytes,
};

/** In an order in which all of it is welcome. */
export const upSamples: readonly (readonly [kind: UpKind, payload: Uint8Array])[] = [
  ['hello', encodeHello({ ...hello, epochs: [offer] })],
  ['series', encodeSeries({ agent: rogue, epoch, first: 0, definitions })],
  ['status', encodeStatus({ agent: rogue, epoch, isOnline: true })],
  ['batch', encodeBatch({ ...batch, first: 1, last: 40, parts: [readings('fast')] })],
  ['batch', encodeBatch({ ...batch, first: 41, last: 83, parts: [readings('dense'), windows()] })],
  ['batch', encodeBatch({ ...batch, lane: 0, first: 10, last: 12, parts: [windows()] })],
  ['batch', encodeBatch({ ...batch, lane: 3, first: 1, last: 43, parts: [thinned()] })],
  [
    'void',
    encodeVoid({
      ...batch,
      lane: 1,
      first: 1,
      last: 10,
      reason: 'evicted_size',
      stats,
      statsOmitted: 5,
      hours: [[490_896, 10]],
    }),
  ],
  [
    'reported',
    encodeReported({
      agent: rogue,
      atMs: t0,
      rows: [{ lane: 2, hour: 490_896, produced: 83, queued: 0, evicted: 0 }],
      counters: [['repeat', 3]],
    }),
  ],
  ['hello', encodeHello({ ...hello, current: child.epoch, epochs: [offer, child] })],
];

export const downSamples: readonly (readonly [kind: DownKind, payload: Uint8Array])[] = [
  [
    'welcome',
    encodeWelcome({
      agent: rogue,
      session: 7,
      page: 1,
      pages: 1,
      to: epoch,
      serverTimeMs: t0,
      window: 32,
      refused: undefined,
      epochs: [
        {
          epoch,
          seriesKnown: 3,
          held: [SeqRanges.from(4, [6, 9, 20, 20]), SeqRanges.empty(), SeqRanges.from(80, []), SeqRanges.empty()],
        },
        { epoch: parent, seriesKnown: 0, held: [0, 1, 2, 3].map(() => SeqRanges.empty()) },
      ],
    }),
  ],
  ['flow', encodeFlow({ agent: rogue, window: 4 })],
  ['query', encodeQuery(query)],
];

export const answerSamples: readonly (readonly [kind: typeof answerKind, payload: Uint8Array])[] = [
  ['answer', encodeAnswer(answer)],
  [
    'answer',
    encodeAnswer({ ...answer, refused: 'busy', next: undefined, missing: [], definitions: [], block: undefined }),
  ],
];

/** A decoder, and what says again what it understood. */
export interface Codec {
  readonly understand: (payload: Uint8Array) => () => Uint8Array;
}

function codec<M>(decode: (payload: Uint8Array) => M, encode: (message: M) => Uint8Array): Codec {
  return {
    understand: (payload) => {
      const message = decode(payload);
      return () => encode(message);
    },
  };
}

export const codecs: Readonly<Record<UpKind | typeof answerKind | DownKind, Codec>> = {
  hello: codec(decodeHello, encodeHello),
  series: codec(decodeSeries, encodeSeries),
  batch: codec(decodeBatch, encodeBatch),
  void: codec(decodeVoid, encodeVoid),
  reported: codec(decodeReported, encodeReported),
  status: codec(decodeStatus, encodeStatus),
  welcome: codec(decodeWelcome, encodeWelcome),
  flow: codec(decodeFlow, encodeFlow),
  query: codec(decodeQuery, encodeQuery),
  answer: codec(decodeAnswer, encodeAnswer),
};
