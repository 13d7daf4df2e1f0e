/** Which metrics there are at the beginning of a pipeline and after its operators, as far as the configuration tells. */
import { declaredMetrics } from './parse.ts';
import type { AgentDocument } from './schema.ts';

/** By name; undefined when a source takes them as they come. */
export type KnownMetrics = Readonly<Record<string, { readonly type: string }>> | undefined;

type PipelineDocument = NonNullable<AgentDocument['pipelines']>[string];

/** What comes out of a source or a pipeline. `depth` ends circles, which are refused elsewhere. */
export function metricsFrom(raw: AgentDocument, from: string, depth = 64): KnownMetrics {
  if (raw.sources[from] !== undefined) return declaredMetrics(raw.sources[from]);
  const pipeline = raw.pipelines?.[from];
  if (pipeline === undefined || depth === 0) return undefined;
  return derived(converted(selected(metricsFrom(raw, pipeline.from, depth - 1), pipeline), pipeline), pipeline);
}

export function selected(known: KnownMetrics, { only }: PipelineDocument): KnownMetrics {
  if (known === undefined || only === undefined) return known;
  return Object.fromEntries(Object.entries(known).filter(([name]) => only.includes(name)));
}

export function converted(known: KnownMetrics, { convert = {} }: PipelineDocument): KnownMetrics {
  if (known === undefined) return undefined;
  return Object.fromEntries(Object.entries(known).map(([name, about]) => [convert[name]?.rename ?? name, about]));
}

export function derived(known: KnownMetrics, { derive = {} }: PipelineDocument): KnownMetrics {
  if (known === undefined) return undefined;
  return { ...known, ...Object.fromEntries(Object.keys(derive).map((name) => [name, { type: 'number' }])) };
}
