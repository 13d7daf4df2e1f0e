/** Series renamed, merged, and ranges of them deleted. Nothing of it changes what agents send or call them. */
import { FoglineError } from '@fogline/shared/errors';
import { boundsProblem, finestWhole, grainOf } from '../store/delete-range.ts';
import type { SeriesNames } from '../store/orders.ts';
import type { SeriesRow } from '../store/series-table.ts';
import type { IngestContext } from './context.ts';

const nameCharactersMax = 256;

/** Throws `not_found`; `usage` for one that was merged into another. */
function seriesAt({ store }: IngestContext, id: number): SeriesRow {
  const row = store.series.find(id);
  if (row === undefined) throw new FoglineError('not_found', `no series ${id}: the list of series has the ids`);
  if (row.merged_into > 0)
    throw new FoglineError('usage', `series ${id} was merged into ${row.merged_into}: name that instead`);
  return row;
}

export function renameSeries(context: IngestContext, id: number, names: SeriesNames): string {
  const { store } = context;
  const before = seriesAt(context, id);
  for (const [what, name] of Object.entries(names) as [string, string][]) {
    if (name.length > nameCharactersMax || (name === '' && what !== 'unit' && what !== 'device'))
      throw new FoglineError('usage', `${what}: 1 to ${nameCharactersMax} characters`);
  }
  const after = { ...before, ...names };
  const namesake = store.series.namesake(after);
  if (namesake !== undefined) {
    const fix = `merge ${id} into ${namesake} to read them as one`;
    throw new FoglineError('usage', `series ${namesake} is called so already; ${fix}`);
  }
  store.series.rename(after);
  changed(context, after.agent);
  return `series ${id} is ${textOf(after)} now; its agent goes on to call it as before`;
}

export function mergeSeries(context: IngestContext, id: number, into: number): string {
  const { store } = context;
  const from = seriesAt(context, id);
  const target = seriesAt(context, into);
  if (id === into) throw new FoglineError('usage', 'a series cannot be merged into itself');
  for (const name of ['agent', 'kind', 'type', 'sampling', 'unit'] as const) {
    if (from[name] === target[name]) continue;
    const why =
      name === 'agent' ? 'they are of two agents' : `${name} is "${from[name]}" here and "${target[name]}" there`;
    throw new FoglineError('usage', `series ${id} and ${into} cannot be read as one: ${why}`);
  }
  store.merges.merge(id, into);
  store.series.addWidths(into, JSON.parse(from.widths) as number[]);
  changed(context, target.agent);
  return `series ${id} is read as ${into} now, ${textOf(target)}`;
}

export function deleteSeriesRange(context: IngestContext, id: number, fromMs: number, toMs: number): string {
  const { store } = context;
  const target = seriesAt(context, id);
  if (!(Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs) && fromMs < toMs))
    throw new FoglineError('usage', 'from must lie before to');
  const finest = target.type === 'text' ? undefined : finestWhole(store.series.widthsOf(id));
  const grain = finest === undefined ? undefined : grainOf(finest);
  const problem = grain === undefined ? undefined : boundsProblem(grain, store.horizonOf(grain, id), { fromMs, toMs });
  if (problem !== undefined) throw new FoglineError('usage', problem);
  const nowMs = context.clock.now();
  for (const member of store.merges.members(id)) store.tombstones.add(member, fromMs, toMs, nowMs);
  store.bury(nowMs);
  changed(context, target.agent);
  return `${textOf(target)} has nothing from ${isoOf(fromMs)} to ${isoOf(toMs)} any more, whatever still comes for it`;
}

function changed({ store, changedAgents }: IngestContext, agentId: number): void {
  store.stamps.touchAgent(agentId);
  const agent = store.agents.byId(agentId);
  if (agent !== undefined) changedAgents.add(agent.name);
}

function textOf({ stream, device, metric }: SeriesRow): string {
  return `${metric} of ${device === '' ? 'its agent' : device} in ${stream}`;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
