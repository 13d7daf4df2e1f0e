/**
 * `npm run bench -- codec FILE.csv…`: one JSON object per file, then a table.
 *
 * Size: independent blobs of 1,000 readings each, everything included (head, directory, checksum). `bitsPerValue` is taken
 * with one reading a second, so that times cost next to nothing and yet count; `bitsPerTimestamp` is what the file's own
 * times add to that. Speed: whole readings (series, time, value, flags) per CPU-second in the same blocks, all peers
 * interleaved round by round, median of the rounds; msgpackr packs the same four columns as plain arrays. A file of many
 * columns is a fleet: one series each, one batch per row (live), and a day of them merged. Its `…Payload` figures are whole MQTT
 * payloads, envelopes included, of the batches as an agent sends them live and after a day offline.
 */

import { cpus, loadavg } from 'node:os';
import { basename } from 'node:path';
import { encodeReadings, mergeReadings } from '@fogline/shared/codec/readings';
import { encodeBatch } from '@fogline/shared/protocol/messages';
import { type Block, blockOf, type Peer, peers } from './peers.ts';
import { type FleetFile, readFleet, readSeries } from './series-file.ts';

const blockRows = 1000;
const rounds = 25;
const warmups = 25;
/** Blocks of a round: long files are sampled evenly, short ones repeated. */
const blocksTimed = 40;
const dayMs = 86_400_000;

interface Speed {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly n: number;
}

let consumed = 0;

export async function run(args: string[]): Promise<void> {
  if (args.length === 0) throw new Error('usage: npm run bench -- codec FILE.csv…');
  const rows: string[] = [];
  const fleets: string[] = [];
  const all: SeriesFigures[] = [];
  for (const path of args) {
    const fleet = readFleet(path);
    if (fleet !== undefined) {
      const figures = fleetFigures(fleet);
      console.log(JSON.stringify({ bench: 'codec', file: basename(path), ...figures, ...machine() }));
      const { bytesPerReadingLivePayload: live, bytesPerReadingOfflineDayPayload: offline } = figures;
      fleets.push(`${basename(path)}: ${live} bytes of payload a reading live, ${offline} after a day offline`);
      continue;
    }
    const figures = seriesFigures(path);
    all.push(figures);
    console.log(JSON.stringify({ bench: 'codec', file: basename(path), ...figures, ...machine() }));
    rows.push(tableRow(basename(path), figures));
  }
  if (all.length > 1) console.log(JSON.stringify({ bench: 'codec', file: 'all', ...together(all), ...machine() }));
  if (fleets.length > 0) console.log(`\n${fleets.join('\n')}`);
  if (rows.length > 0) console.log(`\n${tableHead}\n${rows.join('\n')}\n(checksum of all results: ${consumed % 1000})`);
}

function machine() {
  return { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0] };
}

function cut(values: Float64Array, times: Float64Array): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < values.length; at += blockRows) {
    blocks.push(blockOf(values.slice(at, at + blockRows), times.slice(at, at + blockRows)));
  }
  return blocks;
}

function seriesFigures(path: string) {
  const { values, times } = readSeries(path);
  const steady = Float64Array.from(values, (_, i) => 1_700_000_000_000 + i * 1000);
  const blocks = cut(values, steady);
  const bits = Object.fromEntries(peers.map((peer) => [peer.name, bitsPerValue(peer, blocks)]));
  const speeds = timePeers(blocks);
  const of = (name: string, way: 'encode' | 'decode') => speeds[name]?.[way] ?? { median: 0, min: 0, max: 0, n: 0 };
  const ratio = (name: string, way: 'encode' | 'decode', peer: string) =>
    Number((of(name, way).median / of(peer, way).median).toFixed(2));
  return {
    values: values.length,
    blockRows,
    bitsPerValue: bits.dense,
    bitsPerValueFast: bits.fast,
    bitsPerTimestamp: times === undefined ? null : bitsPerTimestamp(values, times, steady),
    encodePerS: of('fast', 'encode'),
    decodePerS: of('fast', 'decode'),
    encodeDensePerS: of('dense', 'encode'),
    decodeDensePerS: of('dense', 'decode'),
    peers: Object.fromEntries(
      peers
        .slice(2)
        .map(({ name }) => [
          name,
          { bitsPerValue: bits[name], encodePerS: of(name, 'encode'), decodePerS: of(name, 'decode') },
        ]),
    ),
    ratios: {
      fastEncodeToMsgpackr: ratio('fast', 'encode', 'msgpackr'),
      fastDecodeToMsgpackr: ratio('fast', 'decode', 'msgpackr'),
      fastEncodeToGorilla: ratio('fast', 'encode', 'gorilla'),
      fastDecodeToGorilla: ratio('fast', 'decode', 'gorilla'),
      denseEncodeToFast: ratio('dense', 'encode', 'fast'),
      denseDecodeToFast: ratio('dense', 'decode', 'fast'),
    },
  };
}

