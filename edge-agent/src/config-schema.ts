/** What a user may write in an agent's configuration: types, defaults and descriptions from one source. */
import { duration, fileReference, listenAddress, name, secret, size } from '@fogline/shared/config/fields';
import { lanes } from '@fogline/shared/protocol/limits';
import { agentIdPattern } from '@fogline/shared/protocol/topics';
import { valueTypes } from '@fogline/shared/reading';
import { z } from 'zod';

const mebibyte = 1024 * 1024;
const secondMs = 1_000;
const hourMs = 3_600 * secondMs;
const dayMs = 24 * hourMs;

const agentId = z
  .string()
  .regex(agentIdPattern, 'an agent id has 1 to 64 letters, digits, ".", "_" or "-", and begins with a letter or digit')
  .meta({ description: 'Identity of this agent at the hub' });

const metric = z.strictObject({
  field: z.string().min(1).optional().meta({ description: 'JSON field; default: the name of the metric' }),
  unit: z.string().max(32).default('').meta({ description: 'Unit as text, for example "°C"' }),
  type: z.enum(valueTypes).default('number'),
  range: z
    .tuple([z.number(), z.number()])
    .optional()
    .meta({ description: 'Lowest and highest plausible value; what lies outside is kept with quality bad' }),
});

const parse = z.strictObject({
  json: z
    .union([z.literal('auto'), z.record(z.string().min(1).max(128), metric)])
    .default('auto')
    .meta({ description: 'Metrics by name, or auto: every top-level number and boolean becomes a metric' }),
  time: z
    .strictObject({
      field: z.string().min(1).meta({ description: 'JSON field that carries the time of the reading' }),
      unit: z.enum(['s', 'ms', 'us', 'iso']),
      max_skew: duration('How far in the future a time may lie before the reading is rejected', {
        max: dayMs,
      }).prefault('10m'),
    })
    .optional()
    .meta({ description: 'Time of a reading; without it, the time of arrival' }),
});

const source = z.strictObject({
  mqtt: z.strictObject({
    listen: listenAddress('Port or host:port of the broker in this agent that sensors publish to').prefault(1883),
    topics: z
      .array(z.string())
      .min(1)
      .meta({ description: 'Topic filters; {device} and other captures take one level each' }),
    users: z
      .record(z.string().min(1).max(64), z.strictObject({ password: secret }))
      .optional()
      .meta({ description: 'Who may publish, by user name' }),
    anonymous: z.literal('lan').optional().meta({ description: 'lan: clients on private networks need no password' }),
  }),
  parse: parse.prefault({}),
});

const deadband = z
  .object({
    heartbeat: duration('A value is sent again after this long even if it stood still', {
      min: secondMs,
      max: dayMs,
    }).prefault('5m'),
  })
  .catchall(z.number().min(0))
  .meta({ description: 'Smallest change that is sent, by metric, in the unit of the metric' });

const aggregateNames = ['mean', 'min', 'max', 'count', 'sum', 'first', 'last'] as const;
export const percentilePattern = /^p(\d{1,2}(\.\d{1,3})?)$/;

const window = z.strictObject({
  every: duration('Width of the window', { min: secondMs, max: dayMs }),
  lateness: duration('How long a window waits for late readings', { max: hourMs }).prefault('2s'),
  compute: z
    .array(
      z.string().refine((text) => (aggregateNames as readonly string[]).includes(text) || isPercentile(text), {
        error: `an aggregate is ${aggregateNames.join(', ')}, or a percentile such as p95 or p99.9`,
      }),
    )
    .min(1)
    .default(['mean', 'min', 'max', 'count'])
    .meta({ description: 'What will be asked for; percentiles make the agent keep a sketch per window' }),
});

function isPercentile(text: string): boolean {
  const match = percentilePattern.exec(text);
  return match !== null && Number(match[1]) > 0;
}

const pipeline = z.strictObject({
  from: z.string().meta({ description: 'Name of a source' }),
  deadband: deadband.optional(),
  window: window.optional(),
  send: z
    .strictObject({
      to: z.string().optional().meta({ description: 'Name of an uplink; default: the only one' }),
      priority: z.enum(lanes).default('normal'),
    })
    .prefault({}),
});

const fullPolicy = z.enum(['drop_oldest', 'keep']);

const buffer = z.strictObject({
  path: z.string().min(1).default('./data').meta({ description: 'Folder of the database, relative to this file' }),
  commit: z
    .enum(['flash', 'prompt'])
    .default('flash')
    .meta({ description: 'prompt commits within milliseconds; flash does so within a daily budget of written bytes' }),
  flash_per_day: size('Bytes that flash may write a day before it commits once a second', {
    min: 16 * mebibyte,
  }).prefault('1GiB'),
  limit: z
    .strictObject({
      size: size('Largest database', { min: 8 * mebibyte }).prefault('512MiB'),
      age: duration('Longest time that readings are kept', { min: hourMs }).prefault('7d'),
    })
    .prefault({}),
  when_full: z
    .strictObject({
      low: fullPolicy.default('drop_oldest'),
      normal: fullPolicy.default('drop_oldest'),
      high: fullPolicy.default('drop_oldest'),
      alarm: fullPolicy.default('keep'),
    })
    .prefault({})
    .meta({ description: 'By priority: drop the oldest and report it, or keep all and stop taking new readings' }),
});

const uplink = z.strictObject({
  mqtt: z.strictObject({ url: z.string().meta({ description: 'mqtt://host[:1883] or mqtts://host[:8883]' }) }),
  token: secret,
  tls: z.strictObject({ ca: fileReference.optional() }).optional(),
  window: z
    .int()
    .min(1)
    .max(1_024)
    .default(32)
    .meta({ description: 'Most batches in flight; the hub may ask for fewer' }),
  linger: duration('Longest wait for a batch to fill; default 1s, with commit: prompt 20ms', {
    max: hourMs,
  }).optional(),
});

export const agentSchema = z.strictObject({
  version: z.literal(1),
  agent: z.strictObject({ id: agentId, site: z.string().max(64).default('') }),
  sources: z.record(name, source),
  pipelines: z
    .record(name, pipeline)
    .optional()
    .meta({ description: 'Without it every source is passed on unchanged, as a stream of its name' }),
  buffer: buffer.prefault({}),
  uplinks: z.record(name, uplink).meta({ description: 'Exactly one' }),
  local: z
    .strictObject({
      http: listenAddress('Port or host:port for /healthz, /readyz, /metrics and /status; absent: none'),
      token: secret.optional().meta({ description: 'Bearer token, required beyond loopback' }),
    })
    .optional(),
});

export type AgentDocument = z.output<typeof agentSchema>;
