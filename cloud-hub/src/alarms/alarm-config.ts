/** What the hub's configuration says of alarms. */
import { duration } from '@fogline/shared/config/fields';
import { formatDuration } from '@fogline/shared/units';
import { z } from 'zod';

const hourMs = 3_600_000;

export interface AlarmsConfig {
  readonly keepMs: number;
}

export const defaultAlarms: AlarmsConfig = { keepMs: 400 * 24 * hourMs };

export const alarmsSchema = z
  .strictObject({
    keep: duration('How long the history of alarms is kept, from when the hub heard of it', { min: hourMs }).prefault(
      formatDuration(defaultAlarms.keepMs),
    ),
  })
  .prefault({})
  .meta({ description: 'Alarms at the hub' });

export function resolveAlarms(raw: z.output<typeof alarmsSchema>): AlarmsConfig {
  return { keepMs: raw.keep };
}
