/** Pipelines and alarms that are measured: as a user would write them, resolved. */
import type { AlarmConfig } from '@fogline/edge-agent/alarms/alarm-config';
import type { PipelineConfig } from '@fogline/edge-agent/core-config';
import { metricNames, sourceName } from './workload.ts';

/** Each reading goes through every pipeline of a shape. */
export interface Shape {
  readonly pipelines: readonly PipelineConfig[];
  readonly alarms?: readonly AlarmConfig[];
}

const byMetric = <T>(value: T): Record<string, T> => Object.fromEntries(metricNames.map((name) => [name, value]));
const base = { name: 'live', from: sourceName, lane: 2 } as const;
const deadband = { thresholds: byMetric(0.2), heartbeatMs: 300_000 };
const live: PipelineConfig = { ...base, deadband };
const window = { everyMs: 10_000, latenessMs: 2_000, hasSketch: false };
const stats: PipelineConfig = { name: 'stats', from: sourceName, window, lane: 1 };
const checked = { range: { min: -40, max: 125 }, ratePerMs: 0.01, stuckMs: 600_000 };
/** On one metric of each device, as alarms are; never true. */
const alarm: AlarmConfig = {
  name: 'overheat',
  watches: { stream: 'stats', metric: metricNames[0] ?? '', aggregate: 'mean' },
  condition: { kind: 'above', level: 1_000, clearBelow: 900 },
  forMs: 30_000,
  severity: 'critical',
  staleAfterMs: 0,
  inputDelayMs: 12_000,
  steps: [],
};

export const shapes: Readonly<Record<string, Shape>> = {
  deadband: { pipelines: [live] },
  'window 10 s': { pipelines: [stats] },
  'deadband and window 10 s': { pipelines: [live, stats] },
  'deadband, window 10 s, alarm': { pipelines: [live, stats], alarms: [alarm] },
  'deadband and window 10 s with percentiles': {
    pipelines: [live, { ...stats, window: { ...window, hasSketch: true } }],
  },
  'check, then deadband': { pipelines: [{ ...live, check: byMetric(checked) }] },
  'swinging door': { pipelines: [{ ...base, swingingDoor: { bounds: byMetric(0.2), maxGapMs: 300_000 } }] },
  'hopping window 1 m every 10 s': {
    pipelines: [{ ...base, hopping: { ...window, widthMs: 60_000, compute: ['mean', 'max'] } }],
  },
  'where, of two metrics': { pipelines: [{ ...base, where: { text: 'm0 > m1 or m0 < 20', holdMs: 0 } }] },
  'derive, of two metrics': {
    pipelines: [{ ...base, derive: [{ metric: 'dew_point', unit: '°C', text: 'm0 - (100 - m1) / 5', holdMs: 0 }] }],
  },
};
