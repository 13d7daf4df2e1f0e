/** Pipelines: names resolved, and shapes that mislead pointed out. */
import type { ConfigContext } from '@fogline/shared/config';
import { type Lane, lanes } from '@fogline/shared/protocol/limits';
import { didYouMean } from '@fogline/shared/suggest';
import type { PipelineConfig } from '../core-config.ts';
import { isPassThrough } from '../pipeline/pass-through.ts';
import { isHopping } from './metrics-known.ts';
import { resolveOperators } from './operators.ts';
import type { AgentDocument } from './schema.ts';

export function resolvePipelines(raw: AgentDocument, context: ConfigContext): PipelineConfig[] {
  if (raw.pipelines === undefined) {
    return Object.keys(raw.sources).map((source) => ({ name: source, from: source, lane: laneOf('normal') }));
  }
  const pipelines = Object.entries(raw.pipelines).map(([name, pipeline]): PipelineConfig => {
    const path = ['pipelines', name];
    const { from } = pipeline;
    const isFromPipeline = raw.sources[from] === undefined && raw.pipelines?.[from] !== undefined;
    if (raw.sources[from] === undefined && !isFromPipeline) {
      const known = [...Object.keys(raw.sources), ...Object.keys(raw.pipelines ?? {})];
      context.error([...path, 'from'], `no source or pipeline is called "${from}"${didYouMean(from, known)}`);
    }
    if (isFromPipeline) checkChain(raw, name, context);
    const { to } = pipeline.send;
    const isLocal = to === 'local' && raw.uplinks['local'] === undefined;
    if (to !== undefined && !isLocal && raw.uplinks[to] === undefined) {
      context.error([...path, 'send', 'to'], `no uplink is called "${to}"${didYouMean(to, Object.keys(raw.uplinks))}`);
    }
    return {
      name,
      from,
      ...(isFromPipeline ? { isFromPipeline } : {}),
      ...resolveOperators(raw, name, context),
      lane: laneOf(pipeline.send.priority),
      ...(isLocal ? { isLocal } : {}),
    };
  });
  for (const source of Object.keys(raw.sources)) {
    const [first, second] = pipelines.filter((pipeline) => pipeline.from === source && isPassThrough(pipeline));
    if (first !== undefined && second !== undefined) {
      const why = `passes on every reading of "${source}", and so does "${first.name}": give it an operator, or remove it`;
      context.error(['pipelines', second.name], why);
    }
    if (pipelines.some((pipeline) => pipeline.from === source && pipeline.isFromPipeline !== true)) continue;
    context.warn(['sources', source], 'no pipeline takes from this source: its readings never leave the agent');
  }
  return pipelines;
}

/** A chain ends at a source, and windows end it: what takes from them would see nothing. */
function checkChain(raw: AgentDocument, name: string, context: ConfigContext): void {
  const path = ['pipelines', name, 'from'];
  const seen = new Set([name]);
  for (let at = raw.pipelines?.[name]?.from ?? ''; raw.sources[at] === undefined; ) {
    const upstream = raw.pipelines?.[at];
    if (upstream === undefined) return;
    if (upstream.window !== undefined && !isHopping(upstream.window))
      context.error(
        path,
        `the pipeline "${at}" ends in windows, and only readings go on: take from what it takes from`,
      );
    if (seen.has(at)) {
      context.error(path, `takes from itself, by way of ${[...seen].join(' → ')} → ${at}: begin with a source`);
      return;
    }
    seen.add(at);
    at = upstream.from;
  }
}

function laneOf(priority: (typeof lanes)[number]): Lane {
  return lanes.indexOf(priority) as Lane;
}
