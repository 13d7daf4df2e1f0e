import { expect, it } from 'vitest';
import { ConnectPace } from './connect-pace.ts';

it('begins at once while few come, and of a storm so many a turn, in order, with a turn for the others in between', async () => {
  const pace = new ConnectPace(3);
  const begun: number[] = [];
  const begin = (n: number): void => pace.begin(() => void begun.push(n));
  begin(0);
  expect(begun).toEqual([0]);
  for (let n = 1; n < 10; n++) begin(n);
  const perTurn: number[] = [begun.length];
  for (let turn = 0; turn < 4; turn++) {
    await new Promise(setImmediate);
    perTurn.push(begun.length);
  }
  expect(perTurn).toEqual([3, 6, 9, 10, 10]);
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  begin(10);
  expect(begun.at(-1)).toBe(10);
});
