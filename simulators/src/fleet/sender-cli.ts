/** What `fleet` and `replay` have in common on the command line: connection options, the run, its summary. */
import type { CliIo } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { SeededRandom, systemRandom } from '@fogline/shared/random';
import { formatDuration } from '@fogline/shared/units';
import type { Expectations } from '../devices/fleet-plan.ts';
import { judge, milliseconds, tableOf } from './expectations.ts';
import { showProgress } from './progress-cli.ts';
import { openSender, type Sender, type SenderStats } from './sender.ts';
import type { Source } from './source.ts';
import { openTruth } from './truth-writer.ts';
import type { Wire } from './wire.ts';

/** No defaults: what is absent is as the file, or the schema, has it. */
export const senderOptions = {
  mqtt: { type: 'text', placeholder: 'URL', help: 'the broker; default mqtt://127.0.0.1:1883' },
  username: { type: 'text', help: 'MQTT user name' },
  password: { type: 'text', help: 'MQTT password; better FOGLINE_MQTT_PASSWORD in the environment' },
  inflight: { type: 'integer', help: 'unacked messages per connection; default 20' },
  connections: { type: 'integer', help: 'MQTT connections; default one per device, at most 100' },
  truth: { type: 'text', placeholder: 'FILE', help: 'append what was sent, acked and wrong to this NDJSON file' },
  'client-prefix': {
    type: 'text',
    help: 'MQTT client ids are this, a dash and a number; default another one in each run',
  },
  json: { type: 'flag', help: 'print the summary as one JSON object' },
} as const;

export const keepaliveSeconds = 10;

export interface SenderRun {
  readonly source: Source;
  readonly wire: Wire;
  readonly window: number;
  readonly truth: string | undefined;
  /** Undefined = another one in each run: two fleets at one broker must not take each other's place. */
  readonly clientPrefix: string | undefined;
  readonly startMs: number;
  /** Of live, in source time; Infinity = until stopped. */
  readonly durationMs: number;
  readonly speed: number;
  readonly seed: number;
  readonly expect: Expectations;
  readonly isJson: boolean;
  /** Called after the last message is settled or given up. */
  close(): void;
}

const stopGraceMs = 1_000;

/** Resolves to 0 when every message was acked and everything is as expected, else to 1. */
export async function runSender(run: SenderRun, io: CliIo): Promise<number> {
  const { source, wire, window, startMs, speed } = run;
  const startedMs = systemClock.monotonic();
  let sender: Sender | undefined;
  await runUntilSignal(() => {
    const opened = openSender({
      source,
      wire,
      window,
      startMs,
      speed,
      clientPrefix: run.clientPrefix ?? `sim-${systemRandom.uint32().toString(36)}`,
      clock: systemClock,
      random: new SeededRandom(run.seed),
      ...(run.truth === undefined ? {} : { truth: openTruth(run.truth, systemClock.now()) }),
    });
    sender = opened;
    const progress = showProgress(io, systemClock, progressLine(run, opened));
    const watch = watchConnections(opened, (line) => {
      progress.clear();
      io.err(line);
    });
    return Promise.resolve({
      finished: opened.done,
      async stop() {
        await opened.stop(stopGraceMs);
        progress.stop();
        watch.cancel();
        run.close();
      },
    });
  });
  return sender === undefined ? 1 : report(run, sender, (systemClock.monotonic() - startedMs) / 1000, io);
}

const watchMs = 1_000;

/** Says when connections are missing and when they are back, each time it changes. */
function watchConnections(sender: Sender, say: (line: string) => void): { cancel(): void } {
  let said = '';
  const look = (): void => {
    const { waiting, open, lastReason } = sender.stats();
    const state = waiting === 0 || lastReason === '' ? '' : lastReason;
    if (state !== said) {
      say(
        state === '' ? `${open} connections, none waits` : `${waiting} connections wait, ${open} are there: ${state}`,
      );
      said = state;
    }
    timer = systemClock.after('connection watch', watchMs, look);
  };
  let timer = systemClock.after('connection watch', watchMs, look);
  return { cancel: () => timer.cancel() };
}

function progressLine({ startMs, durationMs }: SenderRun, sender: Sender): () => string {
  let before = sender.stats();
  let beforeMs = systemClock.monotonic();
  return () => {
    const stats = sender.stats();
    const nowMs = systemClock.monotonic();
    const perSecond = Math.round(((stats.settled - before.settled) * 1000) / (nowMs - beforeMs));
    before = stats;
    beforeMs = nowMs;
    const elapsedMs = stats.deviceNowMs - startMs;
    const isKnown = Number.isFinite(durationMs) && Number.isFinite(elapsedMs);
    const part = isKnown
      ? `${Math.min(100, Math.floor((100 * elapsedMs) / durationMs))}% of ${formatDuration(durationMs)}, `
      : '';
    return `${part}${grouped(perSecond)}/s, ${grouped(stats.sent)} sent, ${grouped(stats.settled)} settled, ${grouped(stats.open)} connections`;
  };
}

function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

function report({ expect, isJson }: SenderRun, sender: Sender, seconds: number, io: CliIo): number {
  const stats = sender.stats();
  const [ackP50Ms, ackP99Ms] = [sender.ackMs.quantile(0.5), sender.ackMs.quantile(0.99)];
  const judgements = judge(expect, { ...stats, seconds, ackP50Ms, ackP99Ms });
  const isMet = stats.unsettled === 0 && judgements.every((row) => row.isMet);
  if (isJson) io.out(JSON.stringify(summaryOf(stats, seconds, { ackP50Ms, ackP99Ms, expected: judgements, isMet })));
  else {
    if (sender.ackMs.count > 0) io.out(`publish to ack: p50 ${milliseconds(ackP50Ms)}, p99 ${milliseconds(ackP99Ms)}`);
    for (const line of textOf(stats, seconds)) io.out(line);
    if (judgements.length > 0) for (const line of tableOf(judgements)) io.out(line);
  }
  return isMet ? 0 : 1;
}

function summaryOf(stats: SenderStats, seconds: number, more: object): object {
  const cpu = process.cpuUsage();
  const { sent, resent, settled, dropped, unsettled, connects, disconnects, openMax, lastReason } = stats;
  return {
    sent,
    resent,
    settled,
    dropped,
    unsettled,
    connects,
    disconnects,
    openMax,
    lastReason,
    seconds: Number(seconds.toFixed(3)),
    perSecond: Math.round(settled / seconds),
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    rssBytes: process.memoryUsage.rss(),
    ...more,
  };
}

function textOf(
  { sent, settled, unsettled, dropped, resent, disconnects, lastReason }: SenderStats,
  seconds: number,
): string[] {
  const lost = dropped === 0 ? '' : `, ${dropped} dropped`;
  const line =
    `${sent} messages sent, ${settled} settled, ${unsettled} not${lost}, ${resent} sent again, ` +
    `${disconnects} connections lost; ${seconds.toFixed(1)} s, ${Math.round(settled / seconds)}/s`;
  return dropped > 0 || unsettled > 0 ? [`the last trouble: ${lastReason === '' ? 'none' : lastReason}`, line] : [line];
}

/** A factor such as 1, 60 or 0.5; 0 = as fast as acks allow. */
export function parseSpeed(text: string): number {
  const speed = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text))
    throw new FoglineError('usage', `--speed: "${text}" is not a factor such as 1, 60 or 0`);
  return speed;
}
