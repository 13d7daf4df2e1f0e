/** What `fleet` and `replay` have in common on the command line: connection options, the run, its summary. */
import type { CliIo } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { SeededRandom } from '@fogline/shared/random';
import { createMqttWire } from './mqtt-client.ts';
import { openSender, type Sender, type SenderStats } from './sender.ts';
import type { Source } from './source.ts';
import { openTruth } from './truth-writer.ts';
import type { Qos } from './wire.ts';

export const senderOptions = {
  mqtt: {
    type: 'text',
    placeholder: 'URL',
    default: 'mqtt://127.0.0.1:1883',
    help: 'the broker that devices publish to',
  },
  username: { type: 'text', help: 'MQTT user name' },
  password: { type: 'text', help: 'MQTT password; better FOGLINE_MQTT_PASSWORD in the environment' },
  qos: { type: 'text', choices: ['0', '1', '2'], default: '1', help: 'MQTT quality of service' },
  inflight: { type: 'integer', default: 20, help: 'unacked messages per connection' },
  truth: { type: 'text', placeholder: 'FILE', help: 'append what was sent and acked to this NDJSON file' },
  'client-prefix': { type: 'text', default: 'fogline-sim', help: 'MQTT client ids are this, a dash and a number' },
  json: { type: 'flag', help: 'print the summary as one JSON object' },
} as const;

interface SenderArguments {
  readonly mqtt: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly qos: string;
  readonly inflight: number;
  readonly truth: string | undefined;
  readonly 'client-prefix': string;
  readonly json: boolean;
}

export interface SenderRun {
  readonly source: Source;
  readonly startMs: number;
  readonly speed: number;
  readonly seed: number;
  /** Called after the last message is settled or given up. */
  close(): void;
}

const keepaliveSeconds = 10;
const stopGraceMs = 1_000;
const inflightMax = 30_000;

/** Resolves to 0 when every message was acked, else to 1. */
export async function runSender(run: SenderRun, args: SenderArguments, io: CliIo): Promise<number> {
  if (args.inflight < 1 || args.inflight > inflightMax) {
    throw new FoglineError('usage', `--inflight: ${args.inflight} is not from 1 to ${inflightMax}`);
  }
  const password = args.password ?? io.env['FOGLINE_MQTT_PASSWORD'];
  const wire = createMqttWire({
    url: args.mqtt,
    keepaliveSeconds,
    ...(args.username === undefined ? {} : { username: args.username }),
    ...(password === undefined ? {} : { password }),
  });
  const qos = Number(args.qos) as Qos;
  const startedMs = systemClock.monotonic();
  let sender: Sender | undefined;
  await runUntilSignal(() => {
    const opened = openSender({
      source: run.source,
      wire,
      qos,
      window: args.inflight,
      clock: systemClock,
      random: new SeededRandom(run.seed),
      startMs: run.startMs,
      speed: run.speed,
      clientPrefix: args['client-prefix'],
      ...(args.truth === undefined ? {} : { truth: openTruth(args.truth, systemClock.now()) }),
    });
    sender = opened;
    const watch = watchConnections(opened, run.source.lanes, args.mqtt, io);
    return Promise.resolve({
      finished: opened.done,
      async stop() {
        await opened.stop(stopGraceMs);
        watch.cancel();
        run.close();
      },
    });
  });
  const stats = sender?.stats();
  if (stats === undefined) return 1;
  report(stats, qos, (systemClock.monotonic() - startedMs) / 1000, args.json, io);
  return stats.unsettled === 0 ? 0 : 1;
}

const watchMs = 1_000;

/** Says when connections are missing and when they are back, each time it changes. */
function watchConnections(sender: Sender, lanes: number, url: string, io: CliIo): { cancel(): void } {
  let said = '';
  const look = (): void => {
    const { connects, disconnects, lastReason } = sender.stats();
    const missing = lanes - (connects - disconnects);
    const state = missing === 0 ? '' : lastReason;
    if (state !== said) {
      io.err(
        missing === 0 ? `connected to ${url}` : `${missing} of ${lanes} connections to ${url} wait: ${lastReason}`,
      );
      said = state;
    }
    timer = systemClock.after('connection watch', watchMs, look);
  };
  let timer = systemClock.after('connection watch', watchMs, look);
  return { cancel: () => timer.cancel() };
}

function report(stats: SenderStats, qos: Qos, seconds: number, isJson: boolean, io: CliIo): void {
  const perSecond = Math.round(stats.settled / seconds);
  const cpu = process.cpuUsage();
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  if (isJson) {
    io.out(JSON.stringify({ ...stats, qos, seconds: Number(seconds.toFixed(3)), perSecond, cpuSeconds }));
    return;
  }
  const settled = qos === 0 ? 'handed to the system' : 'acked';
  io.out(
    `${stats.sent} messages sent, ${stats.settled} ${settled}, ${stats.unsettled} not, ${stats.resent} sent again, ` +
      `${stats.disconnects} connections lost; ${seconds.toFixed(1)} s, ${perSecond}/s`,
  );
}

/** A factor such as 1, 60 or 0.5; 0 = as fast as acks allow. */
export function parseSpeed(text: string): number {
  const speed = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text))
    throw new FoglineError('usage', `--speed: "${text}" is not a factor such as 1, 60 or 0`);
  return speed;
}

/** ISO 8601 with offset, or epoch milliseconds. */
export function parseInstant(name: string, text: string): number {
  const ms = /^-?\d+$/.test(text) ? Number(text) : /(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isSafeInteger(ms))
    throw new FoglineError('usage', `--${name}: "${text}" is not a time: write 2026-01-01T00:00:00Z`);
  return ms;
}
