/** What a user may write of an alarm: what is watched, when it is active and clears, and what is done about it. */
import { duration } from '@fogline/shared/config/fields';
import { parseDurationMs } from '@fogline/shared/units';
import { z } from 'zod';
import { severities } from '../alarms/alarm-config.ts';

const secondMs = 1_000;
const dayMs = 86_400 * secondMs;
const stepsMax = 8;
const activationsMax = 100;
const payloadCharactersMax = 4_096;

const level = z.number().refine(Number.isFinite, 'must be a finite number');

const condition = z.strictObject({
  metric: z.string().min(1).meta({
    description: 'pipeline.metric, or of a window pipeline.metric.aggregate, for example stats.temperature.p95',
  }),
  above: level.optional().meta({ description: 'Active above this value' }),
  below: level.optional().meta({ description: 'Active below this value' }),
  outside: z.tuple([level, level]).optional().meta({ description: 'Active outside [lowest, highest]' }),
  equals: z
    .union([z.number(), z.boolean(), z.string()])
    .optional()
    .meta({ description: 'Active while the value is this one: a text, a number, true or false' }),
  missing_for: duration('Active after so long without a usable reading', { min: secondMs, max: 31 * dayMs }).optional(),
  for: duration('How long it must hold before the alarm is active', { max: dayMs }).prefault('0s'),
  clear_below: level
    .optional()
    .meta({ description: 'Clears below this value; default: when it is not above any more' }),
  clear_above: level
    .optional()
    .meta({ description: 'Clears above this value; default: when it is not below any more' }),
});

const payload = z
  .union([z.string().max(payloadCharactersMax), z.number()])
  .transform(String)
  .optional();
const topic = z.string().min(1).max(1_000);

const publish = z.strictObject({
  topic: topic.meta({ description: 'May hold {device} and other captures' }),
  payload: payload.meta({ description: 'When the alarm becomes active; default: a JSON document, when it clears too' }),
  cleared: payload.meta({ description: 'When it clears; default with a payload: nothing is published' }),
  stale: payload.meta({ description: 'The safe value: when the input is stale, so that nobody knows' }),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
  retain: z.boolean().default(false),
  expires: duration('After so long it is not carried out any more', { min: secondMs, max: dayMs }).prefault('30s'),
  via: z
    .string()
    .optional()
    .meta({ description: 'Source whose broker it goes to; default: the one that the readings come from' }),
});

const confirm = z.strictObject({
  topic: topic.meta({ description: 'Where the actuator says what it did, on the same broker' }),
  payload: payload.meta({ description: 'What it says when it did what "payload" asks for; default: the same' }),
  cleared: payload.meta({ description: 'And for "cleared"' }),
  stale: payload.meta({ description: 'And for "stale"' }),
  within: duration('How long it may take', { min: 100, max: dayMs }),
});

const webhook = z.strictObject({
  url: z.string().meta({
    description: 'http:// or https://; a JSON document is posted when the alarm is active and when it clears',
  }),
  expires: duration('Tried again for so long', { min: secondMs, max: dayMs }).prefault('5m'),
});

const step = z.strictObject({
  publish: publish
    .optional()
    .meta({ description: 'A message on the broker of an MQTT source, for example to an actuator' }),
  confirm: confirm.optional().meta({ description: 'The answer of the actuator; without it the alarm says so' }),
  webhook: webhook.optional(),
});

const atMost = z.unknown().transform((input, context) => {
  const match = /^\s*(\d{1,3})\s+per\s+(\S+)\s*$/.exec(String(input));
  const count = Number(match?.[1]);
  const per = parseDurationMs(match?.[2] ?? '');
  if (match !== null && count >= 1 && count <= activationsMax && 'value' in per && per.value > 0)
    return { count, perMs: per.value };
  const message = `${JSON.stringify(input)} is no limit: write 1 to ${activationsMax} per duration, such as "5 per 1h"`;
  context.issues.push({ code: 'custom', input, message });
  return z.NEVER;
});

export const alarmSchema = z.strictObject({
  if: condition,
  severity: z.enum(severities).default('warning'),
  // oxlint-disable-next-line unicorn/no-thenable -- the word that a reader expects; nothing awaits a schema.
  then: z.array(step).max(stepsMax).default([]).meta({ description: 'What is done, each at least once' }),
  stale: z
    .strictObject({ after: duration('Input older than this is stale', { min: secondMs, max: 31 * dayMs }) })
    .optional(),
  at_most: atMost.optional().meta({
    type: 'string',
    description: 'Activations of one device that act; others are told and counted',
    examples: ['5 per 1h'],
  }),
});

export type AlarmDocument = z.output<typeof alarmSchema>;
