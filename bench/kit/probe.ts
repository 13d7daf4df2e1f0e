/**
 * Latency from publishing to being queryable: one device publishes a value, the hub is asked for the latest one until it is
 * that. Asking again and again limits the resolution to the time between two answers.
 */
import { Agent, get } from 'node:http';
import { performance } from 'node:perf_hooks';
import { Connection } from '../load/connection.ts';
import { pause } from './running.ts';

const pollPauseMs = 2;
const idleMsMax = 50;
const patienceMs = 20_000;
/** Distinct, so that the answer tells which probe it shows. */
const values = Int32Array.from({ length: 20_000 }, (_, index) => index + 1);

export interface Probed {
  /** One a reading. */
  readonly latenciesMs: readonly number[];
  readonly sumHundredths: number;
}

export async function probe(port: number, httpUrl: string, isOver: () => boolean): Promise<Probed> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const url = new URL('/api/v1/latest', httpUrl);
  url.searchParams.set('match', '{device="probe"}');
  const connection = await connectProbe(port);
  const latenciesMs: number[] = [];
  while (!isOver()) {
    const startedMs = performance.now();
    const before = connection.sumHundredths;
    connection.send(1, Date.now(), startedMs, false);
    await untilLatest(url, agent, connection.sumHundredths - before, startedMs + patienceMs);
    latenciesMs.push(performance.now() - startedMs);
    // Out of step with every interval of the system.
    await pause(Math.random() * idleMsMax);
  }
  connection.end();
  agent.destroy();
  return { latenciesMs, sumHundredths: connection.sumHundredths };
}

function connectProbe(port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const connection: Connection = new Connection({
      host: '127.0.0.1',
      port,
      devices: ['probe'],
      window: 64,
      columns: [values],
      firstRow: 0,
      onReady: () => resolve(connection),
      onAcks: () => {},
      onError: reject,
    });
  });
}

async function untilLatest(url: URL, agent: Agent, hundredths: number, deadlineMs: number): Promise<void> {
  for (;;) {
    const value = /"value":([-\d.]+)/.exec(await textOf(url, agent))?.[1];
    if (value !== undefined && Math.round(Number(value) * 100) === hundredths) return;
    if (performance.now() > deadlineMs) throw new Error(`${hundredths / 100} did not become the latest value`);
    await pause(pollPauseMs);
  }
}

function textOf(url: URL, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
