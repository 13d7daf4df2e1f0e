/** One rule over all series that it matches, at the end of one bucket: each series answered as `/api/v1/data` would, alone and exactly. */
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { bucketsOfReadings, bucketsOf as dataBuckets, readBucket } from '../query/buckets.ts';
import { holdMsDefault } from '../query/data.ts';
import { fixedGrid } from '../query/grid.ts';
import { type Group, matchGroups } from '../query/series.ts';
import { chooseStream } from '../query/stream-choice.ts';
import type { SeriesInfo, StoreRead } from '../store/read.ts';
import { bucketsOf, type RuleConfig } from './rule.ts';

export type RuleStore = Pick<StoreRead, 'listSeries' | 'rollups' | 'raw' | 'expiry' | 'spreads'>;

export interface Evaluated {
  /** Stands for the series of all streams of one metric. */
  readonly series: SeriesInfo;
  /** Of the last buckets, oldest first; or why it cannot be answered. */
  readonly values: readonly (number | null)[] | FoglineError;
}

/** Yields where others may run. Throws `query_invalid` when too much matches. */
export function* evaluateRule(
  store: RuleStore,
  rule: RuleConfig,
  endMs: number,
  nowMs: number,
): Generator<Evaluated | undefined> {
  const groups = yield* quietly(matchGroups(store, [rule.selector]));
  for (const group of groups) {
    const [series] = group.members;
    if (series === undefined) continue;
    try {
      const values = yield* valuesOf(store, rule, group, endMs, nowMs);
      yield { series, values };
    } catch (error) {
      if (!(error instanceof FoglineError) || !hasCode(error, 'query_invalid')) throw error;
      yield { series, values: error };
    }
  }
}

function* valuesOf(
  store: RuleStore,
  rule: RuleConfig,
  group: Group,
  endMs: number,
  nowMs: number,
): Generator<undefined, (number | null)[]> {
  const { everyMs, aggregate } = rule;
  const count = bucketsOf(rule);
  const range = { fromMs: endMs - count * everyMs, toMs: endMs };
  const aggregates = [aggregate];
  const asked = { grid: fixedGrid(everyMs), aggregates, holdMs: holdMsDefault, nowMs };
  const { series, level } = yield* quietly(chooseStream(store, group, range, asked.grid, aggregates));
  const values: (number | null)[] = Array.from({ length: count }, () => null);
  const buckets =
    level === undefined
      ? bucketsOfReadings(store, series, asked, range)
      : dataBuckets(store, series, level, asked, range);
  for (const bucket of buckets) {
    if (bucket === undefined) {
      yield undefined;
      continue;
    }
    const read = readBucket(bucket, aggregates, series);
    const at = (bucket.startMs - range.fromMs) / everyMs;
    if (read !== undefined && at >= 0 && at < count) values[at] = read.cells[0] ?? null;
  }
  return values;
}

function* quietly<Result>(query: Generator<void, Result>): Generator<undefined, Result> {
  for (;;) {
    const step = query.next();
    if (step.done === true) return step.value;
    yield undefined;
  }
}
