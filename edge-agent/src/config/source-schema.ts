/** What a user may write of a source: the door it listens at and how its payloads are read. */
import { duration, listenAddress, secret } from '@fogline/shared/config/fields';
import { valueTypes } from '@fogline/shared/reading';
import { z } from 'zod';

const dayMs = 86_400_000;

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

export const sourceSchema = z.strictObject({
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
