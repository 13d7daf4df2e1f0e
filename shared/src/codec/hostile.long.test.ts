/** The hostile blobs of hostile.test.ts, some hundred thousand of them. FOGLINE_SEED=n begins elsewhere. */
import { env } from 'node:process';
import { expect, test } from 'vitest';
import { judgeSeed } from './testing/hostile-blobs.ts';

const first = Number(env['FOGLINE_SEED'] ?? 1);
const seeds = 10_000;

test('hundreds of thousands of hostile blobs are refused, or give the same canonical rows by every door', () => {
  let accepted = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const verdict = judgeSeed(seed, 20);
    expect(verdict.fault).toBeUndefined();
    accepted += verdict.accepted;
  }
  expect(accepted).toBeGreaterThan(5000);
});
