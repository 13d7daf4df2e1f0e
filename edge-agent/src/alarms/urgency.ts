/**
 * Whether a batch should be committed at once because a reading in it brings about a transition. It is asked before the pipeline runs, so
 * it answers for alarms that look at readings as they came in; a window is looked at when it closes, at a commit that comes within
 * a second anyway. Urgent commits are bounded: an alarm that flutters must not wear out the medium.
 */
import { flagQualityMask, flagText, quality } from '@fogline/shared/reading';
import type { PipelineConfig } from '../core-config.ts';
import type { SourceBatch } from '../sources/batch-port.ts';
import type { AlarmConfig } from './alarm-config.ts';
import { newAlarmState, wouldTell } from './alarm-machine.ts';
import type { Alarms } from './alarms.ts';

/** Between urgent commits; longer after one that was for nothing, because an operator held the reading back. */
const pauseMs = 200;
const pauseInVainMs = 1000;

/** Fields of a pipeline that change no value on its way. */
const keepsValues: ReadonlySet<string> = new Set(
  'name from isFromPipeline lane isLocal only check derive where deadband throttleMs'.split(' '),
);

interface Watched {
  readonly alarms: readonly AlarmConfig[];
  readonly device: string;
  readonly tags: SourceBatch['newSeries'][number]['tags'];
}

export class Urgency {
  readonly #alarms: Alarms;
  /** By source, who looks at its readings. */
  readonly #bySource: ReadonlyMap<string, readonly AlarmConfig[]>;
  /** By source and series id; a hole where nobody looks. */
  readonly #watched = new Map<string, (Watched | undefined)[]>();
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(pipelines: readonly PipelineConfig[], configs: readonly AlarmConfig[], alarms: Alarms) {
    this.#alarms = alarms;
    const ofReadings = configs.filter(({ watches }) => watches.aggregate === '');
    const withSource = ofReadings.map((alarm) => ({ alarm, source: sourceOf(alarm.watches.stream, pipelines) }));
    const sources = new Set(withSource.map(({ source }) => source).filter((source) => source !== undefined));
    this.#bySource = new Map(
      [...sources].map((name) => [name, withSource.filter(({ source }) => source === name).map(({ alarm }) => alarm)]),
    );
  }

  /** To be told of every batch: it brings definitions of series. */
  learn({ source, newSeries }: SourceBatch): void {
    const alarms = this.#bySource.get(source);
    if (alarms === undefined || newSeries.length === 0) return;
    const watched = this.#watched.get(source) ?? [];
    for (const { id, metric, device, tags } of newSeries) {
      const watching = alarms.filter(({ watches }) => watches.metric === metric);
      watched[id] = watching.length === 0 ? undefined : { alarms: watching, device, tags };
    }
    this.#watched.set(source, watched);
  }

  /** `now`: monotonic. */
  isUrgent({ source, columns }: SourceBatch, now: number): boolean {
    const watched = this.#watched.get(source);
    if (watched === undefined || now < this.#pausedUntil) return false;
    const { count, series, time, value, flags, strings } = columns;
    for (let row = 0; row < count; row++) {
      const entry = watched[series[row] ?? 0];
      const rowFlags = flags[row] ?? 0;
      if (entry === undefined || (rowFlags & flagQualityMask) === quality.bad) continue;
      const given = (rowFlags & flagText) === 0 ? (value[row] ?? 0) : (strings[value[row] ?? 0] ?? '');
      for (const alarm of entry.alarms) {
        const state = this.#alarms.stateOf(alarm.name, entry.device, entry.tags) ?? newAlarmState();
        if (wouldTell(alarm, state, time[row] ?? 0, given)) return true;
      }
    }
    return false;
  }

  /** An urgent commit was made. */
  spent(now: number, hasTold: boolean): void {
    this.#pausedUntil = now + (hasTold ? pauseMs : pauseInVainMs);
  }
}

/** The source whose values a stream carries unchanged; undefined when something changes them on the way. */
function sourceOf(stream: string, pipelines: readonly PipelineConfig[]): string | undefined {
  const config = pipelines.find(({ name }) => name === stream);
  if (config === undefined || !Object.keys(config).every((field) => keepsValues.has(field))) return undefined;
  return config.isFromPipeline ? sourceOf(config.from, pipelines) : config.from;
}
