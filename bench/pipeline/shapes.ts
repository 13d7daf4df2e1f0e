/** Pipelines that are measured: as a user would write them, resolved. */
import type { PipelineConfig } from '@fogline/edge-agent/core-config';
import { metricNames, sourceName } from './workload.ts';

const thresholds = Object.fromEntries(metricNames.map((name) => [name, 0.2]));

const live: PipelineConfig = {
  name: 'live',
  from: sourceName,
  deadband: { thresholds, heartbeatMs: 300_000 },
  lane: 2,
};
const stats: PipelineConfig = {
  name: 'stats',
  from: sourceName,
  window: { everyMs: 10_000, latenessMs: 2_000, hasSketch: false },
  lane: 1,
};
const percentiles: PipelineConfig = { ...stats, window: { everyMs: 10_000, latenessMs: 2_000, hasSketch: true } };

/** Each reading goes through every pipeline of a shape. */
export const shapes: Readonly<Record<string, readonly PipelineConfig[]>> = {
  deadband: [live],
  'window 10 s': [stats],
  'deadband and window 10 s': [live, stats],
  'deadband and window 10 s with percentiles': [live, percentiles],
};
