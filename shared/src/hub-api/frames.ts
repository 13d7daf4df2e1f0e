/** What `/api/v1/stream` and `/api/v1/ws` send: events of the one, messages with `type` and `subscription` of the other. */
import { z } from 'zod';

const ms = z.int();

const current = z.object({
  series: z.int(),
  labels: z.record(z.string(), z.string()),
  timeMs: ms.nullable().describe('null where there is no value yet.'),
  value: z.union([z.number(), z.string()]).optional(),
  quality: z.string().optional(),
  widthMs: ms.optional(),
  count: z.int().optional(),
  mean: z.number().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
});

const readings = z.object({
  series: z.int(),
  time: z.array(ms),
  value: z.array(z.union([z.number(), z.string()])),
  quality: z.array(z.string()),
});

const windows = z.object({
  series: z.int(),
  time: z.array(ms).describe('Starts.'),
  widthMs: z.array(ms),
  delta: z.array(z.boolean()).describe('Late readings of a window that was told before, to be merged into it.'),
  count: z.array(z.int()),
  mean: z.array(z.number()),
  min: z.array(z.number()),
  max: z.array(z.number()),
});

/** By type. */
export const frames = {
  current: z.object({ values: z.array(current) }).describe('Series and their values now.'),
  live: z.object({ series: z.int() }).describe('That was all; from here on what is committed.'),
  committed: z
    .object({ rows: z.array(z.union([readings, windows])) })
    .describe('As it was committed, late readings too.'),
  reset: z.object({ reason: z.string() }).describe('What was missed is no longer here: everything follows anew.'),
  skipped: z
    .object({ values: z.array(current.extend({ skipped: z.int().positive() })) })
    .describe('WebSocket: values now, and how many items of each were committed and not shown.'),
  end: z.object({ reason: z.string() }).describe('Events: nothing more will come.'),
} as const;
