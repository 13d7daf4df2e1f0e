/** Which metrics there are at the beginning of a pipeline and after its operators, as far as the configuration tells. */
import { hasCode } from '@fogline/shared/errors';
import { type CompiledExpression, compileExpression } from '../expressions/expression.ts';
import { declaredMetrics } from './parse.ts';
import type { AgentDocument } from './schema.ts';

/** By name; undefined when a source takes them as they come. */
export type KnownMetrics = Readonly<Record<string, { readonly type: string }>> | undefined;

type PipelineDocument = NonNullable<AgentDocument['pipelines']>[string];

export function isHopping({ every, width = every }: NonNullable<PipelineDocument['window']>): boolean {
  return width !== every;
}

/** What comes out of a source or a pipeline. `depth` ends circles, which are refused elsewhere. */
export function metricsFrom(raw: AgentDocument, from: string, depth = 64): KnownMetrics {
  if (raw.sources[from] !== undefined) return declaredMetrics(raw.sources[from]);
  const pipeline = raw.pipelines?.[from];
  if (pipeline === undefined || depth === 0) return undefined;
  const coming = metricsFrom(raw, pipeline.from, depth - 1);
  return aggregated(derived(converted(selected(coming, pipeline), pipeline), pipeline), pipeline);
}

export function selected(known: KnownMetrics, { only }: PipelineDocument): KnownMetrics {
  if (known === undefined || only === undefined) return known;
  return Object.fromEntries(Object.entries(known).filter(([name]) => only.includes(name)));
}

export function converted(known: KnownMetrics, { convert = {} }: PipelineDocument): KnownMetrics {
  if (known === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(known).map(([name, { type }]) => {
      const { rename = name, scale = 1, offset = 0 } = Object.hasOwn(convert, name) ? (convert[name] ?? {}) : {};
      const isScaled = scale !== 1 || offset !== 0;
      return [rename, { type: isScaled && type === 'boolean' ? 'number' : type }];
    }),
  );
}

export function derived(known: KnownMetrics, { derive = {} }: PipelineDocument): KnownMetrics {
  if (known === undefined) return undefined;
  const made = Object.entries(derive).map(([name, value]) => {
    return [name, { type: typeOf(typeof value === 'string' ? value : value.expr) }] as const;
  });
  return { ...known, ...Object.fromEntries(made) };
}

/** The metrics of hopping windows are named by their aggregates. */
function aggregated(known: KnownMetrics, { window }: PipelineDocument): KnownMetrics {
  if (known === undefined || window === undefined || !isHopping(window)) return known;
  const names = Object.entries(known)
    .filter(([, { type }]) => type !== 'text')
    .flatMap(([name]) => window.compute.map((aggregate) => `${name}.${aggregate}`));
  return Object.fromEntries(names.map((name) => [name, { type: 'number' }]));
}

/** Of what cannot be compiled, or names a metric as it is, nothing is known; `number` refuses least. */
function typeOf(expression: string): string {
  const { type = 'any' } = compiledWhereFit(expression) ?? {};
  return type === 'any' ? 'number' : type;
}

/** Undefined where it cannot be compiled, which is told at the expression itself. */
export function compiledWhereFit(expression: string): CompiledExpression | undefined {
  try {
    return compileExpression(expression);
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return undefined;
    throw error;
  }
}
