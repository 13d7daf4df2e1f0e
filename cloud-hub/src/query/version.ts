/** Which version of the answer a question would get now: equal versions, equal answers. Late data may change any bucket of the past. */
import type { StoreRead } from '../store/read.ts';
import { fingerprint } from './cursor.ts';
import { beginning, type DataQuestion, markOf } from './data.ts';
import { matchGroups } from './series.ts';

type VersionStore = Pick<StoreRead, 'listSeries' | 'stamp'>;

/** Of the page that the question begins, within this process. Yields where others may run. Throws `query_invalid`. */
export function* versionOf(store: VersionStore, question: DataQuestion, nowMs: number): Generator<void, string> {
  const { range } = beginning(question, markOf(question), nowMs);
  const groups = yield* matchGroups(store, question.selectors);
  const series = groups.flatMap(({ members }) => members);
  const agents = [...new Set(series.map(({ agent }) => agent))];
  return fingerprint([
    markOf(question),
    range,
    question.limit,
    question.cursor,
    // A series as it is called and held now; who asks sees no others.
    series,
    agents.map((agent) => store.stamp(agent, range.toMs)),
    momentOf(question, range.toMs, nowMs),
  ]);
}

/** What an answer depends on of this moment: nothing when it is past the range. */
function momentOf({ grid, aggregates, fill }: DataQuestion, toMs: number, nowMs: number): number | undefined {
  if (nowMs >= toMs) return undefined;
  // The bucket of now is open, and no gap; a fill ends with it, and what stands ends with now.
  const isByBucket = grid !== undefined && fill === undefined && aggregates?.includes('twa') === false;
  return isByBucket ? grid.startOf(nowMs) : nowMs;
}
