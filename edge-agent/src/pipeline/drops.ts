/** Counts rows that went no further; nothing is counted for none. */
export function addDrop(drops: Map<string, number>, reason: string, count = 1): void {
  if (count > 0) drops.set(reason, (drops.get(reason) ?? 0) + count);
}
