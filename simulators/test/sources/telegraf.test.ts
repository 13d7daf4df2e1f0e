/**
 * Clients that write as Telegraf does, both outputs, at a real agent with a real hub: over kill -9 of both, a bad link, a full buffer and
 * bodies that are too large, every metric that was taken is at the hub once, and none is forgotten.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@fogline/shared/clock';
import { SeededRandom } from '@fogline/shared/random';
import { describe, expect, it } from 'vitest';
import { openLink } from '../../src/faults/link.ts';
import { storm } from '../chaos/kill-storm.ts';
import { freePort, loopback } from '../support/ports.ts';
import { withSeed } from '../support/seed.ts';
import { openStage, type Stage } from '../support/stage.ts';
import { agentStatus, openSystem, type System } from '../support/system.ts';
import { Telegraf, type TelegrafCounts } from '../support/telegraf.ts';
import { verify } from '../support/verdict.ts';

const thisFile = 'simulators/test/sources/telegraf.test.ts';

interface Site {
  readonly stage: Stage;
  readonly system: System;
  readonly port: number;
}

async function open(name: string, more: { readonly http?: string; readonly buffer?: string } = {}): Promise<Site> {
  const stage = openStage(name);
  const port = await freePort();
  const system = await openSystem(stage, {
    moreSources: `  telegraf: { http: { listen: "${loopback}:${port}"${more.http ?? ''} } }`,
    pipelines: '{ live: { from: telegraf } }',
    ...(more.buffer === undefined ? {} : { buffer: more.buffer }),
  });
  return { stage, system, port };
}

function clients(site: Site, port: number, seed: number, metricsPerFlush: number): Telegraf[] {
  return ([1, 2] as const).map((version) => {
    const host = `telegraf-v${version}`;
    const random = new SeededRandom(seed * 4 + version);
    const truth = site.stage.path(`${host}.truth`);
    return new Telegraf(site.stage, { version, port, host, truth, random, metricsPerFlush, flushMs: 100 });
  });
}

/** Nothing of what was made was lost, doubled, or forgotten by its client. */
async function expectAll({ stage, system }: Site, telegrafs: readonly Telegraf[]): Promise<TelegrafCounts[]> {
  await Promise.all(telegrafs.map((telegraf) => telegraf.finish()));
  const truth = telegrafs.map((_, index) => stage.path(`telegraf-v${index + 1}.truth`));
  const { findings, summary } = await verify(stage, { truth, hubUrl: system.hubUrl, stream: 'live', waitMs: 90_000 });
  expect(findings).toEqual([]);
  expect(summary).toMatchObject({ isClean: true, lost: 0, duplicated: 0, unexpected: 0, series: 4 });
  expect(summary.acked).toBe(summary.sent);
  const counts = telegrafs.map((telegraf) => telegraf.counts);
  for (const { rejected, overflowed } of counts)
    expect({ rejected, overflowed }).toEqual({ rejected: 0, overflowed: 0 });
  return counts;
}

