/**
 * Readings as sources delivered them, from the journals of the agents themselves: agent by agent, page by page, until the limit of the answer, of its
 * bytes or of its time; `next` leads on. What could not be got is told, agent by agent. Rows of one series are in order of time within one answer.
 */

import { crc32 } from 'node:zlib';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError, hasCode, messageOf } from '@fogline/shared/errors';
import { type Answer, type Query, type RawCursor, type RawName, rawLimits } from '@fogline/shared/protocol/raw-query';
import { decodeCursor, encodeCursor, fingerprint } from '../query/cursor.ts';
import type { DataQuestion } from '../query/data.ts';
import { qualityNames, readingColumns, type SeriesPart } from '../query/parts.ts';
import { matchingSeries } from '../query/series.ts';
import { parseRange, type TimeRange } from '../query/time.ts';
import type { AgentInfo, SeriesInfo, StoreRead } from '../store/read.ts';
import type { EdgeAsker, NoPage } from './edge-asker.ts';
import { addPage, type EdgeSeries, nameKey } from './edge-rows.ts';

const answerLimits = {
  agentsMax: 16,
  /** Readings looked at, bytes of pages and time for one answer; the page under way is waited for. */
  rowsReadMax: 200_000,
  bytesMax: 4 * 1024 * 1024,
  totalMs: 20_000,
} as const;

/** Of a span that is missing, in an answer. */
const spanBytes = 128;

/** Readings asked for in one page: more while pages come fast, fewer where a link is slow. */
const pageRows = { first: 1_024, min: 256, fastMs: 500, slowMs: 2_000 } as const;

