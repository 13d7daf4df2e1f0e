/**
 * The pages suffice: a reader in another language, written from them alone, says the same as this one about the vectors of all three pages
 * and about a recorded session, and refuses what is damaged.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { decodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings, encodeReadings } from '@fogline/shared/codec/readings';
import { sampleColumns } from '@fogline/shared/codec/testing/sample-columns';
import { sensorSignals, signals } from '@fogline/shared/codec/testing/sample-signals';
import {
  decodeBatch,
  decodeFlow,
  decodeHello,
  decodeReported,
  decodeSeries,
  decodeStatus,
  decodeVoid,
  decodeWelcome,
} from '@fogline/shared/protocol/messages';
import { decodeAnswer, decodeQuery } from '@fogline/shared/protocol/raw-query';
import { describe, expect, it } from 'vitest';
import { recordSession } from './record-session-cli.ts';

const python = '/usr/bin/python3';
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const reader = at('./second_reader');
const session = at('./session.ndjson');
const pages = ['PROTOCOL.md', 'src/codec/FORMAT.md', 'src/aggregate/FORMAT.md'].map((page) =>
  at(`../../../shared/${page}`),
);
const quantiles = [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1];
/** One float64 step, relative: the pages leave the last rounding of a quantile open. */
const step = 2 ** -52;

interface Line {
  kind: string;
  hex: string;
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

function run(args: string[], input = ''): { status: number | null; lines: Json[]; error: string } {
  const done = spawnSync(python, [reader, ...args], { input, encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 });
  const lines = done.stdout.trim().split('\n').filter(Boolean);
  return { status: done.status, lines: lines.map((line) => JSON.parse(line) as Json), error: done.stderr };
}

/** What the second reader makes of each of these bytes. */
function decodedThere(lines: Line[]): Json[] {
  const { status, lines: out, error } = run(['decode'], lines.map((line) => JSON.stringify(line)).join('\n'));
  expect(error).toBe('');
  expect(status).toBe(0);
  return out;
}

const decoders: Record<string, (bytes: Uint8Array) => unknown> = {
  hello: decodeHello,
  series: decodeSeries,
  batch: decodeBatch,
  void: decodeVoid,
  reported: decodeReported,
  status: decodeStatus,
  flow: decodeFlow,
  query: decodeQuery,
  answer: decodeAnswer,
  welcome: (bytes) => {
    const message = decodeWelcome(bytes);
    const epochs = message.epochs.map((epoch) => ({
      ...epoch,
      held: epoch.held.map((ranges) => [ranges.watermark, ...ranges.beyond]),
    }));
    return { ...message, epochs };
  },
  readings: (bytes) => readingsOf(bytes),
  windows: (bytes) => {
    const { count, series, start, delta, partial } = decodeWindows(bytes);
    return { rows: Array.from({ length: count }, (_, i) => [series[i], start[i], delta[i], partial[i]]) };
  },
  thinned: (bytes) => {
    const { count, series, start, items, partial } = decodeThinned(bytes);
    return { rows: Array.from({ length: count }, (_, i) => [series[i], start[i], items[i], partial[i]]) };
  },
  partial: (bytes) => summary(Partial.decode(bytes)),
};

/** What this repository makes of the bytes. */
function decodedHere({ kind, hex }: Line): Json {
  return plain(decoders[kind]?.(Buffer.from(hex, 'hex')));
}

function readingsOf(bytes: Uint8Array): { rows: unknown[]; strings: unknown } {
  const { count, series, time, value, flags, strings } = decodeReadings(bytes);
  return { rows: Array.from({ length: count }, (_, i) => [series[i], time[i], value[i], flags[i]]), strings };
}

function summary(partial: Partial): Record<string, unknown> {
  if (partial.count === 0) return { count: 0 };
  const { count, min, max, firstTime, firstValue, lastTime, lastValue } = partial;
  const sum = Number.isFinite(partial.sumValue()) ? partial.sumValue() : null;
  return { count, min, max, firstTime, firstValue, lastTime, lastValue, sum, mean: partial.mean(), ...ranked(partial) };
}

function ranked(partial: Partial): { quantiles?: unknown[] } {
  const answers = quantiles.map((q) => [q, partial.quantile(q)]);
  return answers.every(([, answer]) => Number.isFinite(answer)) ? { quantiles: answers } : {};
}

/** A message of the session with the rows of its blocks, as the second reader prints it. */
function sessionMessage({ kind, hex }: Line): Json {
  const bytes = Buffer.from(hex, 'hex');
  if (kind !== 'batch') return decodedHere({ kind, hex });
  const message = decodeBatch(bytes);
  const parts = message.parts.map((part) =>
    part.kind === 'readings'
      ? { kind: part.kind, ...readingsOf(part.bytes) }
      : { kind: part.kind, rows: windowRows(part.bytes) },
  );
  return plain({ ...message, parts });
}

function windowRows(bytes: Uint8Array): unknown[] {
  const { count, series, start, delta, partial } = decodeWindows(bytes);
  return Array.from({ length: count }, (_, i) => ({
    series: series[i],
    start: start[i],
    delta: delta[i],
    ...summary(Partial.decode(partial[i] ?? new Uint8Array())),
  }));
}

/** Bytes as hex, what is undefined left out, −0 kept. */
function plain(value: unknown): Json {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value as Json;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([name, field]) => [name, plain(field)]));
}

