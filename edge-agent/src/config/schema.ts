/** What a user may write in an agent's configuration: types, defaults and descriptions from one source. */
import { duration, fileReference, listenAddress, name, secret, size } from '@fogline/shared/config/fields';
import { agentIdPattern } from '@fogline/shared/protocol/topics';
import { z } from 'zod';
import { alarmSchema } from './alarm-schema.ts';
import { pipelineSchema } from './pipeline-schema.ts';
import { sourceSchema } from './source-schema.ts';

const mebibyte = 1024 * 1024;
const hourMs = 3_600_000;

const agentId = z
  .string()
  .regex(agentIdPattern, 'an agent id has 1 to 64 letters, digits, ".", "_" or "-", and begins with a letter or digit')
  .meta({ description: 'Identity of this agent at the hub' });

const fullPolicy = z.enum(['drop_oldest', 'thin_to_1m', 'keep']);

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
      keep_free: size('Room on the disk that is left to others: the database shrinks with what is free, down to 8MiB', {
        min: mebibyte,
      }).optional(),
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
    .meta({
      description:
        'By priority: drop the oldest and report it; before that, where it saves room, keep minutes of count, mean, min and max in place of the readings; or keep all and stop taking new readings',
    }),
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
  sources: z.record(name, sourceSchema),
  pipelines: z
    .record(name, pipelineSchema)
    .optional()
    .meta({ description: 'Without it every source is passed on unchanged, as a stream of its name' }),
  alarms: z
    .record(name, alarmSchema)
    .prefault({})
    .meta({ description: 'What is watched, and what is done about it, with or without the hub' }),
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
