/** What a user may write of a fleet: types, defaults and descriptions from one source. What the keys mean together: fleet-config.ts. */
import { duration, fileReference, name, secret, share } from '@fogline/shared/config/fields';
import { z } from 'zod';

const dayMs = 86_400_000;
const yearMs = 366 * dayMs;

/** Goes into topics, payloads and line protocol as it is. */
const plain = z.string().regex(/^[\w.:-]{1,64}$/, 'has 1 to 64 letters, digits, "_", ".", ":" or "-"');

const metric = z.strictObject({
  field: plain.optional().meta({ description: 'Key in the payload; default: the name, or that of the preset' }),
  like: z.string().optional().meta({ description: 'A preset: its values stand where nothing else is given' }),
  base: z.number().optional(),
  spread: z.number().min(0).optional().meta({ description: "Largest distance of a device's own base from base" }),
  daily: z.number().optional().meta({ description: 'Amplitude of the daily cycle; negative: lowest in the afternoon' }),
  weekly: z.number().optional().meta({ description: 'Amplitude of the weekly cycle, highest on Wednesday' }),
  walk: z.number().min(0).optional().meta({ description: 'Farthest that the random walk goes' }),
  walk_over: duration('Finest step of the random walk', { min: 1_000, max: 30 * dayMs }).optional(),
  noise: z.number().min(0).optional().meta({ description: 'Standard deviation of the noise of a single reading' }),
  decimals: z.int().min(0).max(6).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  follows: z
    .strictObject({
      metric: z.string().meta({ description: 'An earlier metric of this type' }),
      by: z.number().min(-1).max(1).meta({ description: '1: walks exactly as that one; -1: against it' }),
    })
    .optional(),
  counter: z
    .strictObject({
      per_hour: z.number().gt(0).max(1e9),
      daily: share('How far the rate swings within a day', { max: 0.9 }).prefault('0%'),
      wrap: z
        .int()
        .min(1)
        .max(2 ** 48)
        .optional()
        .meta({ description: 'Goes on from 0 there' }),
      decimals: z.int().min(0).max(3).default(0),
    })
    .optional()
    .meta({ description: 'A meter that only counts up; no other key but field beside it' }),
  states: z
    .record(plain, duration('How long it usually lasts', { min: 100, max: 30 * dayMs }))
    .optional()
    .meta({ description: 'A cycle of states, by name; no other key but field beside it' }),
});

export const faultKinds = [
  'spike',
  'stuck',
  'drift',
  'pattern',
  'unit_flip',
  'nan',
  'gap',
  'duplicate',
  'reorder',
  'clock_skew',
  'boot_1970',
  'offline',
  'churn',
] as const;
export type FaultKind = (typeof faultKinds)[number];

const fault = z.strictObject({
  kind: z.enum(faultKinds),
  every: duration('There is one in each span of this length, at a random place', { min: 1_000, max: yearMs }),
  lasts: duration('How long; default: one reading', { max: 30 * dayMs }).optional(),
  share: share('Of the devices that have it').prefault('100%'),
  metric: z.string().optional().meta({ description: 'Which one it befalls; of a gap: default all' }),
  size: z.number().optional().meta({ description: 'spike, drift, pattern: how far, in the unit of the metric' }),
  period: duration('pattern: of the oscillation', { min: 100, max: dayMs }).optional(),
  factor: z.number().optional().meta({ description: 'unit_flip: default 1.8 (°C to °F)' }),
  offset: z.number().optional().meta({ description: 'unit_flip: default 32' }),
  depth: z.int().min(2).max(64).optional().meta({ description: 'reorder: messages that come in reverse order' }),
  ahead: duration('clock_skew: the clock is this much fast', { min: 1, max: yearMs }).optional(),
  behind: duration('clock_skew: the clock is this much slow', { min: 1, max: yearMs }).optional(),
});

const topic = z.string().min(1).max(1_024);

const actuator = z.strictObject({
  command: topic.meta({ description: 'Topic of commands, with {device}' }),
  state: topic.optional().meta({ description: 'Topic on which it tells what it does; default: none' }),
  on: z.string().min(1).max(256).default('ON'),
  off: z.string().min(1).max(256).default('OFF'),
  takes: duration('From the command to the state', { max: 3_600_000 }).prefault('200ms'),
  effect: z
    .strictObject({
      metric: z.string(),
      change: z.number().meta({ description: 'Of the metric, while it is on for long' }),
      within: duration('How long the whole change takes', { min: 1_000, max: dayMs }),
    })
    .optional(),
});

