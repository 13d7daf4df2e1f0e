/** Results over all steps at once: one column per series instead of one object per sample. */
import { failed } from './errors.ts';
import { compareLabels, keyOf, type Labels } from './labels.ts';

/** One series over the steps of a query. Where `has` is 0 there is no sample, whatever `values` holds. */
export interface Column {
  readonly labels: Labels;
  readonly values: Float64Array;
  readonly has: Uint8Array;
}

export type Value =
  | { readonly kind: 'scalar'; readonly values: Float64Array }
  /** `isOrdered`: the order of the columns is part of the result (sort, topk). */
  | { readonly kind: 'vector'; readonly columns: readonly Column[]; readonly isOrdered: boolean }
  | { readonly kind: 'string'; readonly value: string };

export type VectorValue = Extract<Value, { kind: 'vector' }>;

export function vectorOf(columns: readonly Column[], isOrdered = false): VectorValue {
  return { kind: 'vector', columns, isOrdered };
}

export function emptyColumn(labels: Labels, steps: number): Column {
  return { labels, values: new Float64Array(steps), has: new Uint8Array(steps) };
}

export function hasAny({ has }: Column): boolean {
  return has.includes(1);
}

/**
 * Columns whose labels became equal, joined: a series may go on under another former name, but two of them at one step are an error.
 * Throws `limit_exceeded`.
 */
export function distinct(columns: readonly Column[]): Column[] {
  const byKey = new Map<string, Column>();
  for (const column of columns) {
    const key = keyOf(column.labels);
    const known = byKey.get(key);
    byKey.set(key, known === undefined ? column : joined(known, column));
  }
  return [...byKey.values()];
}

function joined(a: Column, b: Column): Column {
  const values = a.values.slice();
  const has = a.has.slice();
  for (let step = 0; step < has.length; step++) {
    if (b.has[step] === 0) continue;
    if (has[step] === 1) throw failed('vector cannot contain metrics with the same labelset');
    has[step] = 1;
    values[step] = b.values[step] as number;
  }
  return { labels: a.labels, values, has };
}

export function byLabels(columns: readonly Column[]): Column[] {
  return [...columns].sort((a, b) => compareLabels(a.labels, b.labels));
}
