import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const hour = 3_600_000;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 5);

async function ask({ api }: ApiFixture, url: string, tag?: string) {
  const headers = { host: 'localhost', ...(tag === undefined ? {} : { 'if-none-match': tag }) };
  const { statusCode, body, headers: answered } = await api.app.inject({ method: 'GET', url, headers });
  return { status: statusCode, body, tag: String(answered['etag']), control: answered['cache-control'] };
}

const questions = [
  `match=temperature&from=${start}&to=${start + day}&every=1h`,
  `match=temperature&from=${start}&to=${start + day}&every=1h&agg=mean,delta&fill=previous`,
  `match=temperature&from=${start + hour}&to=${start + 2 * hour}`,
  `match=temperature{stream="calm"}&from=${start}&to=${start + 3 * day}&every=1d`,
  `match=temperature&from=${start}&to=${start + 3 * day}&every=1d&agg=last`,
  'match=temperature&from=now-6h&every=10m&agg=max',
  'match=temperature&from=now-6h&every=10m&agg=max&fill=0',
  'match=temperature{agent="gw1"}&from=now-6h',
];

it('as long as the tag is the same the answer is, whatever arrives', async () => {
  const change = fc.oneof(
    fc.record({
      kind: fc.constant('reading' as const),
      agent: fc.constantFrom(0, 1),
      series: fc.constantFrom(0, 1),
      timeMs: fc.oneof(
        fc.integer({ min: start - 40 * day, max: start + 4 * day }),
        fc.integer({ min: start, max: start + 3 * hour }),
        fc.integer({ min: start + 2 * day - hour, max: start + 2 * day }),
      ),
    }),
    fc.record({
      kind: fc.constant('void' as const),
      agent: fc.constantFrom(0, 1),
      hour: fc.integer({ min: 0, max: 30 }),
    }),
    fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 20 * 60_000 }) }),
    fc.record({ kind: fc.constant('fold' as const) }),
    fc.record({ kind: fc.constant('stream' as const), name: fc.constantFrom('raw', 'x') }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 10 }), async (changes) => {
      const fixture = openApiFixture(start + 2 * day + 7);
      const streams = [definition(), definition({ stream: 'calm', sampling: 'held', holdMs: 2 * hour })];
      const senders = ['gw1', 'gw2'].map((name) => fixture.agent(name, streams));
      const read = () => Promise.all(questions.map((question) => ask(fixture, `/api/v1/data?${question}`)));
      let before = await read();
      for (const [index, next] of changes.entries()) {
        if (next.kind === 'reading') senders[next.agent]?.send([{ ...next, value: index }]);
        else if (next.kind === 'fold') fixture.core.fold();
        else if (next.kind === 'time') fixture.clock.advance(next.ms);
        else if (next.kind === 'stream')
          fixture.agent('gw3', [definition({ stream: next.name })], `00000000000000c${index.toString(16)}`);
        else {
          const at = start / hour + next.hour;
          const stats = [{ series: 0, hour: at, count: 1, min: 1, max: 1, mean: 1 }];
          senders[next.agent]?.void(1, { reason: 'evicted_size', stats, statsOmitted: 0, hours: [[at, 1]] });
        }
        const after = await read();
        after.forEach(({ status, tag, body }, question) => {
          if (status === 200 && tag === before[question]?.tag)
            expect(body, questions[question]).toBe(before[question].body);
        });
        before = after;
      }
    }),
    { numRuns: 30 },
  );
});

it('is told unchanged until data arrives before the end of its range', async () => {
  const fixture = openApiFixture(start + 2 * day);
  const [gw1, gw2] = ['gw1', 'gw2'].map((name) => fixture.agent(name, [definition()]));
  const at = (timeMs: number) => [{ series: 0, timeMs, value: 1 }];
  gw1?.send(at(start));
  const url = `/api/v1/data?match=temperature{agent="gw1"}&from=${start}&to=${start + day}&every=1h`;
  const { tag, control, status } = await ask(fixture, url);
  expect([status, control]).toEqual([200, 'private, no-cache']);
  const again = async (known = tag) => (await ask(fixture, url, known)).status;
  gw1?.send(at(start + day));
  gw2?.send(at(start));
  fixture.clock.advance(day);
  expect(await ask(fixture, url, tag)).toEqual({ status: 304, body: '', tag, control });
  expect([await again(`W/${tag}`), await again(`"other", ${tag}`), await again('*')]).toEqual([304, 304, 304]);
  expect([await again('"other"'), (await ask(fixture, `${url}&format=csv`, tag)).status]).toEqual([200, 200]);
  gw1?.send(at(start - 3 * day));
  expect(await again()).toBe(200);
});

it('changes with time alone only where a value stands until now', async () => {
  const fixture = openApiFixture(start + hour);
  const calm = definition({ sampling: 'held', holdMs: 2 * hour });
  const stands = [10, 40].map((minutes) => ({ series: 0, timeMs: start + minutes * 60_000, value: minutes }));
  fixture.agent('gw1', [calm]).send(stands);
  const url = `/api/v1/data?match=temperature&from=${start}&to=${start + day}&every=1d&agg=`;
  const [twa, last] = [await ask(fixture, `${url}twa`), await ask(fixture, `${url}last`)];
  fixture.clock.advance(10 * 60_000);
  expect((await ask(fixture, `${url}twa`, twa.tag)).status).toBe(200);
  expect((await ask(fixture, `${url}last`, last.tag)).status).toBe(304);
});
