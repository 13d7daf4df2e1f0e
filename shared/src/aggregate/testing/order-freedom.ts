/**
 * The property that makes partials mergeable: the bytes depend on the multiset of readings, not on their order, on how they
 * were split, or on the tree by which the parts were merged. Takes the thing under test as an adapter, so that a faulty
 * one can show that the property catches it.
 */
import fc from 'fast-check';
import { hex } from './reference.ts';

export interface Mergeable<State, Item> {
  empty(): State;
  add(state: State, item: Item): void;
  merge(state: State, other: State): void;
  encode(state: State): Uint8Array;
}

/** Bytes of the items in the given order, each first put in one of a few parts, the parts merged pairwise at random. */
function encodeBy<State, Item>(
  under: Mergeable<State, Item>,
  items: readonly Item[],
  order: readonly number[],
  part: readonly number[],
  picks: readonly number[],
): string {
  const shuffled = items.map((item, i) => ({
    item,
    key: order[i % order.length] ?? 0,
    part: part[i % part.length] ?? 0,
  }));
  shuffled.sort((a, b) => a.key - b.key);
  const parts = Array.from({ length: 5 }, () => under.empty());
  for (const { item, part: index } of shuffled) under.add(parts[index] as State, item);
  for (let step = 0; parts.length > 1; step++) {
    const [taken] = parts.splice((picks[step % picks.length] ?? 0) % parts.length, 1);
    under.merge(parts[step % parts.length] as State, taken as State);
  }
  return hex(under.encode(parts[0] as State));
}

/** Equal bytes for any two ways of bringing the items together. */
export function orderFreedom<State, Item>(
  under: Mergeable<State, Item>,
  item: fc.Arbitrary<Item>,
  itemsMax = 40,
): fc.IProperty<[Item[], number[], number[], number[]]> {
  const keys = fc.array(fc.nat(), { minLength: 1, maxLength: 50 });
  const parts = fc.array(fc.nat(4), { minLength: 1, maxLength: 50 });
  return fc.property(fc.array(item, { maxLength: itemsMax }), keys, parts, keys, (items, order, part, picks) => {
    const straight = under.empty();
    for (const each of items) under.add(straight, each);
    return hex(under.encode(straight)) === encodeBy(under, items, order, part, picks);
  });
}
