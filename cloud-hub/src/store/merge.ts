/** Merging partials where one that does not fit must not stop the hub: only absurd counts or durations (beyond 2^53) do not. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { hasCode } from '@fogline/shared/errors';

/** An own copy; it keeps its sketch. */
export function copyOf(partial: Partial): Partial {
  const copy = Partial.empty({ sketch: partial.hasSketch });
  copy.merge(partial);
  return copy;
}

/** False when the sum has no canonical form; one agent's absurd counts must not stop the hub. */
export function isMerged(into: Partial, from: Partial): boolean {
  try {
    into.merge(from);
    return true;
  } catch (error) {
    if (hasCode(error, 'limit_exceeded')) return false;
    throw error;
  }
}
