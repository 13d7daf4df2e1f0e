/** `fogline-sim fleet`. */
import { defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { createFleetSource } from '../devices/fleet-source.ts';
import { watchBackfill } from './backfill-watch.ts';
import { readResume, watchResume } from './resume.ts';
import { parseInstant, parseSpeed, runSender, senderOptions } from './sender-cli.ts';
import type { Source } from './source.ts';

const devicesMax = 1_000_000;

export const fleetCommand = defineCommand({
  name: 'fleet',
  summary: 'Simulates devices that publish over MQTT; the same seed gives the same bytes.',
  options: {
    devices: { type: 'integer', default: 25, help: 'how many' },
    interval: { type: 'duration', default: 1_000, help: 'between two readings of a device' },
    metrics: { type: 'text', default: 'temperature,humidity', help: 'what a device measures, separated by commas' },
    seed: { type: 'integer', default: 1, help: 'decides every value' },
    topic: { type: 'text', default: 'sensors/{device}/climate', help: 'MQTT topic' },
    start: { type: 'text', placeholder: 'TIME', help: 'source time at which live begins; default now' },
    duration: { type: 'duration', help: 'of live, in source time; without it until stopped' },
    backfill: { type: 'duration', default: 0, help: 'how much past to send first' },
    'backfill-interval': {
      type: 'duration',
      default: 60_000,
      help: 'between two readings of the past',
    },
    speed: {
      type: 'text',
      placeholder: 'FACTOR',
      default: '1',
      help: 'seconds of source time per second; 0 = as fast as acks allow',
    },
    clients: { type: 'integer', help: 'MQTT connections; default one per device, at most 100' },
    resume: { type: 'text', placeholder: 'FILE', help: 'go on where the last run with this file stopped' },
    ...senderOptions,
  },
  async run({ options, io }) {
    const devices = within('devices', options.devices, devicesMax);
    const startMs = options.start === undefined ? systemClock.now() : parseInstant('start', options.start);
    const before = options.resume === undefined ? new Map<string, number>() : readResume(options.resume);
    const fleet = createFleetSource({
      devices,
      lanes: Math.min(devices, within('clients', options.clients ?? Math.min(devices, 100), devicesMax)),
      seed: seedOption(options.seed),
      metrics: options.metrics.split(',').map((metric) => metric.trim()),
      topic: topicOption(options.topic),
      startMs,
      intervalMs: within('interval', options.interval, Infinity),
      durationMs: options.duration ?? Infinity,
      backfillMs: options.backfill,
      backfillIntervalMs: within('backfill-interval', options['backfill-interval'], Infinity),
      doneToMs: before,
    });
    const watched =
      options.backfill === 0
        ? fleet
        : watchBackfill(fleet, startMs, (messages) => io.out(`backfilled messages=${messages}`));
    const resume = options.resume === undefined ? undefined : watchResume(watched, options.resume, before, systemClock);
    const source: Source = resume?.source ?? watched;
    const run = { source, startMs, speed: parseSpeed(options.speed), seed: options.seed, close: () => resume?.close() };
    return runSender(run, options, io);
  },
});

function within(name: string, value: number, max: number): number {
  if (value >= 1 && value <= max) return value;
  throw new FoglineError('usage', `--${name}: ${value} is ${value < 1 ? 'too small' : `more than ${max}`}`);
}

function seedOption(seed: number): number {
  if (seed <= 0xffff_ffff) return seed;
  throw new FoglineError('usage', `--seed: ${seed} is more than 4294967295`);
}

function topicOption(topic: string): string {
  if (topic.includes('{device}') && !/[+#]/.test(topic)) return topic;
  throw new FoglineError('usage', `--topic: "${topic}" must contain {device} and no wildcard`);
}