describe('Telegraf', () => {
  it(
    'over kill -9 of agent and hub and a link that loses answers: loses nothing and doubles nothing',
    { timeout: 300_000 },
    () =>
      withSeed(thisFile, 1, async ({ seed, random }) => {
        const site = await open('telegraf');
        const link = await openLink({
          listen: { host: loopback, port: 0 },
          to: { host: loopback, port: site.port },
          clock: systemClock,
        });
        site.stage.onClose(() => link.close());
        const telegrafs = clients(site, link.port, seed, 30);
        for (const telegraf of telegrafs) telegraf.start();
        let isOver = false;
        const trouble = (async () => {
          const own = random.fork();
          for (; !isOver; await sleep(own.below(1_000))) {
            // An answer is cut in its midst: the batch was taken, and the client does not know.
            if (own.chance(0.7)) link.cutAfter('down', 1 + own.below(400), 'rst');
            else link.cutAfter('up', 1 + own.below(20_000), 'fin');
          }
        })();
        const figures = await storm(site.stage, site.system, { kills: 12, gapMsMax: 1_500, random });
        isOver = true;
        await trouble;
        expect(figures.agentKills).toBeGreaterThan(2);
        const counts = await expectAll(site, telegrafs);
        // Requests that were taken and not answered came again.
        for (const { answers } of counts) expect(answers[0]).toBeGreaterThan(2);
        // Unless the agent was killed since, it has seen repeats.
        expect(link.stats().cut).toBeGreaterThan(2);
      }),
  );

  it('while the buffer is full of what must be kept: hears 503, waits, and loses nothing', {
    timeout: 300_000,
  }, async () => {
    const site = await open('telegraf-full', {
      buffer: 'commit: prompt, limit: { size: 8MiB }, when_full: { normal: keep }',
    });
    await site.system.hub.stop();
    const telegrafs = clients(site, site.port, 2, 5);
    // Readings of another sender fill the buffer.
    const filler = async (): Promise<number> => {
      const random = new SeededRandom(9);
      const lines = Array.from({ length: 2_000 }, (_, n) => {
        const fields = Array.from({ length: 20 }, (_unused, field) => `f${field}=${random.unit()}`);
        return `fill,host=filler,n=${n % 10} ${fields.join(',')} ${Date.now() + n}000000`;
      });
      const response = await fetch(`http://${loopback}:${site.port}/write`, { method: 'POST', body: lines.join('\n') });
      await response.text();
      return response.status;
    };
    for (let status = await filler(); status !== 503; status = await filler()) expect(status).toBe(204);
    for (const telegraf of telegrafs) telegraf.start();
    await site.stage.until('both hear 503', 60_000, () =>
      telegrafs.every(({ counts }) => (counts.answers[503] ?? 0) > 0),
    );
    const held = (await agentStatus(site.system)).queuedItems;
    await site.system.hub.start();
    await site.stage.until('both are taken again', 60_000, () =>
      telegrafs.every(({ counts }) => (counts.answers[204] ?? 0) > 1),
    );
    expect(held[2]).toBeGreaterThan(100_000);
    await expectAll(site, telegrafs);
  });

  it('with a batch larger than a body may be: v2 halves it until it is taken', { timeout: 120_000 }, async () => {
    const site = await open('telegraf-large', { http: ', body_max: 16KiB' });
    const telegraf = new Telegraf(site.stage, {
      version: 2,
      port: site.port,
      host: 'telegraf-v1',
      truth: site.stage.path('telegraf-v1.truth'),
      random: new SeededRandom(3),
      metricsPerFlush: 1_000,
      flushMs: 50,
    });
    telegraf.start();
    await site.stage.until('some batches were taken', 60_000, () => telegraf.counts.splits > 9);
    await telegraf.finish();
    const truth = [site.stage.path('telegraf-v1.truth')];
    const { findings, summary } = await verify(site.stage, {
      truth,
      hubUrl: site.system.hubUrl,
      stream: 'live',
      waitMs: 60_000,
    });
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({ isClean: true, acked: summary.sent });
    expect(telegraf.counts).toMatchObject({ rejected: 0, overflowed: 0 });
  });
});

describe('curl', () => {
  it('writes lines and JSON, is told which lines were not taken, and what it sends twice counts once', {
    timeout: 120_000,
  }, async () => {
    const stage = openStage('curl');
    const port = await freePort();
    const system = await openSystem(stage, {
      moreSources: `  telegraf: { http: { listen: "${loopback}:${port}", tokens: [s3cret] } }
  cellar:
    http: { listen: "${loopback}:${port}" }
    parse: { json: auto, time: { field: ts, unit: ms } }`,
      pipelines: '{ lines: { from: telegraf }, json: { from: cellar } }',
    });
    const url = `http://${loopback}:${port}`;
    const curl = async (path: string, body: string, ...more: string[]): Promise<{ status: string; text: string }> => {
      const args = ['-sS', '-w', '\n%{http_code}', '-XPOST', '--data-binary', body, ...more, `${url}${path}`];
      const { out, error } = await stage.execute('curl', args);
      const end = out.lastIndexOf('\n');
      return { status: out.slice(end + 1), text: `${out.slice(0, end)}${error}` };
    };
    const authorized = ['-H', 'Authorization: Token s3cret'];
    const now = Date.now();
    expect((await curl('/write', 'm v=1')).status).toBe('401');
    for (let times = 0; times < 2; times++) {
      const mixed = await curl(
        '/api/v2/write?precision=ms',
        `m,host=a v=1 ${now}\nbroken\nm,host=a v=2 ${now + 1}`,
        ...authorized,
      );
      expect(mixed.status).toBe('400');
      expect(JSON.parse(mixed.text)).toEqual({
        code: 'invalid',
        message: 'partial write: line 2: line_broken dropped=1; the other 2 readings were taken',
      });
      expect(await curl('/cellar/north', `{"ts":${now},"temp":21.5}`, ...authorized)).toEqual({
        status: '204',
        text: '',
      });
    }
    const counted = async (stream: string): Promise<number> => {
      const query = new URLSearchParams({
        match: `{stream="${stream}"}`,
        from: new Date(now - 1).toISOString(),
        to: new Date(now + 2).toISOString(),
      });
      const response = await fetch(`${system.hubUrl}/api/v1/data?${query.toString()}`);
      const { series } = (await response.json()) as { series: { columns: { time: number[] } }[] };
      return series.reduce((sum, { columns }) => sum + columns.time.length, 0);
    };
    await stage.until(
      'all is at the hub',
      60_000,
      async () => (await counted('lines')) === 2 && (await counted('json')) === 1,
    );
    await stage.until(
      'and nothing is on its way',
      30_000,
      async () => (await agentStatus(system)).queuedItems[2] === 0,
    );
    expect([await counted('lines'), await counted('json')]).toEqual([2, 1]);
  });
});
