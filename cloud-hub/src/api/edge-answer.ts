/** `source=edge` of `/api/v1/data`: readings out of the journals of agents, and what of them could not be got. */

import { edgeLimits } from '../edge/edge-asker.ts';
import { answerEdge, beginningOf, type EdgePage, targetsOf } from '../edge/edge-data.ts';
import type { TimeZone } from '../query/time-zone.ts';
import { renderData, type Shape } from './data-output.ts';
import { type Asked, questionOf } from './data-question.ts';
import type { Rendered, Row } from './output.ts';
import { refuseQuery } from './params.ts';
import { HttpError } from './problems.ts';
import type { ApiContext } from './route.ts';

/** Throws `query_invalid`, `unavailable`. */
export async function answerFromEdge(
  { store, clock, queries, services: { edge } }: ApiContext,
  asked: Asked,
  form: { readonly shape: Shape; readonly zone: TimeZone },
  isAbandoned: () => boolean,
): Promise<Rendered> {
  refuseBuckets(asked);
  const nowMs = clock.now();
  const question = questionOf(asked, nowMs);
  const beginning = beginningOf(store, question, nowMs);
  const targets = await queries.run(targetsOf(store, question, beginning), isAbandoned);
  const context = { store, asker: edge, clock, isAbandoned };
  const page = await edge.within(() => answerEdge(context, targets, question, beginning));
  if (page === undefined) {
    const detail = `${edgeLimits.questionsMax} questions to agents run already; try again in a second`;
    throw new HttpError('unavailable', detail, { 'retry-after': '1' });
  }
  const complete = page.next === null && !page.isLacking;
  return renderData(page.parts, { format: asked.format, ...form }, { complete, next: page.next }, metaOf(page));
}

function refuseBuckets({ every, points, agg, hold, downsample, fill }: Asked): void {
  const given = { every, points, agg, hold, downsample, fill: fill === 'none' ? undefined : fill };
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined)
    throw refuseQuery(`${name}: source=edge answers with the readings themselves; leave ${name} out, or source`);
}

function metaOf({ range, parts, statements }: EdgePage): Row {
  return {
    ...range,
    source: parts.map(({ series, source }) => ({ series: series.id, stream: series.stream, level: source })),
    also: [],
    gaps: [],
    gapsOmitted: 0,
    edge: statements,
  };
}
