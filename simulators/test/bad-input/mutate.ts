/** Seeded damage to messages: to their bytes, to their shape, and, below the checksum, to the columns that they carry. */
import { crc32 } from 'node:zlib';
import { packAnything, unpackAnything } from '@fogline/shared/protocol/testing/message-pack';
import type { SeededRandom } from '@fogline/shared/random';

type Mutation = (random: SeededRandom, payload: Uint8Array) => Uint8Array;

const oddities: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1,
  255,
  2 ** 31 - 1,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  -(2 ** 53),
  1e300,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '',
  '\u0000',
  'x'.repeat(300),
  [],
  [[]],
  [0, 0, 0, 0],
  Buffer.alloc(0),
  Buffer.alloc(8, 0xff),
  Buffer.alloc(9),
];

function damageBytes(random: SeededRandom, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.from(payload);
  for (let times = 1 + random.below(4); times > 0 && bytes.length > 0; times--)
    bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

const cutShort: Mutation = (random, payload) => payload.slice(0, random.below(payload.length));
const prolong: Mutation = (random, payload) => Buffer.concat([payload, random.bytes(1 + random.below(8))]);
/** More than any envelope may have, in a field that takes bytes where there is one. */
const inflate: Mutation = (_random, payload) => {
  const tree = unpackAnything(payload) as unknown[];
  const parts = tree.findLast((value) => Array.isArray(value));
  if (Array.isArray(parts)) parts.push(0, Buffer.alloc(1_100_000));
  return packAnything(tree);
};

function damageShape(random: SeededRandom, payload: Uint8Array): Uint8Array {
  const tree = unpackAnything(payload) as unknown[];
  for (let times = 1 + random.below(3); times > 0; times--) {
    let list = tree;
    for (;;) {
      const inner = list.filter((value): value is unknown[] => Array.isArray(value) && value.length > 0);
      const next = inner[random.below(inner.length * 2)];
      if (next === undefined) break;
      list = next;
    }
    const at = random.below(list.length);
    const odd = structuredClone(oddities[random.below(oddities.length)]);
    const old = list[at];
    const choice = random.below(6);
    if (choice === 0) list.splice(at, 1);
    else if (choice === 1) list.splice(at, 0, odd);
    else if (choice === 2) list.push(...structuredClone(list.slice(0, 300)));
    else if (choice === 3 && typeof old === 'number') list[at] = old + (random.below(2) === 0 ? 1 : -1);
    else if (choice === 4 && old instanceof Uint8Array && old.length > 8) list[at] = resealed(damageBytes(random, old));
    else list[at] = odd;
  }
  return packAnything(tree);
}

/** With the checksum of what it holds now, so that the decoder behind the checksum gets to see it. */
function resealed(block: Uint8Array): Uint8Array {
  const sealed = Buffer.from(block);
  sealed.writeUInt32LE(crc32(sealed.subarray(0, -4)), sealed.length - 4);
  return sealed;
}

function damageColumns(random: SeededRandom, payload: Uint8Array): Uint8Array {
  const tree = unpackAnything(payload) as unknown[];
  const visit = (list: unknown[]): void => {
    for (const [at, value] of list.entries()) {
      if (Array.isArray(value)) visit(value);
      else if (value instanceof Uint8Array && value.length > 8) list[at] = resealed(damageBytes(random, value));
    }
  };
  visit(tree);
  return packAnything(tree);
}

const mutations: readonly Mutation[] = [
  damageBytes,
  damageBytes,
  damageShape,
  damageShape,
  damageShape,
  damageColumns,
  damageColumns,
  cutShort,
  prolong,
];

export function mutate(random: SeededRandom, payload: Uint8Array): Uint8Array {
  if (random.chance(0.01)) return inflate(random, payload);
  const mutation = mutations[random.below(mutations.length)] ?? damageBytes;
  return mutation(random, payload);
}
