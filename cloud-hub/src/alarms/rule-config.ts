/** Rules over roll-ups as the configuration has them. */
import type { ConfigContext } from '@fogline/shared/config';
import { duration } from '@fogline/shared/config/fields';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { formatDuration } from '@fogline/shared/units';
import { z } from 'zod';
import { parseAggregates } from '../query/aggregates.ts';
import { parseSelector } from '../query/selector.ts';
import type { RuleCondition, RuleConfig } from './rule.ts';
import { severities } from './severity.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
const bucketsMax = 100;

export const ruleSchema = z.strictObject({
  match: z.string().meta({ description: 'Which series, as /api/v1/data has it: temperature{site="lyon"}' }),
  agg: z.string().default('mean').meta({ description: 'What of each bucket is looked at: mean, max, p95 …' }),
  every: duration('Width of a bucket; divides a day', { min: minuteMs, max: dayMs }),
  above: z.number().optional().meta({ description: 'Active above this level' }),
  below: z.number().optional().meta({ description: 'Active below this level' }),
  outside: z.tuple([z.number(), z.number()]).optional().meta({ description: 'Active outside [low, high]' }),
  clear_below: z.number().optional().meta({ description: 'Clears below this level' }),
  clear_above: z.number().optional().meta({ description: 'Clears above this level' }),
  for: duration('How long it holds before the alarm is active; default one bucket').optional(),
  settle: duration('How long after its end a bucket is looked at, for what comes late', { max: dayMs }).prefault('1m'),
  severity: z.enum(severities).default('warning').meta({ description: 'What it is told as' }),
});

type RuleDocument = z.output<typeof ruleSchema>;

export function resolveRule(name: string, raw: RuleDocument, context: ConfigContext): RuleConfig | undefined {
  const path = ['alarms', 'rules', name];
  const refuse = (key: string, message: string): undefined => context.error([...path, key], message) as undefined;
  const selector = attempt(
    () => parseSelector(raw.match),
    (message) => refuse('match', message),
  );
  const aggregates = attempt(
    () => parseAggregates(raw.agg),
    (message) => refuse('agg', message),
  );
  if (aggregates !== undefined && aggregates.length > 1) refuse('agg', 'names several: write one rule for each');
  if (dayMs % raw.every !== 0)
    refuse('every', `${formatDuration(raw.every)} does not divide a day: write 1m, 5m, 15m, 1h or 1d`);
  const buckets = Math.max(1, Math.ceil((raw.for ?? 0) / raw.every));
  if (buckets > bucketsMax)
    refuse('for', `is more than ${bucketsMax} buckets of ${formatDuration(raw.every)}: write a wider every`);
  const condition = conditionOf(raw, (message) => context.error(path, message));
  const [aggregate] = aggregates ?? [];
  if (selector === undefined || aggregate === undefined || condition === undefined) return undefined;
  const { every: everyMs, settle: settleMs, severity } = raw;
  return { name, selector, aggregate, everyMs, condition, buckets, settleMs, severity };
}

function attempt<Result>(work: () => Result, refuse: (message: string) => undefined): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof FoglineError)) throw error;
    return refuse(messageOf(error));
  }
}

function conditionOf(raw: RuleDocument, refuse: (message: string) => void): RuleCondition | undefined {
  const { above, below, outside, clear_above: clearAbove, clear_below: clearBelow } = raw;
  const given = [above, below, outside].filter((condition) => condition !== undefined);
  if (given.length !== 1) {
    refuse('needs one condition: above, below or outside: [low, high]');
    return undefined;
  }
  if (above !== undefined) {
    if (clearAbove !== undefined)
      refuse('clear_above: an alarm that is active above a level clears below one: write clear_below');
    if (clearBelow !== undefined && clearBelow > above)
      refuse('clear_below lies above the level: it would clear while it holds');
    return { kind: 'above', level: above, clearBelow };
  }
  if (below !== undefined) {
    if (clearBelow !== undefined)
      refuse('clear_below: an alarm that is active below a level clears above one: write clear_above');
    if (clearAbove !== undefined && clearAbove < below)
      refuse('clear_above lies below the level: it would clear while it holds');
    return { kind: 'below', level: below, clearAbove };
  }
  const [low = 0, high = 0] = outside ?? [];
  if (low >= high) refuse('outside: the first level lies below the second');
  if ((clearAbove ?? low) < low || (clearBelow ?? high) > high || (clearAbove ?? low) >= (clearBelow ?? high))
    refuse('clear_above and clear_below lie within outside, the first below the second');
  return { kind: 'outside', low, high, clearAbove, clearBelow };
}
