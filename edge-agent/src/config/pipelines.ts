/** Pipelines: names resolved, and shapes that mislead pointed out. */
import type { ConfigContext } from '@fogline/shared/config';
import { type Lane, lanes } from '@fogline/shared/protocol/limits';
import { didYouMean } from '@fogline/shared/suggest';
import type { DeadbandConfig, PipelineConfig, WindowConfig } from '../core-config.ts';
import { isPassThrough } from '../pipeline/pass-through.ts';
import { declaredMetrics } from './parse.ts';
import { percentilePattern } from './pipeline-schema.ts';
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
    const deadband = resolveDeadband(raw, name, context);
    const window = resolveWindow(raw, name, context);
    if (deadband !== undefined && window !== undefined) {
      const why =
        'sees only what the deadband lets through, so its mean and percentiles mislead: give it a pipeline of its own';
      context.warn([...path, 'window'], why);
    }
    return {
      name,
      from,
      ...(isFromPipeline ? { isFromPipeline } : {}),
      ...(deadband === undefined ? {} : { deadband }),
      ...(window === undefined ? {} : { window }),
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
    if (upstream.window !== undefined)
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

/** The source at the beginning of a chain; undefined when there is none. */
function sourceOf(raw: AgentDocument, from: string): AgentDocument['sources'][string] | undefined {
  let at = from;
  for (let steps = Object.keys(raw.pipelines ?? {}).length; steps >= 0; steps--) {
    const source = raw.sources[at];
    if (source !== undefined) return source;
    at = raw.pipelines?.[at]?.from ?? '';
  }
  return undefined;
}

function resolveDeadband(raw: AgentDocument, pipeline: string, context: ConfigContext): DeadbandConfig | undefined {
  const { deadband, from = '' } = raw.pipelines?.[pipeline] ?? {};
  if (deadband === undefined) return undefined;
  const { heartbeat, ...thresholds } = deadband;
  const declared = declaredMetrics(sourceOf(raw, from));
  for (const metric of Object.keys(thresholds)) {
    const path = ['pipelines', pipeline, 'deadband', metric];
    const type = declared?.[metric]?.type;
    if (declared !== undefined && type === undefined) {
      context.error(path, `the source "${from}" has no such metric${didYouMean(metric, Object.keys(declared))}`);
    } else if (type === 'text') {
      context.error(path, 'text has no smallest change: it is sent whenever it changes');
    }
  }
  return { thresholds, heartbeatMs: heartbeat };
}

const dayMs = 86_400_000;

function resolveWindow(raw: AgentDocument, pipeline: string, context: ConfigContext): WindowConfig | undefined {
  const { window, from = '' } = raw.pipelines?.[pipeline] ?? {};
  if (window === undefined) return undefined;
  const path = ['pipelines', pipeline, 'window'];
  if (dayMs % window.every !== 0) {
    context.warn(
      [...path, 'every'],
      'does not divide a day, so the hub cannot roll these windows up: prefer 10s, 1m, 15m …',
    );
  }
  for (const [metric, { type }] of Object.entries(declaredMetrics(sourceOf(raw, from)) ?? {})) {
    if (type === 'text') context.warn(path, `the metric "${metric}" is text and enters no window`);
  }
  const hasSketch = window.compute.some((aggregate) => percentilePattern.test(aggregate));
  return { everyMs: window.every, latenessMs: window.lateness, hasSketch };
}
