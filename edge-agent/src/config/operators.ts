/** The operators of one pipeline: units as numbers, expressions compiled once to be sure of them, metrics that exist, shapes that mislead. */

import { isPercentile } from '@fogline/shared/aggregate/names';
import type { ConfigContext } from '@fogline/shared/config';
import { hasCode, messageOf } from '@fogline/shared/errors';
import { didYouMean } from '@fogline/shared/suggest';
import { formatDuration } from '@fogline/shared/units';
import type {
  CheckConfig,
  ConvertConfig,
  DeadbandConfig,
  DeriveConfig,
  ExpressionConfig,
  HoppingConfig,
  PipelineConfig,
  SwingingDoorConfig,
  WindowConfig,
} from '../core-config.ts';
import { type CompiledExpression, compileExpression } from '../expressions/expression.ts';
import {
  compiledWhereFit,
  converted,
  derived,
  isHopping,
  type KnownMetrics,
  metricsFrom,
  selected,
} from './metrics-known.ts';
import type { AgentDocument } from './schema.ts';

type PipelineDocument = NonNullable<AgentDocument['pipelines']>[string];
type Path = readonly (string | number)[];

const thinning = ['deadband', 'swinging_door', 'throttle', 'sample'] as const;

/** What a pipeline does with what it takes, without its names. */
type Operators = Omit<PipelineConfig, 'name' | 'from' | 'isFromPipeline' | 'lane' | 'isLocal'>;

export function resolveOperators(raw: AgentDocument, name: string, context: ConfigContext): Operators {
  const pipeline = raw.pipelines?.[name];
  if (pipeline === undefined) return {};
  return new OperatorResolver(raw, pipeline, ['pipelines', name], context).resolve();
}

const dayMs = 86_400_000;
const overlapsMax = 100;
/** Below it what rounding adds to a line could not be told from zero. */
const boundMin = 1e-300;

class OperatorResolver {
  readonly #raw: AgentDocument;
  readonly #pipeline: PipelineDocument;
  readonly #path: Path;
  readonly #context: ConfigContext;

  constructor(raw: AgentDocument, pipeline: PipelineDocument, path: Path, context: ConfigContext) {
    this.#raw = raw;
    this.#pipeline = pipeline;
    this.#path = path;
    this.#context = context;
  }

