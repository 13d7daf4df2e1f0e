/** What one value says about a condition. */
import type { Condition } from './alarm-config.ts';

/** `between`: neither, as between a level and its clear level. `unusable`: a text where a number is compared. */
export type Verdict = 'holds' | 'clears' | 'between' | 'unusable';

export function judge(condition: Condition, value: number | string): Verdict {
  if (condition.kind === 'missing') return 'clears';
  if (condition.kind === 'equals') return value === condition.value ? 'holds' : 'clears';
  if (typeof value === 'string') return 'unusable';
  switch (condition.kind) {
    case 'above':
      if (value > condition.level) return 'holds';
      return condition.clearBelow === undefined || value < condition.clearBelow ? 'clears' : 'between';
    case 'below':
      if (value < condition.level) return 'holds';
      return condition.clearAbove === undefined || value > condition.clearAbove ? 'clears' : 'between';
    case 'outside': {
      if (value < condition.low || value > condition.high) return 'holds';
      const { clearAbove = Number.NEGATIVE_INFINITY, clearBelow = Number.POSITIVE_INFINITY } = condition;
      return value > clearAbove && value < clearBelow ? 'clears' : 'between';
    }
  }
}
