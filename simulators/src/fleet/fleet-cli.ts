/** `fogline-sim fleet`. */
import { resolve } from 'node:path';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import type { FleetPlan } from '../devices/fleet-plan.ts';
import { createFleetSource } from '../devices/fleet-source.ts';
import { watchBackfill } from './backfill-watch.ts';
import { loadPlan } from './fleet-flags.ts';
import { createHttpWire } from './http-connection.ts';
import { createMqttWire } from './mqtt-connection.ts';
import { readResume, watchResume } from './resume.ts';
import { keepaliveSeconds, parseSpeed, runSender, senderOptions } from './sender-cli.ts';
import type { Wire } from './wire.ts';

export const fleetCommand = defineCommand({
  name: 'fleet',
  summary: 'Simulates devices that publish over MQTT; the same seed gives the same bytes.',
  positionals: [
    { name: 'FILE', help: 'types of devices in YAML; without it, one type from options', isOptional: true },
  ],
  options: {
    devices: { type: 'integer', help: 'how many, without FILE; default 25' },
    interval: { type: 'duration', help: 'between two readings of a device, without FILE; default 1s' },
    metrics: {
      type: 'text',
      help: 'presets that a device measures, separated by commas, without FILE; default temperature,humidity',
    },
    id: { type: 'text', help: 'names of devices, without FILE; default dev-{n:4}' },
    topic: { type: 'text', help: 'MQTT topic, without FILE; default sensors/{device}/climate' },
    qos: { type: 'text', choices: ['0', '1', '2'], help: 'MQTT quality of service, without FILE; default 1' },
    seed: { type: 'integer', help: 'decides every value; default 1' },
    start: { type: 'text', placeholder: 'TIME', help: 'source time at which live begins; default now' },
    duration: { type: 'duration', help: 'of live, in source time; default until stopped' },
    backfill: { type: 'duration', help: 'how much past to send first; default none' },
    'backfill-interval': { type: 'duration', help: 'between two readings of the past; default 1m' },
    speed: {
      type: 'text',
      placeholder: 'FACTOR',
      help: 'seconds of source time per second; 0 = as fast as acks allow; default 1',
    },
    resume: { type: 'text', placeholder: 'FILE', help: 'go on where the last run with this file stopped' },
    ...senderOptions,
  },
  run({ options, positionals, io }) {
    const { speed, truth, resume, json, ...rest } = options;
    const plan = loadPlan(
      positionals[0],
      {
        ...rest,
        ...(speed === undefined ? {} : { speed: parseSpeed(speed) }),
        ...(truth === undefined ? {} : { truth: resolve(truth) }),
      },
      io,
    );
    return runFleet(plan, { resume, isJson: json }, io);
  },
});

function runFleet(
  plan: FleetPlan,
  { resume: resumeFile, isJson }: { readonly resume: string | undefined; readonly isJson: boolean },
  io: CliIo,
): Promise<number> {
  const { seed, speed, truth, clientPrefix, inflight, expect, durationMs } = plan;
  if (speed === 0 && plan.types.some(({ actuators }) => actuators.length > 0)) {
    throw new FoglineError('usage', 'actuators need a pace: give a speed above 0');
  }
  const startMs = plan.startMs ?? systemClock.now();
  const before = resumeFile === undefined ? new Map<string, number>() : readResume(resumeFile);
  const fleet = createFleetSource({ plan, startMs, doneToMs: before });
  const watched =
    plan.backfillMs === 0
      ? fleet
      : watchBackfill(fleet, startMs, (messages) => io.out(`backfilled messages=${messages}`));
  const resume = resumeFile === undefined ? undefined : watchResume(watched, resumeFile, before, systemClock);
  return runSender(
    {
      source: resume?.source ?? watched,
      wire: wireOf(plan.target, io),
      window: inflight,
      truth,
      clientPrefix,
      startMs,
      durationMs,
      speed,
      seed,
      expect,
      isJson,
      close() {
        resume?.close();
        const { commands, ignored } = fleet.commands;
        if (commands + ignored > 0) io.out(`${commands} commands carried out, ${ignored} ignored`);
      },
    },
    io,
  );
}

function wireOf(target: FleetPlan['target'], { env }: CliIo): Wire {
  if (target.kind === 'http') return createHttpWire(target);
  const password = target.password ?? env['FOGLINE_MQTT_PASSWORD'];
  return createMqttWire({
    ...target,
    keepaliveSeconds,
    clock: systemClock,
    ...(password === undefined ? {} : { password }),
  });
}