export interface Missing {
  readonly cause: Exclude<NoPage, 'abandoned'> | 'refused' | 'invalid' | 'not_held' | 'damaged';
  /** By the agent's clock when it wrote; null = since ever, or all that is left. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly detail: string;
}

/** What one agent gave to an answer, and what it did not. */
export interface EdgeStatement {
  readonly agent: string;
  readonly readings: number;
  readonly missing: readonly Missing[];
  /** Names of which its whole journal held nothing in the range. */
  readonly nothingOf: readonly Pick<RawName, 'device' | 'metric'>[];
}

export interface EdgePage {
  readonly range: TimeRange;
  readonly parts: readonly SeriesPart[];
  readonly statements: readonly EdgeStatement[];
  /** Something is missing, here or on a page before. */
  readonly isLacking: boolean;
  readonly next: string | null;
}

type EdgeStore = Pick<StoreRead, 'listSeries' | 'listAgents' | 'namesAtAgent' | 'newestSeries'>;

export interface EdgeContext {
  readonly store: EdgeStore;
  readonly asker: EdgeAsker;
  readonly clock: Clock;
  readonly isAbandoned: () => boolean;
}

/** What is asked of one agent. */
interface Target {
  readonly info: AgentInfo;
  /** By name: the least id of the series that the hub knows under it. */
  readonly ids: ReadonlyMap<string, number>;
  readonly names: readonly RawName[];
}

/** Where a page begins. */
export interface EdgeBeginning {
  readonly range: TimeRange;
  /** Series that came after the first page are of another question. */
  readonly newestSeries: number;
  /** Something was missing on a page before. */
  readonly isLacking: boolean;
  /** Agents before this one are through; 0 = none. */
  readonly agentId: number;
  /** Within its journal, where its names are still those of this mark; undefined: at its beginning. */
  readonly place: { readonly names: number; readonly cursor: RawCursor } | undefined;
}

/** Throws `query_invalid`. */
export function beginningOf(store: EdgeStore, question: DataQuestion, nowMs: number): EdgeBeginning {
  const { from, to, cursor } = question;
  if (cursor === undefined) {
    const newestSeries = store.newestSeries();
    return { range: parseRange(from, to, nowMs), newestSeries, isLacking: false, agentId: 0, place: undefined };
  }
  const position = decodeCursor(cursor, markOf(question), 9);
  const [fromMs = 0, toMs = 0, newestSeries = 0, lacking = 0, agentId = 0, names = 0, ...raw] = position;
  const place = { names, cursor: [raw[0] ?? 0, raw[1] ?? 0, raw[2] ?? 0] as const };
  const isLacking = lacking === 1;
  return { range: { fromMs, toMs }, newestSeries, isLacking, agentId, place: names === 0 ? undefined : place };
}

function markOf({ selectors, from, to, qualities }: DataQuestion): string {
  return fingerprint(['edge', selectors.map(({ text }) => text), from, to, qualities]);
}

/** Yields where others may run. Throws `query_invalid`. */
export function* targetsOf(
  store: EdgeStore,
  { selectors }: DataQuestion,
  { newestSeries, agentId, place }: EdgeBeginning,
): Generator<void, readonly Target[]> {
  const infos = new Map(store.listAgents().map((info) => [info.agent, info]));
  const byAgent = new Map<string, { readonly names: RawName[]; readonly ids: Map<string, number> }>();
  for (const series of matchingSeries(store, selectors)) {
    yield;
    if (series === undefined) continue;
    const { id, agent } = series;
    if (id > newestSeries) break;
    const target = byAgent.get(agent) ?? { names: [], ids: new Map<string, number>() };
    byAgent.set(agent, target);
    for (const name of store.namesAtAgent(id)) {
      if (target.ids.has(nameKey(name))) continue;
      target.ids.set(nameKey(name), id);
      target.names.push(name);
    }
    if (byAgent.size > answerLimits.agentsMax || target.names.length > rawLimits.seriesMax)
      throw new FoglineError(
        'query_invalid',
        `match: source=edge asks ${answerLimits.agentsMax} agents at most, each for ${rawLimits.seriesMax} metrics of devices; narrow it, for example by {agent="…",device="…"}`,
      );
  }
  const targets = [...byAgent]
    .flatMap(([agent, target]) => {
      const info = infos.get(agent);
      return info === undefined || info.id < agentId ? [] : [{ info, ...target }];
    })
    .sort((a, b) => a.info.id - b.info.id);
  const [first] = targets;
  // A place within a commit counts the readings of these names.
  if (place !== undefined && (first?.info.id !== agentId || namesMark(first) !== place.names))
    throw new FoglineError('query_invalid', 'cursor: the series that match were renamed or merged since; begin again');
  return targets;
}

/** Never 0. */
function namesMark({ names }: Target): number {
  return 1 + crc32(JSON.stringify(names.map(nameKey).sort()));
}

/** Throws `unavailable` when who asked went away. */
export async function answerEdge(
  context: EdgeContext,
  targets: readonly Target[],
  question: DataQuestion,
  { range, newestSeries, isLacking: wasLacking, agentId, place }: EdgeBeginning,
): Promise<EdgePage> {
  const { qualities, limit } = question;
  const budget = { rows: limit, read: answerLimits.rowsReadMax, bytes: answerLimits.bytesMax };
  const untilMs = context.clock.monotonic() + answerLimits.totalMs;
  const isSpent = (): boolean =>
    budget.rows <= 0 || budget.read <= 0 || budget.bytes <= 0 || context.clock.monotonic() >= untilMs;
  const parts: SeriesPart[] = [];
  const statements: EdgeStatement[] = [];
  let isLacking = wasLacking;
  for (const target of targets) {
    const begin = target.info.id === agentId ? place?.cursor : undefined;
    const asked = new Conversation(context, target, range, begin, qualities);
    const isBegun = statements.length === 0 || !isSpent();
    const isDone = isBegun && (await asked.run(budget, isSpent));
    parts.push(...asked.parts());
    if (isBegun) statements.push(asked.statement(isDone));
    isLacking ||= asked.isLacking;
    if (isDone) continue;
    const goOn = asked.cursor === undefined ? [0, 0, 0, 0] : [namesMark(target), ...asked.cursor];
    const position = [range.fromMs, range.toMs, newestSeries, isLacking ? 1 : 0, target.info.id, ...goOn];
    return { range, parts, statements, isLacking, next: encodeCursor(markOf(question), position) };
  }
  return { range, parts, statements, isLacking, next: null };
}

interface Budget {
  rows: number;
  read: number;
  bytes: number;
}

/** One agent's part of an answer. */
class Conversation {
  readonly #context: EdgeContext;
  readonly #target: Target;
  readonly #range: TimeRange;
  readonly #qualities: DataQuestion['qualities'];
  readonly #isWhole: boolean;
  readonly #series = new Map<string, EdgeSeries>();
  readonly #missing: Missing[] = [];
  /** Where to go on; undefined: at the beginning. */
  cursor: RawCursor | undefined;

  constructor(
    context: EdgeContext,
    target: Target,
    range: TimeRange,
    cursor: RawCursor | undefined,
    qualities: DataQuestion['qualities'],
  ) {
    this.#context = context;
    this.#target = target;
    this.#range = range;
    this.#qualities = qualities;
    this.#isWhole = cursor === undefined;
    this.cursor = cursor;
  }