type SeriesFigures = ReturnType<typeof seriesFigures>;

/** Means over the files, and ratios of the time that all of them take, every file weighing the same. */
function together(all: readonly SeriesFigures[]) {
  const mean = (numbers: readonly number[]) =>
    Number((numbers.reduce((sum, each) => sum + each, 0) / numbers.length).toFixed(3));
  const secondsOf = (speed: (figures: SeriesFigures) => Speed | undefined) =>
    all.reduce((sum, figures) => sum + 1 / (speed(figures)?.median ?? Number.NaN), 0);
  const ratio = (own: (figures: SeriesFigures) => Speed, peer: (figures: SeriesFigures) => Speed | undefined): number =>
    Number((secondsOf(peer) / secondsOf(own)).toFixed(2));
  return {
    files: all.length,
    bitsPerValue: mean(all.map((figures) => figures.bitsPerValue ?? Number.NaN)),
    bitsPerValueFast: mean(all.map((figures) => figures.bitsPerValueFast ?? Number.NaN)),
    ratios: {
      fastEncodeToMsgpackr: ratio(
        (own) => own.encodePerS,
        ({ peers: { msgpackr } }) => msgpackr?.encodePerS,
      ),
      fastDecodeToMsgpackr: ratio(
        (own) => own.decodePerS,
        ({ peers: { msgpackr } }) => msgpackr?.decodePerS,
      ),
      fastEncodeToGorilla: ratio(
        (own) => own.encodePerS,
        ({ peers: { gorilla } }) => gorilla?.encodePerS,
      ),
      fastDecodeToGorilla: ratio(
        (own) => own.decodePerS,
        ({ peers: { gorilla } }) => gorilla?.decodePerS,
      ),
      denseEncodeToFast: ratio(
        (own) => own.encodeDensePerS,
        (own) => own.encodePerS,
      ),
      denseDecodeToFast: ratio(
        (own) => own.decodeDensePerS,
        (own) => own.decodePerS,
      ),
    },
  };
}

function bitsPerValue(peer: Peer<unknown>, blocks: readonly Block[]): number {
  let bits = 0;
  let values = 0;
  for (const block of blocks) {
    bits += peer.valueBits(peer.encode(block), block);
    values += block.columns.count;
  }
  return Number((bits / values).toFixed(3));
}

/** What the file's times cost beyond one reading a second, dense. */
function bitsPerTimestamp(values: Float64Array, times: Float64Array, steady: Float64Array): number {
  const bytesWith = (stamps: Float64Array) =>
    cut(values, stamps).reduce((sum, { columns }) => sum + encodeReadings(columns, 'dense').length, 0);
  return Number((((bytesWith(times) - bytesWith(steady)) * 8) / values.length).toFixed(3));
}

/** CPU time of the process, garbage collection included: on a shared machine the wall clock measures the neighbours. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function timePeers(all: readonly Block[]): Record<string, { encode: Speed; decode: Speed }> {
  const full = all.filter((block) => block.columns.count === blockRows);
  const from = full.length > 0 ? full : all;
  const blocks = Array.from(
    { length: blocksTimed },
    (_, i) => from[Math.floor((i * from.length) / blocksTimed)] as Block,
  );
  const readings = blocks.reduce((sum, block) => sum + block.columns.count, 0);
  const samples = peers.map(() => ({ encode: [] as number[], decode: [] as number[] }));
  for (let round = -warmups; round < rounds; round++) {
    peers.forEach((peer, p) => {
      // Each way once unmeasured: nobody pays for the caches and the garbage that the one before left behind.
      const encodeAll = () => blocks.map((block) => peer.encode(block));
      encodeAll();
      const start = cpuSeconds();
      const encoded = encodeAll();
      const encodeSeconds = cpuSeconds() - start;
      const decodeAll = () => {
        for (const own of encoded) consumed += Math.abs(peer.decode(own)) % 7;
      };
      decodeAll();
      const middle = cpuSeconds();
      decodeAll();
      const decodeSeconds = cpuSeconds() - middle;
      if (round < 0) return;
      samples[p]?.encode.push(readings / encodeSeconds);
      samples[p]?.decode.push(readings / decodeSeconds);
    });
  }
  return Object.fromEntries(
    peers.map((peer, p) => [
      peer.name,
      { encode: speedOf(samples[p]?.encode ?? []), decode: speedOf(samples[p]?.decode ?? []) },
    ]),
  );
}

function speedOf(samples: number[]): Speed {
  const sorted = samples.toSorted((a, b) => a - b).map(Math.round);
  return {
    median: sorted[sorted.length >>> 1] ?? 0,
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    n: sorted.length,
  };
}

/** Rows that an agent merges into one block at most (edge-agent/src/outbox/merger.ts). */
const itemsPerMergeMax = 32_768;

