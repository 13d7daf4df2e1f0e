/**
 * Hostile blobs behind a checksum that fits: refused, or the same canonical rows by every door. FOGLINE_SEED=n judges one seed;
 * `npm run test:long -- shared/src/codec` some hundred thousand blobs.
 */
import { env } from 'node:process';
import { describe, expect, test } from 'vitest';
import { decodeReadings } from './readings.ts';
import { judgeSeed } from './testing/hostile-blobs.ts';

const seeds = env['FOGLINE_SEED'] === undefined ? 120 : 1;
const first = Number(env['FOGLINE_SEED'] ?? 1);

test('a hostile blob is refused, or gives the same canonical rows by every door', () => {
  let accepted = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const verdict = judgeSeed(seed, 20);
    expect(verdict.fault).toBeUndefined();
    accepted += verdict.accepted;
  }
  if (seeds > 1) expect(accepted).toBeGreaterThan(100);
});

describe.skipIf(seeds === 1)('a planted fault is found: a decoder', () => {
  /** The first fault that the seeds show. */
  const firstFault = (decode: typeof decodeReadings): string | undefined => {
    for (let seed = 1; seed <= seeds; seed++) {
      const { fault } = judgeSeed(seed, 20, decode);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };

  test('that lets a value pass which is not finite', () => {
    const careless: typeof decodeReadings = (bytes) => {
      const columns = decodeReadings(bytes);
      if (columns.count > 2 && columns.value[1] === columns.value[2]) columns.value[1] = Number.POSITIVE_INFINITY;
      return columns;
    };
    expect(firstFault(careless)).toMatch('is not canonical');
  });

  test('that leaves a row as the memory was', () => {
    let before = 0;
    const forgetful: typeof decodeReadings = (bytes) => {
      const columns = decodeReadings(bytes);
      const own = columns.value[0] ?? 0;
      if (columns.count === 3) columns.value[0] = before;
      before = own;
      return columns;
    };
    expect(firstFault(forgetful)).toMatch(/value of row 0|is another one/);
  });

  test('that crashes', () => {
    const brittle: typeof decodeReadings = (bytes) => {
      if (bytes.length % 7 === 0) throw new RangeError('offset is out of bounds');
      return decodeReadings(bytes);
    };
    expect(firstFault(brittle)).toMatch('threw offset is out of bounds');
  });
});
