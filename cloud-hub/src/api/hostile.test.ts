import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const now = Date.UTC(2026, 0, 1);

const value = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '',
    'now',
    'now-1h',
    '0',
    '-1',
    '1e99',
    'NaN',
    '10s',
    '1m',
    '1d',
    '999999999999d',
    'temperature',
    '{}',
    '{a="',
    'mean',
    'json',
    'csv',
  ),
  fc.constantFrom(
    '2026-01-01T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '8640000000000000',
    '-8640000000000000',
  ),
  fc
    .array(fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.string()))
    .map((parts) => Buffer.from(JSON.stringify([1, ...parts])).toString('base64url')),
);

const parameter = fc.tuple(
  fc.constantFrom(
    'match',
    'from',
    'to',
    'every',
    'agg',
    'shape',
    'format',
    'limit',
    'cursor',
    'agent',
    'lane',
    '__proto__',
    'constructor',
  ),
  value,
);

it('whatever is asked, the answer is an answer or says what was wrong with the question', async () => {
  const { agent, api, clock } = openApiFixture(now);
  agent('gw', [definition(), definition({ metric: 'state', type: 'text' })]).send([
    { series: 0, timeMs: now, value: 1 },
    { series: 1, timeMs: now, value: 'on' },
  ]);
  const path = fc.constantFrom(
    'data',
    'data',
    'data?match=temperature',
    'data?match={}&from=now-1h',
    'series',
    'latest',
    'gaps',
    'agents',
    'ledger',
  );
  await fc.assert(
    fc.asyncProperty(path, fc.array(parameter, { maxLength: 4 }), async (route, parameters) => {
      clock.advance(1_000);
      const query = parameters.map(([key, text]) => `${key}=${encodeURIComponent(text.toWellFormed())}`).join('&');
      const url = `/api/v1/${route}${route.includes('?') ? '&' : '?'}${query}`;
      const response = await api.app.inject({ method: 'GET', url, headers: { host: 'localhost' } });
      expect([200, 400], `${url}\n${response.body}`).toContain(response.statusCode);
    }),
    { numRuns: 1_000 },
  );
});
