/** Metrics and actuators of a device type: from what is written to signals with keys. */
import type { ConfigContext } from '@fogline/shared/config';
import type { SeededRandom } from '@fogline/shared/random';
import { didYouMean } from '@fogline/shared/suggest';
import { type NumericShape, plainShape, presets } from '../signals/presets.ts';
import { createCounter, createNumeric, createStates, type Signal } from '../signals/signal.ts';
import type { ActuatorPlan, MetricPlan, Tag } from './fleet-plan.ts';
import type { MetricDocument, TypeDocument } from './fleet-schema.ts';
import { resolveTopic } from './topic-config.ts';

type Path = readonly (string | number)[];

interface Walk {
  readonly key: number;
  readonly walkOverMs: number;
}

export function resolveMetrics(
  raw: TypeDocument['metrics'],
  random: SeededRandom,
  path: Path,
  context: ConfigContext,
): MetricPlan[] {
  const walks = new Map<string, Walk>();
  const metrics = Object.entries(raw).map(([name, metric]) => {
    const key = random.uint32();
    const signal = resolveSignal(name, metric, key, walks, [...path, name], context);
    return { name, field: metric.field ?? presetOf(metric)?.field ?? name, signal };
  });
  if (metrics.length === 0) context.error(path, 'at least one metric is needed');
  if (metrics.length > metricsMax) context.error(path, `at most ${metricsMax} metrics`);
  const fields = new Set<string>();
  for (const { name, field } of metrics) {
    if (fields.has(field)) context.error([...path, name], `the field "${field}" is taken by an earlier metric`);
    fields.add(field);
  }
  return metrics;
}

const metricsMax = 64;
const shapeKeys = [
  'like',
  'base',
  'spread',
  'daily',
  'weekly',
  'walk',
  'walk_over',
  'noise',
  'decimals',
  'min',
  'max',
  'follows',
] as const;

function presetOf({ like }: MetricDocument) {
  return like !== undefined && Object.hasOwn(presets, like) ? presets[like] : undefined;
}

function resolveSignal(
  name: string,
  raw: MetricDocument,
  key: number,
  walks: Map<string, Walk>,
  path: Path,
  context: ConfigContext,
): Signal {
  const { counter, states } = raw;
  const special = counter === undefined ? (states === undefined ? undefined : 'states') : 'counter';
  if (special !== undefined) {
    const other = shapeKeys.find((shapeKey) => raw[shapeKey] !== undefined);
    if (other !== undefined) context.error([...path, other], `has no meaning for ${special}`);
    if (counter !== undefined && states !== undefined) context.error(path, 'either a counter or states');
  }
  if (counter !== undefined) {
    const { per_hour: perHour, daily, wrap = Infinity, decimals } = counter;
    return createCounter({ key, perHour, daily, wrap, decimals });
  }
  if (states !== undefined) {
    const list = Object.entries(states).map(([state, dwellMs]) => ({ name: state, dwellMs }));
    if (list.length < 2) context.error([...path, 'states'], 'a state machine has at least two states');
    return createStates({ key, states: list });
  }
  return resolveNumeric(name, raw, key, walks, path, context);
}

function resolveNumeric(
  name: string,
  raw: MetricDocument,
  key: number,
  walks: Map<string, Walk>,
  path: Path,
  context: ConfigContext,
): Signal {
  const { like, follows } = raw;
  const preset = presetOf(raw);
  if (like !== undefined && preset === undefined) {
    const known = Object.keys(presets);
    context.error(
      [...path, 'like'],
      `no preset is called "${like}"${didYouMean(like, known)}; there are ${known.join(', ')}`,
    );
  }
  const shape = shapeOf(raw, preset ?? plainShape);
  if (shape.min >= shape.max) context.error(path, `min ${shape.min} is not below max ${shape.max}`);
  const leader = follows === undefined ? undefined : walks.get(follows.metric);
  if (follows !== undefined && leader === undefined) {
    const known = walks.size === 0 ? 'there is none' : `there are ${[...walks.keys()].join(', ')}`;
    context.error([...path, 'follows', 'metric'], `is no earlier metric with a walk: ${known}`);
  }
  if (shape.walk > 0) walks.set(name, { key, walkOverMs: shape.walkOverMs });
  return createNumeric({
    key,
    shape,
    ...(follows === undefined || leader === undefined ? {} : { follows: { ...leader, by: follows.by } }),
  });
}

function shapeOf(raw: MetricDocument, fallback: NumericShape): NumericShape {
  return {
    base: raw.base ?? fallback.base,
    spread: raw.spread ?? fallback.spread,
    daily: raw.daily ?? fallback.daily,
    weekly: raw.weekly ?? fallback.weekly,
    walk: raw.walk ?? fallback.walk,
    walkOverMs: raw.walk_over ?? fallback.walkOverMs,
    noise: raw.noise ?? fallback.noise,
    decimals: raw.decimals ?? fallback.decimals,
    min: raw.min ?? fallback.min,
    max: raw.max ?? fallback.max,
  };
}

export function resolveActuators(
  { actuators = {} }: TypeDocument,
  type: { readonly metrics: readonly MetricPlan[]; readonly tags: readonly Tag[] },
  path: Path,
  context: ConfigContext,
): ActuatorPlan[] {
  return Object.entries(actuators).map(([name, { command, state, on, off, takes, effect }]) => {
    const at = [...path, name];
    const metric = type.metrics.findIndex((candidate) => candidate.name === effect?.metric);
    if (effect !== undefined && (metric < 0 || type.metrics[metric]?.signal.states !== undefined)) {
      const numeric = type.metrics.filter(({ signal }) => signal.states === undefined).map((each) => each.name);
      context.error([...at, 'effect', 'metric'], `no numeric metric of this type: it has ${numeric.join(', ')}`);
    }
    if (on === off) context.error([...at, 'off'], 'is the same as on');
    return {
      name,
      command: resolveTopic(command, type.tags, [...at, 'command'], context),
      state: state === undefined ? undefined : resolveTopic(state, type.tags, [...at, 'state'], context),
      on,
      off,
      takesMs: takes,
      effect: effect === undefined ? undefined : { metric, change: effect.change, withinMs: effect.within },
    };
  });
}