/** Compares; quantiles to one step, all else to the bit. */
function expectSame(there: Json, here: Json): void {
  expect(withoutQuantiles(there)).toStrictEqual(withoutQuantiles(here));
  const [a, b] = [quantilesIn(there), quantilesIn(here)];
  expect(a.length).toBe(b.length);
  for (const [i, answer] of a.entries()) {
    const other = b[i] ?? Number.NaN;
    expect(Math.abs(answer - other)).toBeLessThanOrEqual(Math.abs(other) * step);
  }
}

/** Also without what the second reader adds: where a message came from, its kind, the time that values were held. */
function withoutQuantiles(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutQuantiles);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => name !== 'quantiles' && name !== 'heldMs');
  return Object.fromEntries(kept.map(([name, field]) => [name, withoutQuantiles(field)]));
}

function quantilesIn(value: Json): number[] {
  if (Array.isArray(value)) return value.flatMap(quantilesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) =>
    name === 'quantiles' ? (field as number[][]).map((pair) => pair[1] ?? Number.NaN) : quantilesIn(field),
  );
}

/** The vectors of the pages that are whole messages, blocks or partials. */
function vectorLines(): Line[] {
  const text = pages.map((page) => readFileSync(page, 'utf8')).join('\n');
  const messages = [...text.matchAll(/^vector: (\w+)\n\n```json\n.*?^```\n\n```hex\n(.*?)^```$/gms)];
  const blocks = [...text.matchAll(/^\{"name":.*"hex":"([0-9a-f]+)"\}$/gm)];
  const aggregates = [...text.matchAll(/^(windows|thinned|partial) .* ([0-9a-f]+)$/gm)];
  return [
    ...messages.map(([, kind = '', hex = '']) => ({ kind, hex: hex.replaceAll(/\s/g, '') })),
    ...blocks.map(([, hex = '']) => ({ kind: 'readings', hex })),
    ...aggregates.map(([, kind = '', hex = '']) => ({ kind, hex })),
  ];
}