/** Bytes of the MQTT payload that carries the blob: the envelope of a batch from an agent of ten letters. */
function payloadBytes(blob: Uint8Array, first: number, items: number): number {
  const parts = [{ kind: 'readings', bytes: blob }] as const;
  const range = { epoch: '0102030405060708', lane: 2, first, last: first + items - 1 } as const;
  return encodeBatch({ agent: 'gateway-01', ...range, parts }).length;
}

function fleetFigures({ columns, times }: FleetFile) {
  const epochs = times.findIndex((time) => time >= (times[0] as number) + dayMs);
  const rows = epochs < 0 ? times.length : epochs;
  const series = columns.length;
  const live = { fast: 0, dense: 0, most: 0, payload: 0 };
  const blobs: Uint8Array[] = [];
  for (let row = 0; row < rows; row++) {
    const batch = {
      count: series,
      series: Uint32Array.from(columns, (_, s) => s + 1),
      time: new Float64Array(series).fill(times[row] as number),
      value: Float64Array.from(columns, (column) => column[row] as number),
      flags: new Uint8Array(series),
      strings: [],
    };
    const blob = encodeReadings(batch, 'fast');
    live.fast += blob.length;
    live.most = Math.max(live.most, blob.length);
    live.dense += encodeReadings(batch, 'dense').length;
    live.payload += payloadBytes(blob, 1 + row * series, series);
    blobs.push(blob);
  }
  const per = (bytes: number, readings: number) => Number((bytes / readings).toFixed(3));
  const readings = rows * series;
  const blobsPerMerge = Math.floor(itemsPerMergeMax / series);
  let offline = 0;
  for (let at = 0; at < rows; at += blobsPerMerge) {
    const run = blobs.slice(at, at + blobsPerMerge);
    offline += payloadBytes(mergeReadings(run, 'dense'), 1 + at * series, run.length * series);
  }
  return {
    series,
    epochs: rows,
    readings,
    bytesPerReadingLivePayload: per(live.payload, readings),
    bytesPerReadingOfflineDayPayload: per(offline, readings),
    bytesPerReadingLive: per(live.fast, readings),
    bytesPerReadingLiveDense: per(live.dense, readings),
    bytesOfLiveBlob: per(live.fast, rows),
    bytesOfLargestLiveBlob: live.most,
    bytesPerReadingMerged: per(mergeReadings(blobs, 'dense').length, readings),
    bytesPerReadingMergedFast: per(mergeReadings(blobs, 'fast').length, readings),
    bytesPerReadingMerged10: per(mergeReadings(blobs.slice(0, 10), 'dense').length, 10 * series),
  };
}

const tableHead =
  'file                       values  dense   fast  gorilla deflate mp+zstd   time | M readings/CPU-s: fast enc/dec  dense enc/dec  gorilla enc/dec  msgpackr enc/dec';

function tableRow(file: string, figures: ReturnType<typeof seriesFigures>): string {
  const { peers: others } = figures;
  const bits = (value: number | null | undefined, width: number) => (value ?? Number.NaN).toFixed(2).padStart(width);
  const rate = (encode: Speed | undefined, decode: Speed | undefined, width: number) =>
    `${((encode?.median ?? 0) / 1e6).toFixed(0)}/${((decode?.median ?? 0) / 1e6).toFixed(0)}`.padStart(width);
  return [
    file.slice(0, 24).padEnd(24),
    String(figures.values).padStart(8),
    bits(figures.bitsPerValue, 6),
    bits(figures.bitsPerValueFast, 6),
    bits(others.gorilla?.bitsPerValue, 8),
    bits(others.deflate6?.bitsPerValue, 7),
    bits(others.msgpackrZstd?.bitsPerValue, 7),
    bits(figures.bitsPerTimestamp, 6),
    '|',
    rate(figures.encodePerS, figures.decodePerS, 26),
    rate(figures.encodeDensePerS, figures.decodeDensePerS, 14),
    rate(others.gorilla?.encodePerS, others.gorilla?.decodePerS, 16),
    rate(others.msgpackr?.encodePerS, others.msgpackr?.decodePerS, 17),
  ].join(' ');
}
