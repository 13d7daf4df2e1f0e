/** What `GET /api/v1/data` may be asked, and what is meant by it: every combination that has no meaning is refused with the fix. */
import { parseDurationMs } from '@fogline/shared/units';
import { z } from 'zod';
import { type Aggregate, aggregates as knownAggregates, parseAggregates } from '../query/aggregates.ts';
import { parseFill } from '../query/bucket-rows.ts';
import type { DataQuestion } from '../query/data.ts';
import { type Grid, gridFor, parseGrid } from '../query/grid.ts';
import { lttbPointsMin } from '../query/lttb.ts';
import { type Quality, qualityNames } from '../query/parts.ts';
import { parseSelector } from '../query/selector.ts';
import { parseRange } from '../query/time.ts';
import { choiceOf, cursorParam, formatParam, limitParam, matchParam, refuseQuery } from './params.ts';

export const dataQuery = z.object({
  match: matchParam,
  from: z.string().default('now-1h').describe('Begin, inclusive: now-6h, RFC 3339 with offset, or epoch milliseconds.'),
  to: z.string().optional().describe('End, exclusive; default now.'),
  every: z
    .string()
    .optional()
    .describe('Bucket width: 10s, 5m, 6h, 1d, 1w (from Monday), 1mo, 1y; without it the readings themselves.'),
  tz: z
    .string()
    .max(60)
    .optional()
    .describe('IANA time zone whose clock and calendar the buckets follow, for example Europe/Paris; default UTC.'),
  agg: z
    .string()
    .optional()
    .describe(
      `Comma-separated, of ${knownAggregates.join(', ')} and percentiles such as p95; the default follows the sampling.`,
    ),
  hold: z
    .string()
    .max(40)
    .optional()
    .describe('For agg=twa: how long a value stands at most, 1s to 31d, in streams that do not say it; default 1h.'),
  points: z
    .string()
    .regex(/^[1-9]\d{0,4}$/, 'write a whole number from 1 to 99999')
    .transform(Number)
    .optional()
    .describe(
      'About so many points per series, for a chart: buckets of a fitting width with agg=min,max unless agg says otherwise.',
    ),
  downsample: z
    .string()
    .optional()
    .describe(
      'How points are chosen: minmax (default, the envelope: exact at any length) or lttb (readings that show the shape).',
    ),
  fill: z
    .string()
    .max(40)
    .default('none')
    .describe('What stands in buckets without data: none (they are left out), null, previous, linear, or a number.'),
  quality: z
    .string()
    .max(40)
    .optional()
    .describe('Only readings of these qualities: good, uncertain, bad, comma-separated.'),
  source: z
    .string()
    .optional()
    .describe(
      'hub (default), or edge: the readings as sources delivered them, fetched from the journals of the agents.',
    ),
  shape: z.string().optional().describe('columns (default) or rows, for format=json.'),
  format: formatParam,
  limit: limitParam(10_000, 100_000),
  cursor: cursorParam,
});

export type Asked = z.output<typeof dataQuery>;

/** Throws `query_invalid`. */
export function questionOf(asked: Asked, nowMs: number): DataQuestion {
  const { match = [], from, to, agg, quality, limit, cursor } = asked;
  if (match.length === 0)
    throw refuseQuery(
      'match: name the series, for example match=temperature or match={device="d1"}; match={} means all',
    );
  const lttbPoints = lttbPointsOf(asked);
  const grid = lttbPoints === undefined ? gridOf(asked, nowMs) : undefined;
  const isBucketed = asked.every !== undefined || asked.points !== undefined;
  const needsBuckets = (name: string, why: string): void => {
    if (!isBucketed) throw refuseQuery(`${name}: ${why}; add every, for example every=1m, or leave ${name} out`);
  };
  if (agg !== undefined) needsBuckets('agg', 'aggregates need buckets');
  if (asked.tz !== undefined && asked.format !== 'pretty')
    needsBuckets('tz', 'only buckets follow a time zone, and the times of format=pretty');
  const aggregates = agg === undefined ? undefined : parseAggregates(agg);
  const fill = parseFill(asked.fill);
  if (fill !== undefined) needsBuckets('fill', 'only buckets can be empty');
  if (quality !== undefined && isBucketed)
    throw refuseQuery('quality: aggregates always leave bad readings out; leave quality out, or ask for the readings');
  const isEnvelope = asked.points !== undefined && agg === undefined && grid !== undefined;
  return {
    selectors: match.map(parseSelector),
    from,
    to,
    grid,
    aggregates: aggregates ?? (isEnvelope ? ['min', 'max'] : undefined),
    holdMs: asked.hold === undefined ? undefined : parseHold(asked.hold, aggregates ?? []),
    fill,
    lttbPoints,
    qualities: quality === undefined ? undefined : parseQualities(quality),
    limit,
    cursor,
  };
}

const holdMsMin = 1_000;
const holdMsMax = 31 * 86_400_000;

function parseHold(text: string, aggregates: readonly Aggregate[]): number {
  if (!aggregates.includes('twa'))
    throw refuseQuery('hold: only twa asks how long a value stands; write agg=twa, or leave hold out');
  const parsed = parseDurationMs(text);
  if ('problem' in parsed) throw refuseQuery(`hold: ${parsed.problem}`);
  if (parsed.value < holdMsMin || parsed.value > holdMsMax) throw refuseQuery('hold: write 1s to 31d');
  return parsed.value;
}

const downsamples = ['minmax', 'lttb'] as const;

/** How many points LTTB is to choose; undefined where the envelope or nothing chooses. */
function lttbPointsOf({ downsample, points, agg, every, tz, fill, limit }: Asked): number | undefined {
  if (downsample === undefined) return undefined;
  const chosen = choiceOf('downsample', downsamples, downsample);
  if (points === undefined)
    throw refuseQuery('downsample: says how points are chosen; add points, for example points=800');
  if (chosen === 'minmax') return undefined;
  const others = Object.entries({ agg, every, tz, fill: fill === 'none' ? undefined : fill });
  const meaningless = others.find(([, value]) => value !== undefined)?.[0];
  if (meaningless !== undefined)
    throw refuseQuery(
      `${meaningless}: downsample=lttb selects readings, it makes no buckets; leave ${meaningless} out`,
    );
  if (points < lttbPointsMin) throw refuseQuery(`points: downsample=lttb needs ${lttbPointsMin} or more`);
  if (points > limit)
    throw refuseQuery(`points: a series of ${points} points does not fit into limit=${limit}; write limit=${points}`);
  return points;
}

/** An envelope has two points a bucket. */
const pointsPerBucket = 2;

function gridOf({ every, points, tz, from, to, agg }: Asked, nowMs: number): Grid | undefined {
  if (points === undefined) return every === undefined ? undefined : parseGrid(every, tz);
  if (every !== undefined) throw refuseQuery('points: chooses the width by itself; leave every out, or points');
  const buckets = agg === undefined ? Math.ceil(points / pointsPerBucket) : points;
  const grid = gridFor(parseRange(from, to, nowMs), buckets, tz);
  return grid === undefined && agg !== undefined ? parseGrid('1s', tz) : grid;
}

function parseQualities(text: string): Quality[] {
  return text.split(',').map((part) => choiceOf('quality', qualityNames, part.trim()));
}
