/** What a user may write of a pipeline: the operators between a source and a stream. */

import { isAggregate, plainAggregates } from '@fogline/shared/aggregate/names';
import { duration, rate, share } from '@fogline/shared/config/fields';
import { lanes } from '@fogline/shared/protocol/limits';
import { z } from 'zod';

const secondMs = 1_000;
const hourMs = 3_600 * secondMs;
const dayMs = 24 * hourMs;

const metricName = z.string().min(1).max(128);
const finite = z.number().refine(Number.isFinite, 'must be a finite number');

const convert = z
  .record(
    metricName,
    z.strictObject({
      rename: metricName.optional().meta({ description: 'The name of the metric from here on' }),
      unit: z.string().max(32).optional().meta({ description: 'Its unit from here on, as text' }),
      scale: finite.default(1).meta({ description: 'Value × scale + offset' }),
      offset: finite.default(0).meta({ description: 'Added after scaling' }),
    }),
  )
  .meta({ description: 'Other names, units and scales, by metric' });

const check = z
  .record(
    metricName,
    z.strictObject({
      range: z.tuple([finite, finite]).optional().meta({ description: 'What lies outside gets quality bad' }),
      max_rate: rate('What moved faster gets quality uncertain').optional(),
      stuck_for: duration('What stood still for this long gets quality uncertain', { min: secondMs }).optional(),
    }),
  )
  .meta({ description: 'Plausibility of values, by metric; nothing is dropped' });

const expressionText = z.string().min(1).max(1_000);
const hold = duration('How old a value may be that stands in for one that the message lacks', { max: dayMs });

const derive = z
  .record(
    metricName,
    z.union([
      expressionText,
      z.strictObject({
        expr: expressionText.meta({ description: 'For example "temperature - (100 - humidity) / 5"' }),
        unit: z.string().max(32).default('').meta({ description: 'Unit of the result, as text' }),
        hold: hold.optional(),
      }),
    ]),
  )
  .meta({ description: 'New metrics, computed of others of the same device and time; each may use those before it' });

const where = z
  .union([
    expressionText,
    z.strictObject({
      expr: expressionText.meta({ description: 'For example "temperature > 0 and device != \'d7\'"' }),
      hold: hold.optional(),
    }),
  ])
  .meta({ description: 'Only messages for which this is true go on' });

const deadband = z
  .object({
    heartbeat: duration('A value is sent again after this long even if it stood still', {
      min: secondMs,
      max: dayMs,
    }).prefault('5m'),
  })
  .catchall(z.union([z.number().min(0), share('Of the value sent last').transform((part) => ({ share: part }))]))
  .meta({ description: 'Smallest change that is sent, by metric: in its unit, or as a share such as 2%' });

const swingingDoor = z
  .object({
    max_gap: duration('A reading is sent after this long even if it lies on the line', {
      min: secondMs,
      max: dayMs,
    }).prefault('5m'),
  })
  .catchall(z.number().min(0))
  .meta({
    description:
      'How far, by metric and in its unit, a reading may lie from the straight line between those that are sent',
  });

const window = z.strictObject({
  every: duration('A window begins every so often', { min: secondMs, max: dayMs }),
  width: duration('Width, where windows overlap; default: as every', { min: secondMs, max: dayMs }).optional(),
  lateness: duration('How long a window waits for late readings', { max: hourMs }).prefault('2s'),
  compute: z
    .array(
      z.string().refine(isAggregate, {
        error: `an aggregate is ${plainAggregates.join(', ')}, or a percentile such as p95 or p99.9`,
      }),
    )
    .min(1)
    .default(['mean', 'min', 'max', 'count'])
    .meta({ description: 'What will be asked for; percentiles make the agent keep a sketch per window' }),
});

export const pipelineSchema = z.strictObject({
  from: z.string().meta({ description: 'Name of a source, or of another pipeline' }),
  only: z.array(metricName).min(1).optional().meta({ description: 'Metrics that are taken; default: all' }),
  convert: convert.optional(),
  check: check.optional(),
  derive: derive.optional(),
  where: where.optional(),
  deadband: deadband.optional(),
  swinging_door: swingingDoor.optional(),
  throttle: duration('The first reading of each such period is sent', { min: secondMs, max: dayMs }).optional(),
  sample: duration('The last reading of each such period is sent', { min: secondMs, max: dayMs }).optional(),
  window: window.optional(),
  send: z
    .strictObject({
      to: z
        .string()
        .optional()
        .meta({ description: 'Name of an uplink, by default the only one; or local: it stays on the agent' }),
      priority: z.enum(lanes).default('normal'),
    })
    .prefault({}),
});
