import { expect, it } from 'vitest';
import { draftConfig } from './draft.ts';
import { Observations } from './observations.ts';

it('x', () => {
  const seen = new Observations();
  const t0 = Date.UTC(2026, 0, 1);
  for (let i = 0; i < 60; i++)
    for (const d of ['a', 'b', 'c']) {
      const at = t0 + i * 1000;
      seen.take(
        `sensors/${d}/climate`,
        Buffer.from(
          JSON.stringify({
            ts: at - 30,
            temp: Math.round((20 + Math.sin(i) * 0.1) * 100) / 100,
            hum: 40 + (i % 3),
            on: i % 2 === 0,
            mode: 'eco',
            nested: { a: 1.5, list: [1] },
          }),
        ),
        at,
      );
      seen.take(
        `meters/${d}`,
        Buffer.from(JSON.stringify({ time: at / 1000, kwh: 100 + i, watts: 30 + ((i * 7) % 5) })),
        at,
      );
      seen.take(`home/${d}/temperature`, Buffer.from('21.5'), at);
      seen.take(`home/${d}/humidity`, Buffer.from('45'), at);
      seen.take(`light/${d}`, Buffer.from('ON'), at);
    }
  seen.take('junk', Buffer.from([255, 1]), t0);
  console.log(draftConfig(seen, { url: 'mqtt://127.0.0.1:1883', username: undefined }, 60_000));
  expect(1).toBe(1);
});