  resolve(): Operators {
    const { only, convert, check, derive, where, deadband, swinging_door: door, throttle, sample } = this.#pipeline;
    const { window } = this.#pipeline;
    const coming = metricsFrom(this.#raw, this.#pipeline.from);
    only?.forEach((metric, index) => this.#mustKnow(coming, metric, ['only', index]));
    const picked = selected(coming, this.#pipeline);
    const named = converted(picked, this.#pipeline);
    const all = derived(named, this.#pipeline);
    const used = thinning.filter((key) => this.#pipeline[key] !== undefined);
    if (used[0] !== undefined && used[1] !== undefined) {
      const why = `and "${used[0]}" both thin the stream: keep one, or chain a second pipeline`;
      this.#error([used[1]], why);
    }
    if (window !== undefined) this.#warnOfLossyWindow();
    return {
      ...(only === undefined ? {} : { only }),
      ...(convert === undefined ? {} : { convert: this.#convert(convert, picked) }),
      ...(check === undefined ? {} : { check: this.#check(check, named) }),
      ...(derive === undefined ? {} : { derive: this.#derive(derive, named) }),
      ...(where === undefined ? {} : { where: this.#where(where, all) }),
      ...(deadband === undefined ? {} : { deadband: this.#deadband(deadband, all) }),
      ...(door === undefined ? {} : { swingingDoor: this.#swingingDoor(door, all) }),
      ...(throttle === undefined ? {} : { throttleMs: throttle }),
      ...(sample === undefined ? {} : { sampleMs: sample }),
      ...(window === undefined ? {} : this.#window(window, all)),
    };
  }

  #convert(raw: NonNullable<PipelineDocument['convert']>, known: KnownMetrics): ConvertConfig {
    const others = new Set(Object.keys(known ?? {}).filter((metric) => raw[metric]?.rename === undefined));
    return Object.fromEntries(
      Object.entries(raw).map(([metric, { rename, unit, scale, offset }]) => {
        this.#mustKnow(known, metric, ['convert', metric]);
        if (rename !== undefined && others.has(rename))
          this.#error(['convert', metric, 'rename'], `"${rename}" exists already: two metrics would become one series`);
        const isScaled = scale !== 1 || offset !== 0;
        if (isScaled && known?.[metric]?.type === 'text') this.#error(['convert', metric], 'text has no scale');
        return [
          metric,
          { scale, offset, ...(rename === undefined ? {} : { rename }), ...(unit === undefined ? {} : { unit }) },
        ];
      }),
    );
  }

  #check(raw: NonNullable<PipelineDocument['check']>, known: KnownMetrics): CheckConfig {
    return Object.fromEntries(
      Object.entries(raw).map(([metric, { range, max_rate: ratePerMs, stuck_for: stuckMs }]) => {
        const path = ['check', metric];
        this.#mustKnow(known, metric, path);
        if (known?.[metric]?.type === 'text') this.#error(path, 'text has no range, rate or stillness to check');
        const [min = 0, max = 0] = range ?? [];
        if (range !== undefined && min >= max)
          this.#error([...path, 'range'], `[${min}, ${max}] is empty: write [lowest, highest]`);
        if (range === undefined && ratePerMs === undefined && stuckMs === undefined)
          this.#error(path, 'checks nothing: add range, max_rate or stuck_for');
        return [
          metric,
          {
            ...(range === undefined ? {} : { range: { min, max } }),
            ...(ratePerMs === undefined ? {} : { ratePerMs }),
            ...(stuckMs === undefined ? {} : { stuckMs }),
          },
        ];
      }),
    );
  }

  #derive(raw: NonNullable<PipelineDocument['derive']>, known: KnownMetrics): DeriveConfig[] {
    let sofar = known;
    return Object.entries(raw).map(([metric, value]) => {
      const path = ['derive', metric];
      const { expr, unit, hold: holdMs = 0 } = typeof value === 'string' ? { expr: value, unit: '' } : value;
      if (sofar !== undefined && Object.hasOwn(sofar, metric))
        this.#error(path, 'exists already: give it another name');
      const where = typeof value === 'string' ? path : [...path, 'expr'];
      const { variables, type = 'number' } = this.#expression(expr, sofar, where) ?? {};
      if (variables !== undefined && variables.every((name) => name === 'device'))
        this.#error(where, 'reads no metric, so it would never be made: name one');
      sofar = sofar === undefined ? undefined : { ...sofar, [metric]: { type } };
      return { metric, unit, text: expr, holdMs };
    });
  }

  #where(raw: NonNullable<PipelineDocument['where']>, known: KnownMetrics): ExpressionConfig {
    const { expr, hold: holdMs = 0 } = typeof raw === 'string' ? { expr: raw } : raw;
    const path = typeof raw === 'string' ? ['where'] : ['where', 'expr'];
    const { type, variables } = this.#expression(expr, known, path) ?? {};
    if (type === 'number' || type === 'text')
      this.#error(path, `gives a ${type}, and only true or false can decide: compare it with something`);
    if (variables?.length === 0) this.#error(path, 'is the same for every reading: name a metric, a tag or device');
    return { text: expr, holdMs };
  }

  /** What it reads and gives; undefined when it is refused. */
  #expression(text: string, known: KnownMetrics, path: Path): CompiledExpression | undefined {
    try {
      const compiled = compileExpression(text);
      const { variables } = compiled;
      const names = [...Object.keys(known ?? {}), 'device', ...this.#captures()];
      for (const variable of variables) {
        if (known === undefined || names.includes(variable)) continue;
        this.#error(path, `nothing is called "${variable}"${didYouMean(variable, names)}`);
      }
      return compiled;
    } catch (error) {
      if (!hasCode(error, 'config_invalid')) throw error;
      this.#error(path, messageOf(error));
      return undefined;
    }
  }

  /** Names of tags: captures of topics, and columns or fields that a parser takes for tags. */
  #captures(): string[] {
    const sources = Object.values(this.#raw.sources);
    const topics = sources.flatMap(({ mqtt, http }) => mqtt?.topics ?? http?.paths ?? []);
    const captures = topics.flatMap((topic) => [...topic.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] ?? ''));
    return [...captures, ...sources.flatMap(({ parse }) => parse.tags ?? [])];
  }

  #deadband(raw: NonNullable<PipelineDocument['deadband']>, known: KnownMetrics): DeadbandConfig {
    const { heartbeat: heartbeatMs, ...metrics } = raw;
    const thresholds: Record<string, number> = {};
    const shares: Record<string, number> = {};
    for (const [metric, least] of Object.entries(metrics)) {
      this.#mustKnow(known, metric, ['deadband', metric]);
      if (known?.[metric]?.type === 'text')
        this.#error(['deadband', metric], 'text has no smallest change: it is sent whenever it changes');
      const amount = typeof least === 'number' ? least : least.share;
      if (amount === 0)
        this.#warn(['deadband', metric], 'sends every change, as metrics that are not named do: leave it out');
      if (typeof least === 'number') thresholds[metric] = least;
      else shares[metric] = least.share;
    }
    return { thresholds, heartbeatMs, ...(Object.keys(shares).length === 0 ? {} : { shares }) };
  }

  #swingingDoor(raw: NonNullable<PipelineDocument['swinging_door']>, known: KnownMetrics): SwingingDoorConfig {
    const { max_gap: maxGapMs, ...bounds } = raw;
    for (const [metric, bound] of Object.entries(bounds)) {
      this.#mustKnow(known, metric, ['swinging_door', metric]);
      if (bound === 0)
        this.#warn(['swinging_door', metric], 'sends every reading, as metrics that are not named do: leave it out');
      else if (bound < boundMin)
        this.#error(['swinging_door', metric], `is finer than float64 can hold: at least ${boundMin}`);
      const type = known?.[metric]?.type;
      if (type === 'text' || type === 'boolean')
        this.#error(['swinging_door', metric], `there is no line between ${type} values: use a deadband`);
    }
    return { bounds, maxGapMs };
  }

  #window(
    raw: NonNullable<PipelineDocument['window']>,
    known: KnownMetrics,
  ): { window: WindowConfig } | { hopping: HoppingConfig } {
    for (const [metric, { type }] of Object.entries(known ?? {})) {
      if (type === 'text') this.#warn(['window'], `the metric "${metric}" is text and enters no window`);
    }
    const { every: everyMs, lateness: latenessMs, width: widthMs = everyMs, compute } = raw;
    const hasSketch = compute.some(isPercentile);
    if (!isHopping(raw)) {
      if (dayMs % everyMs !== 0) {
        const why = 'does not divide a day, so the hub cannot roll these windows up: prefer 10s, 1m, 15m …';
        this.#warn(['window', 'every'], why);
      }
      return { window: { everyMs, latenessMs, hasSketch } };
    }
    if (widthMs < everyMs)
      this.#error(['window', 'width'], 'is less than every, so readings between the windows would be lost: widen it');
    else if (widthMs % everyMs !== 0) {
      const [below, above] = [Math.floor(widthMs / everyMs), Math.ceil(widthMs / everyMs)];
      const fixes = [below, above].filter((times) => times > 1).map((times) => formatDuration(times * everyMs));
      this.#error(['window', 'width'], `is not a multiple of every: write ${fixes.join(' or ')}`);
    }
    if (widthMs / everyMs > overlapsMax)
      this.#error(
        ['window', 'width'],
        `makes every reading part of ${Math.ceil(widthMs / everyMs)} windows, at most ${overlapsMax}`,
      );
    return { hopping: { everyMs, latenessMs, widthMs, compute, hasSketch } };
  }

  /** What was let through upstream is not evenly spread: means and percentiles over it mislead. */
  #warnOfLossyWindow(): void {
    let at: PipelineDocument | undefined = this.#pipeline;
    for (let depth = 64; at !== undefined && depth > 0; depth--) {
      const lossy = [...thinning, 'where' as const].find((key) => at?.[key] !== undefined && !isByDevice(key, at));
      if (lossy !== undefined) {
        const what = lossy.replace('_', ' ');
        const why = `sees only what the ${what} lets through, so its mean and percentiles mislead: give it a pipeline of its own`;
        this.#warn(['window'], why);
        return;
      }
      at = this.#raw.sources[at.from] === undefined ? this.#raw.pipelines?.[at.from] : undefined;
    }
  }

  #mustKnow(known: KnownMetrics, metric: string, path: Path): void {
    if (known === undefined || Object.hasOwn(known, metric)) return;
    const hint = didYouMean(metric, Object.keys(known));
    this.#error(path, `"${this.#pipeline.from}" has no such metric${hint}`);
  }

  #error(path: Path, message: string): void {
    this.#context.error([...this.#path, ...path], message);
  }

  #warn(path: Path, message: string): void {
    this.#context.warn([...this.#path, ...path], message);
  }
}

/** True for a `where` that passes series whole, by their device alone: what it passes has lost nothing. */
function isByDevice(key: string, { where = '' }: PipelineDocument): boolean {
  const { variables } = compiledWhereFit(typeof where === 'string' ? where : where.expr) ?? {};
  return key === 'where' && variables !== undefined && variables.every((name) => name === 'device');
}
