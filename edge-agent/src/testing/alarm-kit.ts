/** What tests of alarms share: a fan that cools, and what the log tells of alarms. */
import { decodeReadings } from '@fogline/shared/codec/readings';
import { alarmStream } from '@fogline/shared/protocol/alarm-stream';
import type { Action } from '../actions/action.ts';
import type { AlarmConfig } from '../alarms/alarm-config.ts';
import type { CoreConfig } from '../core-config.ts';
import { blockOf } from '../journal/commit-record.ts';
import { DurableSeries } from '../journal/series-registry.ts';
import { type CoreKit, coreConfig } from './core-kit.ts';

/** Above 60 for 5 s, below 55 it clears; a fan is told, and answers. */
export const overheat: AlarmConfig = {
  name: 'overheat',
  watches: { stream: 'live', metric: 't', aggregate: '' },
  condition: { kind: 'above', level: 60, clearBelow: 55 },
  forMs: 5000,
  severity: 'critical',
  staleAfterMs: 0,
  inputDelayMs: 0,
  steps: [
    {
      kind: 'publish',
      via: 'climate',
      topic: 'fans/{device}/set',
      payloads: { active: 'ON', cleared: 'OFF' },
      qos: 1,
      retain: false,
      expiresMs: 30_000,
    },
  ],
};

export function withAlarms(...alarms: readonly AlarmConfig[]): CoreConfig {
  const stats = {
    name: 'stats',
    from: 'climate',
    window: { everyMs: 10_000, latenessMs: 2000, hasSketch: false },
    lane: 1,
  };
  return {
    ...coreConfig,
    pipelines: [
      { name: 'live', from: 'climate', lane: 2 },
      { ...stats, lane: 1 },
    ],
    alarms,
  };
}

export interface Told {
  readonly alarm: string;
  readonly device: string;
  readonly word: string;
  readonly time: number;
}

/** Every transition of the log, in order. */
export function toldBy({ store }: CoreKit): Told[] {
  const series = new DurableSeries();
  for (const packed of store.series()) series.load(packed);
  const told: Told[] = [];
  for (const { record } of store.commitsAfter(0)) {
    for (const output of record.outputs) {
      if (output.kind !== 'readings') continue;
      const { count, series: ids, time, value, strings } = decodeReadings(blockOf(record, output));
      for (let row = 0; row < count; row++) {
        const { stream, metric, device } = series.definitionOf(ids[row] ?? 0);
        if (stream === alarmStream)
          told.push({ alarm: metric, device, word: strings[value[row] ?? 0] ?? '', time: time[row] ?? 0 });
      }
    }
  }
  return told;
}

/** Every action of the log, in order. */
export function decidedBy({ store }: CoreKit): Action[] {
  return [...store.commitsAfter(0)].flatMap(({ record }) => [...record.actions]);
}

/** Every outcome of the log, in order. */
export function outcomesIn({ store }: CoreKit): (readonly [id: number, outcome: string])[] {
  return [...store.commitsAfter(0)].flatMap(({ record }) => [...record.outcomes]);
}
