import { expect, it } from 'vitest';
import { openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';
import { type Format, renderRows } from './output.ts';

const paging = { complete: true, next: null };

it.each<Exclude<Format, 'pretty'>>(['json', 'ndjson', 'csv'])(
  'a long answer in %s is made as it is taken, never as one text',
  (format) => {
    let made = 0;
    const rows = {
      *[Symbol.iterator]() {
        for (let n = 0; n < 20_000; n++) {
          made++;
          yield { n, text: 'x"y' };
        }
      },
    };
    const { body } = renderRows(rows, [{ n: 0, text: '' }], paging, format, {});
    expect(body).not.toBeTypeOf('string');
    expect(made).toBeLessThan(6_000);
    const pieces = typeof body === 'string' ? [body] : [...body];
    expect(made).toBe(20_000);
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(40_000);
    const text = pieces.join('');
    if (format === 'json') expect((JSON.parse(text) as { rows: unknown[] }).rows).toHaveLength(20_000);
    else expect(text.trimEnd().split('\n')).toHaveLength(20_001);
  },
);

it('arrives whole', async () => {
  const start = Date.UTC(2026, 0, 1);
  const fixture = openApiFixture(start);
  const sent = Array.from({ length: 20_000 }, (_, index) => ({
    series: 0,
    timeMs: start + index * 10,
    value: index / 3,
  }));
  fixture.agent('gw', [definition()]).send(sent);
  const ask = `/api/v1/data?match=temperature&from=${start}&to=${start + 1_000_000}&limit=100000`;
  const { body } = await fixture.get(ask);
  const [series] = body['series'] as { columns: { time: number[]; value: number[] } }[];
  expect(series?.columns.value).toEqual(sent.map(({ value }) => value));
  const { body: csv } = await fixture.text(`${ask}&format=csv`);
  expect(csv.split('\r\n')).toHaveLength(20_002);
});
