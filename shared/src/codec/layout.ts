/**
 * Which rows make a block. A series of more than half a block has blocks of its own, cut evenly; shorter ones share a
 * block with their neighbours, so that a batch of many short series pays per block, not per series. The cut follows from
 * the row counts alone: it is part of the format and never stored.
 */

/** Rows of a block in fast mode, and of any blob with no more rows than this. */
export const blockRowsFast = 1024;

const zero = [0] as const;
const one = [1] as const;

export interface BlockPlan {
  readonly blocks: number;
  /** Per block: position in the order of its first series, rows of that series that lie in earlier blocks, series, rows. */
  readonly position: readonly number[];
  readonly skip: readonly number[];
  readonly series: readonly number[];
  readonly rows: readonly number[];
}

/**
 * Cuts the series `order[0 …)`, whose rows `counts` gives, into blocks of at most `blockRows` rows. Series of different
 * `classes` never share a block.
 */
export function planBlocks(
  order: Uint32Array,
  counts: Uint32Array,
  classes: Uint32Array | undefined,
  blockRows: number,
): BlockPlan {
  const only = counts[order[0] ?? 0] ?? 0;
  if (order.length === 1 && only <= blockRows) {
    return { blocks: 1, position: zero, skip: zero, series: one, rows: [only] };
  }
  const plan = {
    blocks: 0,
    position: [] as number[],
    skip: [] as number[],
    series: [] as number[],
    rows: [] as number[],
  };
  const add = (position: number, skip: number, series: number, rows: number) => {
    plan.blocks++;
    plan.position.push(position);
    plan.skip.push(skip);
    plan.series.push(series);
    plan.rows.push(rows);
  };
  const shareMax = blockRows / 2;
  let at = 0;
  while (at < order.length) {
    const first = order[at] as number;
    let rows = counts[first] as number;
    if (rows > shareMax) {
      const pieces = Math.ceil(rows / blockRows);
      for (let piece = 0; piece < pieces; piece++) {
        const from = Math.floor((piece * rows) / pieces);
        add(at, from, 1, Math.floor(((piece + 1) * rows) / pieces) - from);
      }
      at++;
      continue;
    }
    let end = at + 1;
    while (end < order.length) {
      const next = order[end] as number;
      const more = counts[next] as number;
      if (more > shareMax || rows + more > blockRows) break;
      if (classes !== undefined && classes[next] !== classes[first]) break;
      rows += more;
      end++;
    }
    add(at, 0, end - at, rows);
    at = end;
  }
  return plan;
}

/** Series in the order of the value blocks: by class, stable. */
export function valueOrder(series: number, classes: Uint32Array | undefined): Uint32Array {
  const order = new Uint32Array(series);
  for (let s = 0; s < series; s++) order[s] = s;
  if (classes === undefined) return order;
  return order.sort((a, b) => (classes[a] as number) - (classes[b] as number) || a - b);
}
