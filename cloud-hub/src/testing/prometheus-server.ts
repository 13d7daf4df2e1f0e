/** For tests: Prometheus itself (Debian package `prometheus`), on the loopback, with samples loaded by promtool. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export const hasPrometheus = ['prometheus', 'promtool'].every(
  (name) => spawnSync(name, ['--version']).error === undefined,
);

export interface PrometheusServer {
  /** GET below `/api/v1/`. */
  ask(path: string, params: Readonly<Record<string, string>>): Promise<unknown>;
  stop(): Promise<void>;
}

/** `openMetrics`: the samples, `# EOF` included. */
export async function startPrometheus(openMetrics: string): Promise<PrometheusServer> {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-prometheus-'));
  const samples = join(folder, 'samples.txt');
  const config = join(folder, 'prometheus.yml');
  writeFileSync(samples, openMetrics);
  writeFileSync(config, 'global: {}\n');
  await promisify(execFile)('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', samples, join(folder, 'data')]);
  const port = await freePort();
  const child = spawn('prometheus', [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    '--storage.tsdb.retention.time=100y',
    `--web.listen-address=127.0.0.1:${port}`,
    // Since version 3 ranges are open on the left; for integer milliseconds this is the same in version 2.
    '--query.lookback-delta=299999ms',
  ]);
  await ready(child);
  return {
    async ask(path, params) {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(params).toString()}`);
      return response.json();
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

async function ready(child: ChildProcess): Promise<void> {
  if (child.stderr === null) throw new Error('stderr is a pipe');
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    if (line.includes('Server is ready to receive web requests')) {
      child.stderr.resume();
      return;
    }
  }
  throw new Error(`prometheus did not start:\n${said.join('\n')}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a port');
  return address.port;
}
