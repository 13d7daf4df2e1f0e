import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@fogline/shared/clock';
import { silentLogger } from '@fogline/shared/log';
import { systemRandom } from '@fogline/shared/random';
import { afterAll, describe, expect, it } from 'vitest';
import { openAgent } from '../agent.ts';
import { loadAgentConfig } from '../config.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import { fogline } from '../testing/command-line.ts';
import { Tap } from './tap.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-tap-'));
afterAll(() => rmSync(folder, { recursive: true }));

function world() {
  const series = new DurableSeries();
  const common = {
    device: 'd',
    unit: '',
    kind: 'reading',
    type: 'number',
    sampling: 'all',
    tags: [],
    widthMs: 0,
    holdMs: 0,
  } as const;
  for (const metric of ['t', 'h']) series.idOf({ stream: 's', metric, ...common });
  const deadband = { thresholds: { t: 1 }, heartbeatMs: 60_000 };
  const pipeline = new Pipeline([{ name: 'live', from: 's', deadband, lane: 2 }], series);
  const tap = new Tap((observer) => {
    pipeline.observer = observer;
    return pipeline.drops();
  });
  let now = Date.UTC(2026, 0, 1);
  const feed = (id: number, ...values: readonly number[]) => {
    const count = values.length;
    pipeline.process(
      's',
      {
        count,
        series: new Uint32Array(count).fill(id),
        time: Float64Array.from(values, () => (now += 1_000)),
        value: Float64Array.from(values),
        flags: new Uint8Array(count),
        strings: [],
      },
      now,
    );
  };
  return { pipeline, tap, feed };
}

const everything = { pipeline: null, device: null, metric: null };

describe('a watcher', () => {
  it('sees what a step passed and dropped, and why; when it leaves nothing is observed any more', () => {
    const { pipeline, tap, feed } = world();
    const lines: string[] = [];
    const stream = tap.watch(everything, (line) => lines.push(line) > 0);
    feed(0, 20, 20.1, 22);
    expect(lines.map((line) => JSON.parse(line) as Record<string, unknown>)).toEqual([
      expect.objectContaining({
        pipeline: 'live',
        step: 'deadband',
        metric: 't',
        value: 20.1,
        verdict: 'dropped',
        reason: 'within_band',
      }),
      expect.objectContaining({ value: 20, verdict: 'passed', time: '2026-01-01T00:00:01.000Z' }),
      expect.objectContaining({ value: 22, verdict: 'passed' }),
    ]);
    stream?.stop();
    expect(pipeline.observer).toBe(undefined);
  });

  it('sees what it asked for only', () => {
    const { tap, feed } = world();
    const lines: string[] = [];
    tap.watch({ ...everything, metric: 'h' }, (line) => lines.push(line) > 0);
    tap.watch({ ...everything, pipeline: 'other' }, (line) => lines.push(line) > 0);
    feed(0, 1);
    feed(1, 2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"metric":"h"');
  });

  it('that is slow loses lines and is told how many', () => {
    const { tap, feed } = world();
    const lines: string[] = [];
    let isSlow = false;
    const stream = tap.watch(everything, (line) => !isSlow && lines.push(line) > 0);
    feed(0, 1);
    isSlow = true;
    feed(0, 5, 9, 13);
    isSlow = false;
    stream?.drained();
    stream?.drained();
    feed(0, 20);
    expect(lines).toHaveLength(3);
    expect(lines[1]).toBe('{"lost":3}');
  });

  it('finds no room beyond a limit, until another leaves', () => {
    const { tap } = world();
    const first = tap.watch(everything, () => true);
    for (let n = 1; n < 8; n++) expect(tap.watch(everything, () => true)).toBeDefined();
    expect(tap.watch(everything, () => true)).toBe(undefined);
    first?.stop();
    expect(tap.watch(everything, () => true)).toBeDefined();
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('the command', () => {
  const yaml = (local: string) => `version: 1
agent: { id: pi }
sources: { room: { http: { listen: 127.0.0.1:0 }, parse: { json: auto } } }
pipelines: { live: { from: room, deadband: { t: 1 } } }
buffer: { path: ./data, commit: prompt }
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1:1" }, token: x } }
${local}
`;

  it('shows the readings of a running agent', async () => {
    const file = join(folder, 'agent.yaml');
    writeFileSync(file, yaml(`local: { http: ${await freePort()} }`));
    const { value } = loadAgentConfig({ file }, {});
    const agent = await openAgent(value, {
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      software: 'test',
    });
    const watched = fogline('tap', '--config', file, '--metric', 't', '--lines', '2');
    let isWatching = true;
    const ended = watched.finally(() => {
      isWatching = false;
    });
    for (let n = 0; isWatching; n++) {
      const { status } = await fetch(`${agent.writeUrls[0]}/room/d1`, {
        method: 'POST',
        body: JSON.stringify({ t: n * 2, h: n }),
      });
      expect(status).toBe(204);
    }
    const { code, out, err } = await ended;
    await agent.close();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const lines = out.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line).toMatchObject({ pipeline: 'live', step: 'deadband', device: 'd1', metric: 't', verdict: 'passed' });
    }
  });

  it.each([
    ['', 'the agent has no HTTP endpoint: add "local: { http: 8081 }" and start the agent again', 78],
    ['local: { http: 0 }', 'its HTTP endpoint has no fixed port: add', 78],
    ['local: { http: 1 }', 'no agent answers at http://127.0.0.1:1: ', 1],
  ])('%j: %s', async (local, problem, code) => {
    const file = join(folder, 'other.yaml');
    writeFileSync(file, yaml(local));
    const answer = await fogline('tap', '--config', file);
    expect(answer.err).toContain(problem);
    expect(answer.code).toBe(code);
  });
});
