import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { verifyCommand } from './verify-cli.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const run1 = '{"truth":1,"startedMs":0}\n';
const reading = '{"s":"d","t":1767225600000,"v":{"temperature":1},"q":1}\n';

async function run(truth: string, hub: string, ...more: string[]) {
  const file = join(mkdtempSync(join(tmpdir(), 'fogline-verify-cli-')), 'truth.ndjson');
  closers.push(() => rmSync(join(file, '..'), { recursive: true }));
  writeFileSync(file, truth);
  const out: string[] = [];
  const io = { env: {}, out: (line: string) => void out.push(line), err: () => {} };
  const code = await verifyCommand.execute(['--truth', file, '--hub', hub, ...more], io);
  return { code, out };
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => void server.once('listening', resolve));
  closers.push(() => new Promise((resolve) => void server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answer =
  (status: number, body: unknown): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { connection: 'close' }).end(JSON.stringify(body));
  };

it('fails on a truth without readings, which would prove nothing', async () => {
  expect(await run(run1, 'http://127.0.0.1:1')).toEqual({
    code: 1,
    out: [
      '0 series: 0 readings sent, 0 acked, 0 at the hub; 0 buckets compared',
      'lost 0, late_dropped 0, undeclared 0, duplicated 0, wrong 0, unexpected 0, bucket 0; declared lost 0, as minutes 0: nothing to compare',
    ],
  });
});

it('fails when an acked reading is not there, with one line of JSON for it and one for the whole', async () => {
  const hub = await serve(answer(200, { series: [], complete: true, next: null }));
  const { code, out } = await run(`${run1}${reading}{"a":["d",1767225600000]}\n`, hub, '--json');
  expect(code).toBe(1);
  expect(out.map((line) => JSON.parse(line) as unknown)).toEqual([
    { kind: 'lost', device: 'd', metric: 'temperature', timeMs: 1_767_225_600_000, expected: 1 },
    expect.objectContaining({ series: 1, sent: 1, acked: 1, atHub: 0, lost: 1, isClean: false }),
  ]);
});

it('passes when what is missing was never acked', async () => {
  const hub = await serve(answer(200, { series: [], complete: true, next: null }));
  expect((await run(`${run1}${reading}`, hub)).code).toBe(0);
});

it.each([
  ['refuses the token', 401, { title: 'no' }, 'unauthorized'],
  ['is broken', 500, { title: 'no' }, 'unavailable'],
  ['answers something else', 200, { rows: [] }, 'message_invalid'],
] as const)('does not mistake a hub that %s for an empty one', async (_what, status, body, code) => {
  const hub = await serve(answer(status, body));
  await expect(run(`${run1}${reading}`, hub)).rejects.toMatchObject({ code });
});

it('does not mistake a hub that is not there for an empty one', async () => {
  await expect(run(`${run1}${reading}`, 'http://127.0.0.1:1')).rejects.toMatchObject({ code: 'unavailable' });
});