  /** False when the budget ended before the agent had told everything. */
  async run(budget: Budget, isSpent: () => boolean): Promise<boolean> {
    const { asker, clock, isAbandoned } = this.#context;
    const { info, names } = this.#target;
    const id = asker.newId();
    let rows: number = pageRows.first;
    for (let page = 1; ; page++) {
      const rowsMax = Math.min(rows, budget.rows);
      const startedMs = clock.monotonic();
      const query: Query = { agent: info.agent, id, page, ...this.#range, rowsMax, cursor: this.cursor, names };
      const answer = await asker.ask(query, isAbandoned);
      if (typeof answer === 'string') return this.#failed(answer);
      if (!this.#take(answer, query, budget)) return true;
      if (answer.next === undefined) return true;
      this.cursor = answer.next;
      if (isSpent()) return false;
      const tookMs = clock.monotonic() - startedMs;
      if (tookMs < pageRows.fastMs) rows = Math.min(rows * 2, rawLimits.rowsMax);
      else if (tookMs > pageRows.slowMs) rows = Math.max(rows / 2, pageRows.min);
    }
  }

  parts(): SeriesPart[] {
    const { info, ids } = this.#target;
    return [...this.#series.values()]
      .filter(({ readings }) => readings.length > 0)
      .map(({ definition, readings }) => {
        const id = ids.get(nameKey(definition)) ?? 0;
        const series: SeriesInfo = { id, agent: info.agent, site: info.site, ...definition, widthsMs: [0] };
        // Stable: those of one time stay in the order in which they came.
        const rows = readings.sort((a, b) => a.timeMs - b.timeMs);
        const values = [
          rows.map(({ timeMs }) => timeMs),
          rows.map(({ value }) => value),
          rows.map(({ quality }) => qualityNames[quality] ?? 'bad'),
        ];
        const { fromMs, toMs } = this.#range;
        const covered = { recordedMs: [], coveredFromMs: fromMs, coveredToMs: toMs };
        return { series, source: 'edge', level: undefined, also: [], columns: readingColumns, values, ...covered };
      });
  }

  get isLacking(): boolean {
    return this.#missing.length > 0;
  }

  statement(isDone: boolean): EdgeStatement {
    const readings = [...this.#series.values()].reduce((sum, series) => sum + series.readings.length, 0);
    const isAll =
      isDone && this.#isWhole && this.#missing.every(({ cause }) => cause === 'not_held' || cause === 'damaged');
    const found = new Set([...this.#series.values()].map(({ definition }) => nameKey(definition)));
    const nothing = isAll ? this.#target.names.filter((name) => !found.has(nameKey(name))) : [];
    const nothingOf = nothing.map(({ device, metric }) => ({ device, metric }));
    return { agent: this.#target.info.agent, readings, missing: this.#missing, nothingOf };
  }

  /** False when it is of no use. */
  #take(answer: Answer, query: Query, budget: Budget): boolean {
    if (answer.refused !== undefined) return this.#lacks('refused', answer.refused);
    try {
      const isWanted = (quality: number): boolean => this.#qualities?.includes(qualityNames[quality] ?? 'bad') ?? true;
      const { read, added } = addPage(this.#series, answer, query, isWanted);
      budget.read -= read;
      budget.rows -= added;
    } catch (error) {
      if (!hasCode(error, 'message_invalid', 'codec_corrupt', 'codec_version')) throw error;
      this.#context.asker.foundInvalid();
      return this.#lacks('invalid', messageOf(error));
    }
    budget.bytes -= (answer.block?.byteLength ?? 0) + spanBytes * answer.missing.length;
    for (const { reason, fromMs = null, toMs } of answer.missing)
      this.#missing.push({ cause: reason, fromMs, toMs, detail: details[reason] });
    return true;
  }

  #failed(why: NoPage): boolean {
    if (why === 'abandoned') throw new FoglineError('unavailable', 'the client went away, or the hub is stopping');
    this.#lacks(why, details[why]);
    return true;
  }

  #lacks(cause: Missing['cause'], detail: string): false {
    this.#missing.push({ cause, fromMs: null, toMs: null, detail });
    return false;
  }
}

const details = {
  offline: 'the agent is not connected',
  timed_out: 'the agent did not answer in time',
  busy: 'others are asking this agent; ask again',
  not_held: 'what the agent wrote then is no longer, or was never, in its journal',
  damaged: 'what the agent wrote then cannot be read',
} as const;