function sessionLines(): Line[] {
  return readFileSync(session, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

function expectFlipsRefused(every: number, options: string[] = []): number {
  const { lines, error } = run(['flips', session, String(every), ...options]);
  expect(error).toBe('');
  const { tried, accepted } = lines[0] as { tried: number; accepted: Json[] };
  expect(accepted).toEqual([]);
  return tried;
}

describe('a recorded session', () => {
  it('has a recorded session that is what is said today', () => {
    const now = recordSession();
    const word = 'run: node simulators/test/protocol/record-session-cli.ts > simulators/test/protocol/session.ndjson';
    expect(readFileSync(session, 'utf8').trim().split('\n'), word).toEqual(now);
  });
});

const hasPython = existsSync(python);

describe.skipIf(!hasPython)(`a second reader, in Python${hasPython ? '' : ` (SKIPPED: there is no ${python})`}`, () => {
  it('finds every golden vector of the pages to be what the page says', () => {
    const { status, lines, error } = run(['vectors', ...pages]);
    expect(error).toBe('');
    for (const line of lines) expect(line).toMatchObject({ differences: [] });
    expect(lines.map((line) => (line as { vectors: number }).vectors)).toEqual([10, 25, 84]);
    expect(status).toBe(0);
  });

  it('is not content with whatever a page says: one changed digit in each is found', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fogline-pages-'));
    try {
      const changed = [
        ['PROTOCOL.md', '"queued":[0,12,3400,0]', '"queued":[0,12,3401,0]'],
        ['readings.md', '[1,1700000000000,21.5,0]', '[1,1700000000000,21.6,0]'],
        [
          'aggregates.md',
          'partial {"readings":[[1700000000123,21.37]]}',
          'partial {"readings":[[1700000000123,21.38]]}',
        ],
      ].map(([name = '', from = '', to = ''], i) => {
        const text = readFileSync(pages[i] ?? '', 'utf8');
        expect(text).toContain(from);
        writeFileSync(join(folder, name), text.replace(from, to));
        return join(folder, name);
      });
      const { status, lines } = run(['vectors', ...changed]);
      expect(status).toBe(1);
      for (const line of lines) expect((line as { differences: Json[] }).differences).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('decodes the vectors to what this repository decodes them to', () => {
    const lines = vectorLines();
    expect(lines.length).toBeGreaterThan(50);
    for (const [i, there] of decodedThere(lines).entries()) expectSame(there, decodedHere(lines[i] as Line));
  });

  it('decodes blobs of every kind of series, in both modes, as this repository does', () => {
    const kinds = [...Object.values(signals), ...Object.values(sensorSignals)];
    const lines = kinds.flatMap((kind, seed) =>
      (['fast', 'dense'] as const).map((mode) => {
        const columns = sampleColumns(seed, 150, { kind });
        return { kind: 'readings', hex: Buffer.from(encodeReadings(columns, mode)).toString('hex') };
      }),
    );
    for (const [i, there] of decodedThere(lines).entries()) expect(there).toStrictEqual(decodedHere(lines[i] as Line));
  });

  it('decodes the recorded session, every message, reading and window, as this repository does', () => {
    const lines = sessionLines();
    const { status, lines: there, error } = run(['session', session]);
    expect(error).toBe('');
    expect(status).toBe(0);
    expect(there.length).toBe(lines.length);
    for (const [i, message] of there.entries()) {
      const { from, kind, ...fields } = message as { from: Json; kind: Json } & { [name: string]: Json };
      expect({ from, kind }).toMatchObject({ kind: lines[i]?.kind });
      expectSame(fields, sessionMessage(lines[i] as Line));
    }
    expect(new Set(lines.map((line) => line.kind)).size).toBeGreaterThanOrEqual(6);
    expect(quantilesIn(there).length).toBeGreaterThan(100);
  });

  it('refuses every block of the session with any one bit flipped', () => {
    expect(expectFlipsRefused(1)).toBeGreaterThan(20_000);
  });

  it('is caught when it ignores checksums', () => {
    expect(() => expectFlipsRefused(97, ['--ignore-checksums'])).toThrow('to deeply equal []');
  });

  it('refuses versions it does not know, and says so', () => {
    const lines = [
      { kind: 'flow', hex: '9302a16101' },
      { kind: 'readings', hex: '0200be23c258' },
      { kind: 'windows', hex: '020000000000010120de94c7' },
      { kind: 'thinned', hex: '02000c010000000000010120de94c7877803ae' },
      { kind: 'partial', hex: '01' },
    ];
    for (const there of decodedThere(lines)) {
      expect(there).toMatchObject({ refused: expect.stringMatching(/^version \d of/) as unknown });
    }
  });
});
