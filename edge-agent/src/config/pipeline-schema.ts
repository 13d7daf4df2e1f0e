/** What a user may write of a pipeline: the operators between a source and a stream. */
import { duration } from '@fogline/shared/config/fields';
import { lanes } from '@fogline/shared/protocol/limits';
import { z } from 'zod';

const secondMs = 1_000;
const hourMs = 3_600 * secondMs;
const dayMs = 24 * hourMs;

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

export const pipelineSchema = z.strictObject({
  from: z.string().meta({ description: 'Name of a source, or of another pipeline' }),
  deadband: deadband.optional(),
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