const deviceType = z.strictObject({
  count: z.int().min(1).max(1_000_000),
  id: z
    .string()
    .regex(/^[\w.:-]*\{n(:[1-9])?\}[\w.:-]*$/, 'contains {n} or {n:DIGITS} once, as in room-{n:4}')
    .optional()
    .meta({ description: 'Names of the devices; default: the name of the type, a dash and {n:4}' }),
  topic: topic.default('sensors/{device}/climate'),
  tags: z
    .record(plain, z.array(plain).min(1).max(1_000))
    .optional()
    .meta({ description: 'Further captures of the topic: devices take the values in turn' }),
  format: z.enum(['json', 'line']).default('json'),
  measurement: plain.optional().meta({ description: 'Of line protocol; default: the name of the type' }),
  time_field: plain.default('ts').meta({ description: 'Of JSON: where the time stands, in ms' }),
  qos: z
    .union([z.literal(0), z.literal(1), z.literal(2)])
    .default(1)
    .meta({ description: 'MQTT quality of service' }),
  interval: duration('Between two readings of a device', { min: 1, max: 30 * dayMs }).prefault('1s'),
  jitter: duration('How much later a reading may be taken', { max: 30 * dayMs }).prefault('0s'),
  metrics: z.record(plain, metric),
  actuators: z.record(name, actuator).optional(),
  faults: z.array(fault).max(32).optional(),
});

const stage = z.strictObject({
  over: duration('Length of the stage', { min: 1 }),
  devices: share('Share of the devices that are there in the end; default: as before').optional(),
});

const expect = z.strictObject({
  acked: share('At least, of what was sent').optional(),
  rate: z.number().min(0).optional().meta({ description: 'At least, messages settled a second' }),
  latency_p50: duration('At most, from sending to the ack').optional(),
  latency_p99: duration('At most, from sending to the ack').optional(),
  reconnects: z.int().min(0).optional().meta({ description: 'At most, connections lost' }),
});

export const fleetSchema = z.strictObject({
  version: z.literal(1),
  seed: z.int().min(0).max(0xffff_ffff).default(1).meta({ description: 'Decides every value, time and fault' }),
  target: z
    .strictObject({
      mqtt: z
        .strictObject({
          url: z.string().default('mqtt://127.0.0.1:1883'),
          username: z.string().optional(),
          password: secret.optional(),
          tls: z.strictObject({ ca: fileReference.optional() }).optional(),
        })
        .optional(),
      http: z
        .strictObject({
          url: z.string().meta({ description: 'Takes line protocol by POST, as http://127.0.0.1:8086/write' }),
          token: secret.optional(),
        })
        .optional(),
    })
    .prefault({}),
  connections: z.int().min(1).max(60_000).optional().meta({ description: 'Default: one a device, at most 100' }),
  client_prefix: plain
    .optional()
    .meta({ description: 'Client ids are this, a dash and a number; default: another one in each run' }),
  inflight: z.int().min(1).max(30_000).default(20).meta({ description: 'Unacked messages a connection' }),
  start: z.string().optional().meta({ description: 'Source time at which live begins; default: now' }),
  duration: duration('Of live, in source time; default: until stopped', { min: 1 }).optional(),
  backfill: duration('How much past is sent first', { max: yearMs }).prefault('0s'),
  backfill_interval: duration('Between two readings of the past, where the interval is shorter', {
    min: 1,
    max: dayMs,
  }).prefault('1m'),
  speed: z.number().min(0).default(1).meta({ description: 'Source time a second; 0: as fast as acks allow' }),
  truth: z.string().min(1).optional().meta({ description: 'What was sent, acked and wrong is appended to this file' }),
  devices: z.record(name, deviceType).meta({ description: 'Types of devices' }),
  stages: z
    .array(stage)
    .min(1)
    .max(100)
    .optional()
    .meta({ description: 'The share of devices rises and falls from 0; the end of the last stage ends the run' }),
  expect: expect.optional().meta({ description: 'What must hold, or the exit code is 1' }),
});

export type FleetDocument = z.output<typeof fleetSchema>;
export type TypeDocument = FleetDocument['devices'][string];
export type MetricDocument = TypeDocument['metrics'][string];
export type FaultDocument = NonNullable<TypeDocument['faults']>[number];
