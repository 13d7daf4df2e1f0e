import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { score, spansOf } from './score.ts';
import { scoreCommand } from './score-cli.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const fault = (kind: string, device: string, from: number, to: number) => ({ kind, device, from, to });
const span = (alarm: string, device: string, fromMs: number, toMs = Infinity) => ({ alarm, device, fromMs, toMs });
const options = { meant: new Map<string, string[]>(), graceMs: 10 };

it('makes spans of transitions: out of order, twice, acknowledged, and one that is still active', () => {
  const at = (timeMs: number, state: string, device = 'd') => ({ alarm: 'hot', device, timeMs, state });
  const transitions = [
    at(30, 'cleared'),
    at(10, 'active'),
    at(12, 'active'),
    at(15, 'acknowledged'),
    at(50, 'active'),
    at(5, 'cleared', 'e'),
  ];
  expect(spansOf(transitions)).toEqual([span('hot', 'd', 10, 30), span('hot', 'd', 50)]);
});

it('scores by overlap on the device, with a grace after the end, and counts an episode once', () => {
  const faults = [
    fault('spike', 'a', 100, 110),
    fault('spike', 'a', 100, 110),
    fault('spike', 'b', 100, 110),
    fault('stuck', 'a', 500, 600),
    fault('stuck', 'c', 500, 600),
  ];
  const alarms = [
    span('hot', 'a', 104, 120),
    span('hot', 'a', 119, 121),
    span('flat', 'c', 450, 700),
    span('hot', 'b', 120, 130),
  ];
  const scores = score({ faults, alarms, ...options });
  expect(scores).toMatchObject({ alarms: 4, right: 3, precision: 0.75 });
  expect(scores.all).toEqual({ kind: 'all', episodes: 4, detected: 2, recall: 0.5, delayP50Ms: 0, delayP99Ms: 4 });
  expect(scores.kinds.map(({ kind, recall }) => [kind, recall])).toEqual([
    ['spike', 0.5],
    ['stuck', 0.5],
  ]);
  expect(scores.missed.map(({ device }) => device)).toEqual(['b', 'a']);
  expect(scores.false).toEqual([alarms[3]]);
});

it('takes only the alarm that is meant for a fault, where one is', () => {
  const faults = [fault('stuck', 'a', 100, 200)];
  const alarms = [span('hot', 'a', 120, 130)];
  const meant = new Map([['stuck', ['flat']]]);
  expect(score({ faults, alarms, ...options, meant })).toMatchObject({ right: 0, all: { detected: 0 } });
});

/** A hub with one alarm series, and a truth with two spikes. */
async function run(...more: string[]) {
  const startMs = 1_767_225_600_000;
  const folder = mkdtempSync(join(tmpdir(), 'fogline-score-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const truth = join(folder, 'truth.ndjson');
  const lines = [
    { truth: 1, startedMs: 0 },
    ...['a', 'b'].map((device) => ({ f: fault('spike', device, startMs, startMs + 10_000) })),
  ];
  writeFileSync(truth, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const columns = { time: [startMs + 2_000, startMs + 9_000], value: ['active', 'cleared'], quality: ['good', 'good'] };
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(new URL(request.url ?? '', 'http://hub').searchParams.get('match') ?? '');
    const series = [{ id: 1, labels: { device: 'a', metric: 'hot' }, columns }];
    const meta = { fromMs: 0, toMs: 1, source: [], also: [], gaps: [], gapsOmitted: 0 };
    response.writeHead(200, { connection: 'close' }).end(JSON.stringify({ series, meta, complete: true, next: null }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  closers.push(() => new Promise((resolve) => void server.close(resolve)));
  const hub = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const out: string[] = [];
  const io = { env: {}, out: (line: string) => void out.push(line), err: () => {} };
  const junit = join(folder, 'score.xml');
  const code = await scoreCommand.execute(['--truth', truth, '--hub', hub, '--junit', junit, ...more], io);
  return { code, out, asked, xml: readFileSync(junit, 'utf8') };
}

it('prints precision, recall and delay, and fails below what is asked for', async () => {
  const { code, out, asked, xml } = await run('--min-recall', '90%', '--min-precision', '100%', '--max-delay', '5s');
  expect(asked).toEqual(['{stream="alarms"}']);
  expect(code).toBe(1);
  expect(out).toEqual([
    'missed  spike of b 2026-01-01T00:00:00.000Z',
    'fault  episodes  detected  recall  delay p50  p99',
    'spike  2         1         50%     2s         2s',
    'all    2         1         50%     2s         2s',
    '1 alarms, 1 right: precision 100%',
    'FAILED: recall ≥ 90%: 50%',
  ]);
  expect(xml).toContain('tests="4" failures="1"');
  expect(xml).toContain('name="recall ≥ 90%">\n      <failure message="50%">');
  expect((await run('--min-recall', '50%')).code).toBe(0);
  expect((await run('--kinds', 'drift')).code).toBe(1);
  const json = await run('--json');
  expect(json.out.map((line) => JSON.parse(line) as unknown)).toEqual([
    { missed: expect.objectContaining({ device: 'b' }) as unknown },
    expect.objectContaining({ kind: 'spike', recall: 0.5 }),
    expect.objectContaining({ kind: 'all', precision: 1, isMet: true }),
  ]);
});
