/** The roll-up levels. A contribution of width w (a reading: 0) goes into every level that w divides; each level divides the next. */

export const levels = [10_000, 60_000, 900_000, 86_400_000] as const;
export type RollupLevelMs = (typeof levels)[number];

export const hourMs = 3_600_000;

/** Index of the finest level that `widthMs` divides (0 for a reading); undefined when it divides none. */
export function finestLevel(widthMs: number): number | undefined {
  if (widthMs === 0) return 0;
  const index = levels.findIndex((level) => level % widthMs === 0);
  return index === -1 ? undefined : index;
}

/** Start of the bucket of `levelMs` that holds `timeMs`. */
export function bucketOf(timeMs: number, levelMs: number): number {
  return Math.floor(timeMs / levelMs) * levelMs;
}

/** Buckets of one packed block at most: it holds those of one aligned span of its level. */
export const blockBuckets = 2048;

/** Length of the span that one block covers. */
export function blockSpanMs(levelMs: number): number {
  return levelMs * blockBuckets;
}
