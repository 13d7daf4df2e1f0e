/**
 * What a rule over roll-ups decides of one series: from the values of the last buckets and the state of its alarm. Pure, and it remembers
 * nothing: the same buckets and state give the same decision.
 */
import type { Aggregate } from '../query/aggregates.ts';
import type { Selector } from '../query/selector.ts';
import type { AlarmWord } from './alarm-state.ts';
import type { Severity } from './severity.ts';

/** Levels without a clear level clear as soon as they do not hold. */
export type RuleCondition =
  | { readonly kind: 'above'; readonly level: number; readonly clearBelow: number | undefined }
  | { readonly kind: 'below'; readonly level: number; readonly clearAbove: number | undefined }
  | {
      readonly kind: 'outside';
      readonly low: number;
      readonly high: number;
      readonly clearAbove: number | undefined;
      readonly clearBelow: number | undefined;
    };

export interface RuleConfig {
  readonly name: string;
  readonly selector: Selector;
  readonly aggregate: Aggregate;
  readonly everyMs: number;
  readonly condition: RuleCondition;
  /** Buckets in a row in which it holds. */
  readonly buckets: number;
  /** So long after its end a bucket is looked at. */
  readonly settleMs: number;
  readonly severity: Severity;
}

/** Buckets in a row without data after which nobody knows. */
const staleBuckets = 3;

/** How many buckets a decision looks at. */
export function bucketsOf({ buckets }: Pick<RuleConfig, 'buckets'>): number {
  return Math.max(buckets, staleBuckets);
}

/** `values`: of the last buckets, oldest first, null where there is no data. Undefined: the state stays. */
export function decide(
  rule: Pick<RuleConfig, 'condition' | 'buckets'>,
  values: readonly (number | null)[],
  state: AlarmWord,
): 'active' | 'cleared' | 'stale' | undefined {
  const last = values.at(-1) ?? null;
  const isOn = state === 'active' || state === 'stale';
  if (last === null) {
    const isStale = values.slice(-staleBuckets).every((value) => value === null);
    return state === 'active' && isStale ? 'stale' : undefined;
  }
  if (isOn && clears(rule.condition, last)) return 'cleared';
  if (state === 'active') return undefined;
  if (state === 'stale') return 'active';
  const recent = values.slice(-rule.buckets);
  const isHeld =
    recent.length === rule.buckets && recent.every((value) => value !== null && holds(rule.condition, value));
  return isHeld ? 'active' : undefined;
}

function holds(condition: RuleCondition, value: number): boolean {
  switch (condition.kind) {
    case 'above':
      return value > condition.level;
    case 'below':
      return value < condition.level;
    case 'outside':
      return value < condition.low || value > condition.high;
  }
}

function clears(condition: RuleCondition, value: number): boolean {
  switch (condition.kind) {
    case 'above':
      return condition.clearBelow === undefined ? !holds(condition, value) : value < condition.clearBelow;
    case 'below':
      return condition.clearAbove === undefined ? !holds(condition, value) : value > condition.clearAbove;
    case 'outside':
      return (
        !holds(condition, value) &&
        value > (condition.clearAbove ?? Number.NEGATIVE_INFINITY) &&
        value < (condition.clearBelow ?? Number.POSITIVE_INFINITY)
      );
  }
}
