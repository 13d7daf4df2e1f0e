/** Label sets: sorted by name, without empty values, because to PromQL a label that is empty is a label that is not there. */

export type Labels = ReadonlyMap<string, string>;

export const nameLabel = '__name__';

export function labelsFrom(pairs: Iterable<readonly [name: string, value: string]>): Labels {
  const kept = [...pairs].filter(([, value]) => value !== '');
  return new Map(kept.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** The same for equal label sets and only for them. */
export function keyOf(labels: Labels): string {
  let key = '';
  for (const [name, value] of labels) key += `${name}\u0000${value}\u0000`;
  return key;
}

export function withoutName(labels: Labels): Labels {
  return labels.has(nameLabel) ? without(labels, [nameLabel]) : labels;
}

export function without(labels: Labels, dropped: readonly string[]): Labels {
  return new Map([...labels].filter(([name]) => !dropped.includes(name)));
}

export function only(labels: Labels, kept: readonly string[]): Labels {
  return new Map([...labels].filter(([name]) => kept.includes(name)));
}

/** With `name` set to `value`; an empty value removes it. */
export function withLabel(labels: Labels, name: string, value: string): Labels {
  return labelsFrom(new Map(labels).set(name, value));
}

/** In the order in which Prometheus lists series. */
export function compareLabels(a: Labels, b: Labels): number {
  const left = a.entries();
  const right = b.entries();
  for (;;) {
    const { value: one } = left.next();
    const { value: other } = right.next();
    if (one === undefined || other === undefined) return a.size - b.size;
    for (const index of [0, 1] as const) if (one[index] !== other[index]) return one[index] < other[index] ? -1 : 1;
  }
}

/** `temperature{device="d1"}`, for messages to people. */
export function textOf(labels: Labels): string {
  const rest = [...withoutName(labels)].map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `${labels.get(nameLabel) ?? ''}{${rest.join(',')}}`;
}
