import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, expect, it } from 'vitest';
import { untilQuiet, watchLatency } from './latency.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

it('measures from the wall time of sending to the answer that has the reading, of the newest message each time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-latency-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'truth.ndjson');
  const clock = new ManualClock();
  const wallMs = clock.now();
  const sent = (device: string, timeMs: number): string =>
    `{"s":"${device}","t":${timeMs},"v":{"temperature":1},"q":1}\n`;
  writeFileSync(path, `{"truth":1,"startedMs":0}\n{"w":${wallMs - 5_000}}\n${sent('old', 1)}`);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const match = new URL(request.url ?? '', 'http://hub').searchParams.get('match') ?? '';
    asked.push(match);
    // Every question finds the clock further on; the third of a device has the reading.
    clock.advance(100);
    const isThere = asked.filter((one) => one === match).length >= 3;
    const latest = [{ series: 1, labels: {}, timeMs: isThere ? 20 : 1, ageMs: 0, value: 1, quality: 'good' }];
    const answer = { latest, meta: { nowMs: 20 }, complete: true, next: null };
    response.writeHead(200, { connection: 'close' }).end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  closers.push(() => new Promise((resolve) => void server.close(resolve)));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const watching = watchLatency([path], { url }, 2_000, clock);
  appendFileSync(path, `{"w":${wallMs}}\n${sent('passed-over', 10)}${sent('seen', 20)}{"a":["seen",2`);
  let isOver = false;
  const over = watching.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => void setImmediate(resolve));
    clock.advance(1);
  }
  const { count, p50Ms } = await over;
  expect(count).toBe(1);
  expect(new Set(asked)).toEqual(new Set(['{device="seen"}']));
  expect(p50Ms).toBeGreaterThanOrEqual(298);
});

it('says which file it cannot read', async () => {
  await expect(watchLatency(['/nowhere'], { url: 'http://127.0.0.1:1' }, 1, new ManualClock())).rejects.toThrow(
    /\/nowhere/,
  );
});

it('waits for the end of a fleet, and not for ever', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-latency-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'truth.ndjson');
  writeFileSync(path, 'a');
  const clock = new ManualClock();
  const quiet = untilQuiet([path], 10_000, clock);
  const step = async (): Promise<void> => {
    clock.advance(2_000);
    await new Promise((resolve) => void setImmediate(resolve));
  };
  appendFileSync(path, 'b');
  await step();
  await step();
  await expect(quiet).resolves.toBeUndefined();
  const refused = untilQuiet([path], 10_000, clock).catch((error: unknown) => error);
  for (let round = 0; round < 8; round++) {
    appendFileSync(path, 'c');
    await step();
  }
  expect(await refused).toMatchObject({ code: 'usage' });
});
