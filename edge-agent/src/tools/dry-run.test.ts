import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';
import { DryRun } from './dry-run.ts';
import type { OutputLine } from './output-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const golden = fileURLToPath(new URL('golden/', import.meta.url));
const file = join(golden, 'agent.yaml');
const { value: config } = loadAgentConfig({ file }, {}, 'skip');

function testCommand(input: string, ...options: readonly string[]) {
  return testOf(file, input, ...options);
}

async function testOf(configFile: string, input: string, ...options: readonly string[]) {
  const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const child = spawn(process.execPath, [cli, 'test', configFile, ...options], { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number];
  return { code, out: out.split('\n').slice(0, -1), err };
}

const text = (name: string) => readFileSync(join(golden, name), 'utf8');

describe('the command', () => {
  it('prints readings, windows, rejections and a summary of a recording, always the same', async () => {
    const { code, out, err } = await testCommand(text('recording.txt'));
    expect(code).toBe(0);
    expect(err).toContain('warning: ');
    expect(out).toEqual(text('expected.ndjson').trimEnd().split('\n'));
    expect(out.filter((line) => line.includes('"delta":true'))).toHaveLength(1);
  });

  it('takes the rows of a CSV file, one every so often', async () => {
    const csv = join(folder, 'power.csv');
    writeFileSync(csv, 'meter,watts\nm1,10\nm2,20\n');
    const { code, out } = await testCommand(
      '',
      '--csv',
      csv,
      '--topic',
      'power/{meter}',
      '--every',
      '1m',
      '--start',
      '2026-02-01T00:00:00Z',
    );
    expect(code).toBe(0);
    expect(out.slice(0, -1).map((line) => JSON.parse(line) as unknown)).toEqual([
      { kind: 'reading', stream: 'power', time: '2026-02-01T00:00:00.000Z', device: 'm1', metric: 'watts', value: 10 },
      { kind: 'reading', stream: 'power', time: '2026-02-01T00:01:00.000Z', device: 'm2', metric: 'watts', value: 20 },
    ]);
  });

  it('lets the time go on with a message that has no value, and prints streams that stay on the agent', async () => {
    const path = join(folder, 'local.yaml');
    writeFileSync(
      path,
      `version: 1
agent: { id: pi }
sources:
  climate: { mqtt: { topics: ["s/{device}"] }, parse: { json: { t: {} }, time: { field: ts, unit: s } } }
pipelines:
  within: { from: climate, deadband: { t: 1 }, send: { to: local } }
  stats: { from: climate, window: { every: 10s, compute: [count] }, send: { to: local } }
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1" }, token: t } }
`,
    );
    // An hour passes in which nothing is measured: far more than max_skew.
    const recording = ['{"ts": 1767225600, "t": 1}', '{"ts": 1767229200}', '{"ts": 1767229201, "t": 5}'];
    const { code, out } = await testOf(path, recording.map((payload) => `s/d ${payload}`).join('\n'));
    expect(code).toBe(0);
    const at = (time: string): string => `2026-01-01T${time}.000Z`;
    const reading = { kind: 'reading', stream: 'within', device: 'd', metric: 't', local: true };
    const window = { kind: 'window', stream: 'stats', width: '10s', device: 'd', metric: 't', count: 1, local: true };
    expect(out.slice(0, -1).map((line) => JSON.parse(line) as unknown)).toEqual([
      { ...reading, time: at('00:00:00'), value: 1 },
      { ...window, start: at('00:00:00') },
      { kind: 'rejected', line: 2, source: 'climate', reason: 'no_known_field', topic: 's/d' },
      { ...reading, time: at('01:00:01'), value: 5 },
      { ...window, start: at('01:00:00') },
    ]);
  });

  it.each([
    ['', [], 'the recording is empty'],
    ['power/m1 {"watts": 1}', [], 'line 1: neither the line nor its payload tells when it came: give --every 1s'],
    ['', ['--csv', 'x.csv'], 'no source of the configuration reads a file x.csv: say --topic TOPIC'],
    ['', ['--topic', 'a'], '--topic needs --csv'],
    ['', ['--csv', '/nowhere.csv', '--topic', 'a'], '/nowhere.csv cannot be read: ENOENT'],
    ['', ['--csv', '/', '--topic', 'a'], '/ cannot be read: EISDIR'],
    ['', ['--start', 'now', '--every', '1s'], '--start: "now" is no time: write 2026-01-01T00:00:00Z'],
  ])('%j with %j: %s', async (input, options, problem) => {
    const { code, out, err } = await testCommand(input, ...options);
    expect(out).toEqual([]);
    expect(code).not.toBe(0);
    expect(err).toContain(problem);
  });
});

describe('in any recording', () => {
  const reading = fc.record({
    device: fc.constantFrom('a', 'b'),
    at: fc.integer({ min: 0, max: 90 }),
    t: fc.integer({ min: 0, max: 9 }),
    pause: fc.integer({ min: 0, max: 4_000 }),
  });

  function run(readings: readonly { device: string; at: number; t: number; pause: number }[]): OutputLine[] {
    const out: OutputLine[] = [];
    const start = Date.UTC(2026, 0, 1);
    const dry = new DryRun(config, start, (line) => out.push(line));
    let now = start + 90_000;
    for (const [index, { device, at, t, pause }] of readings.entries()) {
      now += pause;
      const payload = Buffer.from(JSON.stringify({ ts: start / 1_000 + at, t }));
      dry.take({ line: index + 1, arrivalMs: now, topic: `sensors/hall/${device}`, payload }, now);
    }
    dry.finish();
    dry.close();
    return out;
  }

  it('windows and their deltas hold every reading once, and the same input prints the same', () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 1, maxLength: 60 }), (readings) => {
        const out = run(readings);
        expect(run(readings)).toEqual(out);
        const counts = new Map<string, number>();
        const sums = new Map<string, number>();
        for (const { kind, device, start, count, mean } of out) {
          if (kind !== 'window') continue;
          const key = `${device as string} ${start as string}`;
          counts.set(key, (counts.get(key) ?? 0) + (count as number));
          sums.set(key, (sums.get(key) ?? 0) + (count as number) * (mean as number));
        }
        const naive = new Map<string, number[]>();
        // What is sent twice counts once.
        for (const text of new Set(readings.map(({ device, at, t }) => JSON.stringify([device, at, t])))) {
          const [device, at, t] = JSON.parse(text) as [string, number, number];
          const start = new Date(Date.UTC(2026, 0, 1) + Math.floor(at / 10) * 10_000).toISOString();
          const key = `${device} ${start}`;
          naive.set(key, [...(naive.get(key) ?? []), t]);
        }
        expect(counts).toEqual(new Map([...naive].map(([key, values]) => [key, values.length])));
        for (const [key, values] of naive) {
          expect(sums.get(key)).toBeCloseTo(
            values.reduce((sum, value) => sum + value, 0),
            9,
          );
        }
      }),
      { numRuns: 50 },
    );
  });
});
