/**
 * How long the hub takes to answer questions over a store of some millions of readings, alone on its thread: all pages of each answer,
 * and the longest stretch in which ingest would not get its turn. In CPU time of the thread, which other programs do not change.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { answerData, type DataPage, type DataQuestion } from '@fogline/cloud-hub/query/data';
import { parseGrid } from '@fogline/cloud-hub/query/grid';
import { parseSelector } from '@fogline/cloud-hub/query/selector';
import type { StoreRead } from '@fogline/cloud-hub/store/read';
import { Figures, percentile } from '../kit/figures.ts';
import { buildStore, startMs } from './store.ts';

const dayMs = 86_400_000;

interface Asked {
  readonly name: string;
  readonly match: string;
  readonly days: number;
  readonly more: Partial<DataQuestion>;
}

function questions(days: number): readonly Asked[] {
  const daily = parseGrid('1d', undefined);
  const chart = parseGrid('5m', undefined);
  const inSlow = { match: 'slow', days };
  const dense = { match: 'fast', days: 1 };
  return [
    { name: 'daily mean and max, all series', ...inSlow, more: { grid: daily, aggregates: ['mean', 'max'] } },
    {
      name: 'the same by the days of Paris',
      ...inSlow,
      more: { grid: parseGrid('1d', 'Europe/Paris'), aggregates: ['mean'] },
    },
    { name: 'daily delta, all series', ...inSlow, more: { grid: daily, aggregates: ['delta'] } },
    {
      name: 'daily p95 (from readings), 50 series',
      match: 'slow{agent="slow-0"}',
      days,
      more: { grid: daily, aggregates: ['p95'] },
    },
    {
      name: 'hourly twa of held streams, 50 series',
      match: 'calm',
      days,
      more: { grid: parseGrid('1h', undefined), aggregates: ['twa'] },
    },
    { name: '24 h envelope of 10 series at 1 Hz', ...dense, more: { grid: chart, aggregates: ['min', 'max'] } },
    { name: '24 h twa (from readings) of 10 series at 1 Hz', ...dense, more: { grid: chart, aggregates: ['twa'] } },
    { name: '24 h LTTB, 800 points of 10 series at 1 Hz', ...dense, more: { lttbPoints: 800 } },
  ];
}

function answer(store: StoreRead, { match, days, more }: Asked): { readonly ms: number; readonly longestMs: number } {
  const toMs = startMs + days * dayMs;
  const base = {
    selectors: [parseSelector(match)],
    from: new Date(startMs).toISOString(),
    to: new Date(toMs).toISOString(),
    grid: undefined,
    aggregates: undefined,
    fill: undefined,
    qualities: undefined,
    limit: 100_000,
    ...more,
  };
  const beganMs = cpuMs();
  let longestMs = 0;
  for (let cursor: string | undefined; ; ) {
    const query = answerData(store, { ...base, cursor }, toMs);
    let page: DataPage | undefined;
    while (page === undefined) {
      const sliceMs = cpuMs();
      const step = query.next();
      longestMs = Math.max(longestMs, cpuMs() - sliceMs);
      if (step.done === true) page = step.value;
    }
    if (page.next === null) return { ms: cpuMs() - beganMs, longestMs };
    cursor = page.next;
  }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

export async function run(args: string[]): Promise<void> {
  const options = { series: { type: 'string' }, days: { type: 'string' }, runs: { type: 'string' } } as const;
  const { values } = parseArgs({ args, options });
  const [series, days, runs] = [values.series ?? '1000', values.days ?? '30', values.runs ?? '20'].map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'bench-answers-'));
  const { core, readings, close } = buildStore(folder, series ?? 0, days ?? 0);
  const figures = new Figures();
  for (const asked of questions(days ?? 0)) {
    answer(core.read, asked);
    const taken = Array.from({ length: runs ?? 0 }, () => answer(core.read, asked));
    const ms = taken.map((one) => one.ms);
    figures.add(asked.name, 'p50', 'ms', percentile(ms, 0.5));
    figures.add(asked.name, 'p99', 'ms', percentile(ms, 0.99));
    figures.add(asked.name, 'longest stretch', 'ms', Math.max(...taken.map((one) => one.longestMs)));
  }
  const command = `npm run bench -- answers --series ${series} --days ${days} --runs ${runs}`;
  figures.print({ bench: 'answers', command, notes: { readings, store: 'SQLite on disk, no ingest beside it' } });
  close();
  rmSync(folder, { recursive: true });
}
