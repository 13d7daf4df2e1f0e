/** The standard questions, as each system is asked them, and what an answer says: numbers by series. */
import { type Content, dayMs, denseAgent, hourMs, metrics, startMs } from './content.ts';

/** By agent and device, in order of time. */
export type Numbers = ReadonlyMap<string, readonly number[]>;

export interface Asked {
  readonly name: string;
  /** Asked less often. */
  readonly isLong?: true;
  /** Paths with their queries; `turn` moves the range of what can be asked for in many places. */
  hub(turn: number): string;
  victoria(turn: number): string;
  numbersOfHub(answer: string): Numbers;
  numbersOfVictoria(answer: string): Numbers;
}

const chartStepMs = 300_000;
const latestWindow = '10m';

export function questionsOver({ size, endMs }: Content): readonly Asked[] {
  const charts = Math.max(1, (size.days - 1) * 24);
  /** Whole hours, so that both have the same buckets. */
  const chartFrom = (turn: number): number => startMs + ((turn * 7) % charts) * hourMs;
  const both = [metrics.main, metrics.quiet];
  const dense = `${metrics.main}{agent="${denseAgent}"}`;
  return [
    {
      name: '24 h chart of 10 series at 1 Hz, 800 points',
      hub: (turn) => {
        const from = chartFrom(turn);
        return `/api/v1/data?${query({ match: dense, from: String(from), to: String(from + dayMs), points: '800' })}`;
      },
      victoria: (turn) => {
        const rollup = `aggr_over_time(("min_over_time", "max_over_time"), ${dense}[5m])`;
        return rangeQuery(rollup, chartFrom(turn), chartFrom(turn) + dayMs, chartStepMs);
      },
      numbersOfHub: (answer) => columnsOf(answer, ['min', 'max']),
      numbersOfVictoria: matrixOf,
    },
    dailyQuestion({ size, endMs }, 'mean', 'avg_over_time'),
    {
      name: `latest of ${size.allSeries} series`,
      hub: () => `/api/v1/latest?${query({ limit: '10000' })}&${both.map((metric) => `match=${metric}`).join('&')}`,
      victoria: () => {
        const last = `last_over_time({__name__=~"${both.join('|')}"}[${latestWindow}])`;
        return `/api/v1/query?${query({ query: last, time: String(endMs / 1_000), nocache: '1' })}`;
      },
      numbersOfHub: latestOf,
      numbersOfVictoria: vectorOf,
    },
  ];
}

/** Compared before anything is timed: how many readings there are of each series and day. */
export function countQuestion(content: Content): Asked {
  return dailyQuestion(content, 'count', 'count_over_time');
}

function dailyQuestion({ size, endMs }: Pick<Content, 'size' | 'endMs'>, agg: string, overTime: string): Asked {
  const range = { from: String(startMs), to: String(endMs), every: '1d', limit: '100000' };
  return {
    name: `${size.days} days by days, ${agg} of ${size.series} series`,
    isLong: true,
    hub: () => `/api/v1/data?${query({ match: metrics.main, ...range, agg })}`,
    victoria: () => rangeQuery(`${overTime}(${metrics.main}[1d])`, startMs, endMs, dayMs),
    numbersOfHub: (answer) => columnsOf(answer, [agg]),
    numbersOfVictoria: matrixOf,
  };
}

/** Windows that end at their label, so the first is labelled one step after the start. Nothing is taken from a cache of answers. */
function rangeQuery(text: string, fromMs: number, toMs: number, stepMs: number): string {
  const [start, end, step] = [fromMs + stepMs, toMs, stepMs].map((ms) => String(ms / 1_000)) as [
    string,
    string,
    string,
  ];
  return `/api/v1/query_range?${query({ query: text, start, end, step, nocache: '1' })}`;
}

function query(params: Readonly<Record<string, string>>): string {
  return new URLSearchParams(params).toString();
}

interface HubAnswer {
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly columns: Readonly<Record<string, readonly number[]>>;
  }[];
  readonly complete: boolean;
}

function columnsOf(answer: string, names: readonly string[]): Numbers {
  const { series, complete } = JSON.parse(answer) as HubAnswer;
  if (!complete) throw new Error('the hub needs more than a page for its answer');
  return new Map(series.map(({ labels, columns }) => [nameOf(labels), names.flatMap((name) => columns[name] ?? [])]));
}

function latestOf(answer: string): Numbers {
  const { latest } = JSON.parse(answer) as {
    readonly latest: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
  };
  return new Map(latest.map(({ labels, value }) => [nameOf(labels), [value]]));
}

interface VictoriaAnswer<Result> {
  readonly data: { readonly result: readonly ({ readonly metric: Readonly<Record<string, string>> } & Result)[] };
}

type Sample = readonly [time: number, value: string];

/** Several series of one device (min, max) one after the other, `min` first. */
function matrixOf(answer: string): Numbers {
  const { result } = (JSON.parse(answer) as VictoriaAnswer<{ readonly values: readonly Sample[] }>).data;
  const ordered = result.toSorted((a, b) => rankOf(a.metric) - rankOf(b.metric));
  const found = new Map<string, number[]>();
  for (const { metric, values } of ordered) {
    const name = nameOf(metric);
    found.set(name, [...(found.get(name) ?? []), ...values.map(([, value]) => Number(value))]);
  }
  return found;
}

function rankOf({ rollup }: Readonly<Record<string, string>>): number {
  return rollup === 'max_over_time' ? 1 : 0;
}

function vectorOf(answer: string): Numbers {
  const { result } = (JSON.parse(answer) as VictoriaAnswer<{ readonly value: Sample }>).data;
  return new Map(result.map(({ metric, value }) => [nameOf(metric), [Number(value[1])]]));
}

function nameOf({ agent, device }: Readonly<Record<string, string>>): string {
  return `${agent}/${device}`;
}

/** Of the hub alone: local days, which no daily roll-up answers, of all series. */
export function heavyPath({ endMs }: Content): string {
  const params = { match: metrics.main, from: String(startMs), to: String(endMs), every: '1d', tz: 'Europe/Paris' };
  return `/api/v1/data?${query({ ...params, agg: 'mean,stddev', limit: '100000' })}`;
}
