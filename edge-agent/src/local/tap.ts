/**
 * Watching live what each step of the pipelines makes of each reading. Costs nothing while nobody watches. Nothing is kept: a watcher
 * that reads too slowly loses lines and is told how many, and the agent waits for none.
 */
import {
  flagQualityMask,
  flagText,
  quality,
  type ReadingColumns,
  type SeriesDefinition,
} from '@fogline/shared/reading';
import type { PipelineObserver } from '../pipeline/branch.ts';

/** All of those given must match. */
export interface TapFilter {
  readonly pipeline: string | null;
  readonly device: string | null;
  readonly metric: string | null;
}

/** False when the watcher has not yet read what came before. */
export type WriteLine = (line: string) => boolean;

interface Watcher {
  readonly filter: TapFilter;
  readonly write: WriteLine;
  lost: number;
}

/** From now on; returns what was dropped so far, by `<pipeline>.<step>.<reason>`. */
export type ObservePipeline = (observer: PipelineObserver | undefined) => Map<string, number>;

const watchersMax = 8;

export class Tap {
  readonly #watchers = new Set<Watcher>();
  readonly #observePipeline: ObservePipeline;
  /** What each step had dropped when it was last seen. */
  #drops = new Map<string, number>();

  constructor(observePipeline: ObservePipeline) {
    this.#observePipeline = observePipeline;
  }

  /** Undefined when there are as many watchers as may be. */
  watch(filter: TapFilter, write: WriteLine): { stop(): void; drained(): void } | undefined {
    if (this.#watchers.size >= watchersMax) return undefined;
    const watcher = { filter, write, lost: 0 };
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) this.#drops = this.#observePipeline((seen) => this.#observe(seen));
    return {
      stop: () => {
        this.#watchers.delete(watcher);
        if (this.#watchers.size > 0) return;
        this.#observePipeline(undefined);
      },
      drained: () => tellLost(watcher),
    };
  }

  #observe(seen: Parameters<PipelineObserver>[0]): void {
    const { pipeline, step, before, after, definitionBefore, definitionAfter } = seen;
    const reasons = this.#newReasons(seen);
    const watchers = [...this.#watchers].filter(({ filter }) => (filter.pipeline ?? pipeline) === pipeline);
    const show = (definition: SeriesDefinition, about: () => Record<string, unknown>): void => {
      const { device, metric } = definition;
      for (const watcher of watchers) {
        const { filter } = watcher;
        if ((filter.device ?? device) !== device || (filter.metric ?? metric) !== metric) continue;
        put(watcher, () => JSON.stringify({ pipeline, step, device, metric, ...about() }));
      }
    };
    const came = keysOf(before);
    const left = after.kind === 'readings' ? keysOf(after.columns) : [];
    const leaving = new Set(left);
    const stayed = came.filter((key) => !leaving.has(key)).length;
    const verdict = verdictOf(stayed, reasons);
    for (const [row, key] of came.entries()) {
      if (leaving.has(key)) continue;
      show(definitionBefore(before.series[row] ?? 0), () => ({ ...readingOf(before, row), ...verdict }));
    }
    const known = new Set(came);
    if (after.kind === 'readings') {
      const { columns } = after;
      for (const [row, key] of left.entries()) {
        const result = known.has(key) ? 'passed' : 'made';
        show(definitionAfter(columns.series[row] ?? 0), () => ({ ...readingOf(columns, row), verdict: result }));
      }
    } else {
      const { count, series, start, delta } = after.columns;
      for (let row = 0; row < count; row++) {
        const isDelta = delta[row] === 1;
        show(definitionAfter(series[row] ?? 0), () => ({
          start: new Date(start[row] ?? 0).toISOString(),
          verdict: isDelta ? 'window delta' : 'window',
        }));
      }
    }
  }

  /** Why the step dropped rows this time, and how many in all. */
  #newReasons({ pipeline, step, drops }: Parameters<PipelineObserver>[0]): ReadonlyMap<string, number> {
    const grown = new Map<string, number>();
    for (const [reason, count] of drops) {
      const name = `${pipeline}.${step}.${reason}`;
      const before = this.#drops.get(name) ?? 0;
      if (count > before) grown.set(reason, count - before);
      this.#drops.set(name, count);
    }
    return grown;
  }
}

/** What became of the rows that did not come out at once; where steps keep some and drop others, both are said. */
function verdictOf(stayed: number, reasons: ReadonlyMap<string, number>): Record<string, string> {
  const dropped = [...reasons.values()].reduce((sum, count) => sum + count, 0);
  if (dropped === 0) return { verdict: 'taken' };
  return { verdict: dropped >= stayed ? 'dropped' : 'taken or dropped', reason: [...reasons.keys()].join(' or ') };
}

/** Series, time and occurrence: operators keep the ids of what they pass. */
function keysOf({ count, series, time }: ReadingColumns): string[] {
  const times = new Map<string, number>();
  return Array.from({ length: count }, (_, row) => {
    const key = `${series[row]} ${time[row]}`;
    const nth = times.get(key) ?? 0;
    times.set(key, nth + 1);
    return `${key} ${nth}`;
  });
}

const qualityNames = new Map<number, string>(Object.entries(quality).map(([name, value]) => [value, name]));

function readingOf({ time, value, flags, strings }: ReadingColumns, row: number): Record<string, unknown> {
  const rowFlags = flags[row] ?? 0;
  const number = value[row] ?? 0;
  const rowQuality = rowFlags & flagQualityMask;
  return {
    time: new Date(time[row] ?? 0).toISOString(),
    value: (rowFlags & flagText) === 0 ? number : (strings[number] ?? ''),
    ...(rowQuality === quality.good ? {} : { quality: qualityNames.get(rowQuality) }),
  };
}

function put(watcher: Watcher, line: () => string): void {
  if (watcher.lost > 0 && !tellLost(watcher)) watcher.lost++;
  else if (!watcher.write(line())) watcher.lost++;
}

/** True when nothing is left to tell. */
function tellLost(watcher: Watcher): boolean {
  if (watcher.lost > 0 && watcher.write(JSON.stringify({ lost: watcher.lost }))) watcher.lost = 0;
  return watcher.lost === 0;
}
