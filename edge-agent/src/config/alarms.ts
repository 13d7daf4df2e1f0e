/** Alarms: conditions that can hold, metrics that exist, outputs that can be reached, and shapes that mislead pointed out. */
import type { ConfigContext } from '@fogline/shared/config';
import { alarmStream } from '@fogline/shared/protocol/alarm-stream';
import { didYouMean } from '@fogline/shared/suggest';
import { formatDuration } from '@fogline/shared/units';
import type { AlarmConfig, Condition, MetricReference } from '../alarms/alarm-config.ts';
import { controlSource } from '../alarms/commands.ts';
import type { PipelineConfig } from '../core-config.ts';
import type { AlarmDocument } from './alarm-schema.ts';
import { StepResolver } from './alarm-steps.ts';
import { converted, derived, type KnownMetrics, metricsFrom, selected } from './metrics-known.ts';
import type { AgentDocument } from './schema.ts';

const kinds = ['above', 'below', 'outside', 'equals', 'missing_for'] as const;

export function resolveAlarms(
  raw: AgentDocument,
  pipelines: readonly PipelineConfig[],
  context: ConfigContext,
): AlarmConfig[] {
  for (const reserved of [controlSource, alarmStream]) {
    for (const section of ['sources', 'pipelines'] as const)
      if (raw[section]?.[reserved] !== undefined)
        context.error([section, reserved], 'is a name of the agent itself: choose another');
  }
  return Object.entries(raw.alarms).map(([name, alarm]) =>
    new AlarmResolver(raw, pipelines, name, alarm, context).resolve(),
  );
}

class AlarmResolver {
  readonly #raw: AgentDocument;
  readonly #pipelines: readonly PipelineConfig[];
  readonly #name: string;
  readonly #alarm: AlarmDocument;
  readonly #context: ConfigContext;

  constructor(
    raw: AgentDocument,
    pipelines: readonly PipelineConfig[],
    name: string,
    alarm: AlarmDocument,
    context: ConfigContext,
  ) {
    this.#raw = raw;
    this.#pipelines = pipelines;
    this.#name = name;
    this.#alarm = alarm;
    this.#context = context;
  }

  resolve(): AlarmConfig {
    const { severity, stale, at_most: atMost, if: when } = this.#alarm;
    const watches = this.#reference();
    const pipeline = this.#pipelines.find(({ name }) => name === watches.stream);
    const condition = this.#condition();
    this.#checkClear(condition);
    if (pipeline !== undefined) this.#checkTimes(pipeline, condition);
    if (stale !== undefined && condition.kind === 'missing')
      this.#error(['stale'], 'is what missing_for says already: keep one');
    const steps = new StepResolver(this.#raw, this.#name, this.#alarm, this.#sourceOf(watches.stream), this.#context);
    const window = pipeline?.window ?? pipeline?.hopping;
    return {
      name: this.#name,
      watches,
      condition,
      forMs: when.for,
      severity,
      staleAfterMs: stale?.after ?? 0,
      inputDelayMs: window === undefined ? 0 : widthOf(pipeline) + window.latenessMs,
      ...(atMost === undefined ? {} : { atMost }),
      steps: steps.resolve(),
    };
  }

  #reference(): MetricReference {
    const { metric: text } = this.#alarm.if;
    const dot = text.indexOf('.');
    const stream = dot < 0 ? text : text.slice(0, dot);
    const rest = dot < 0 ? '' : text.slice(dot + 1);
    const nothing = { stream, metric: rest, aggregate: '' };
    const pipeline = this.#pipelines.find(({ name }) => name === stream);
    if (pipeline === undefined) {
      const names = this.#pipelines.map(({ name }) => name);
      this.#error(['if', 'metric'], `no pipeline is called "${stream}"${didYouMean(stream, names)}`);
      return nothing;
    }
    if (rest === '') {
      this.#error(['if', 'metric'], `names a pipeline only: write ${stream}.METRIC`);
      return nothing;
    }
    if (pipeline.window === undefined && pipeline.hopping === undefined) {
      this.#checkMetric(stream, rest);
      return nothing;
    }
    const { metric, aggregate } = this.#splitAggregate(stream, rest);
    this.#checkMetric(stream, metric);
    // Windows that overlap are readings, one metric an aggregate.
    return pipeline.window === undefined ? nothing : { stream, metric, aggregate };
  }

  /** `temperature.p99.9`: the aggregate is the longest end that the pipeline computes. */
  #splitAggregate(stream: string, rest: string): { readonly metric: string; readonly aggregate: string } {
    const computed = this.#raw.pipelines?.[stream]?.window?.compute ?? [];
    const aggregate = computed.find((name) => rest.endsWith(`.${name}`) && rest.length > name.length + 1);
    if (aggregate !== undefined) return { metric: rest.slice(0, -aggregate.length - 1), aggregate };
    const last = rest.lastIndexOf('.');
    if (last < 0) {
      this.#error(['if', 'metric'], `is of a window, so it needs an aggregate: write ${stream}.${rest}.${computed[0]}`);
      return { metric: rest, aggregate: '' };
    }
    const asked = rest.slice(last + 1);
    const hint = didYouMean(asked, computed);
    this.#error(['if', 'metric'], `"${stream}" computes ${computed.join(', ')}, and not "${asked}"${hint}`);
    return { metric: rest.slice(0, last), aggregate: asked };
  }

  #checkMetric(stream: string, metric: string): void {
    const known = this.#metricsOf(stream);
    if (known === undefined) return;
    const found = known[metric];
    if (found === undefined)
      this.#error(['if', 'metric'], `"${stream}" has no metric "${metric}"${didYouMean(metric, Object.keys(known))}`);
    const { above, below, outside } = this.#alarm.if;
    const key = above !== undefined ? 'above' : below !== undefined ? 'below' : 'outside';
    if (found?.type === 'text' && (above ?? below ?? outside) !== undefined)
      this.#error(['if', key], `"${metric}" is text, which is neither more nor less: use equals`);
  }

  #metricsOf(stream: string): KnownMetrics {
    const pipeline = this.#raw.pipelines?.[stream];
    if (pipeline === undefined) return metricsFrom(this.#raw, stream);
    return derived(converted(selected(metricsFrom(this.#raw, pipeline.from), pipeline), pipeline), pipeline);
  }

  #condition(): Condition {
    const {
      above,
      below,
      outside,
      equals,
      missing_for: missing,
      clear_above: clearAbove,
      clear_below: clearBelow,
    } = this.#alarm.if;
    const [first, second] = kinds.filter((kind) => this.#alarm.if[kind] !== undefined);
    if (first === undefined) this.#error(['if'], `says not when: add one of ${kinds.join(', ')}`);
    else if (second !== undefined) this.#error(['if', second], `and "${first}" are two conditions: make it two alarms`);
    if (above !== undefined)
      return { kind: 'above', level: above, ...(clearBelow === undefined ? {} : { clearBelow }) };
    if (below !== undefined)
      return { kind: 'below', level: below, ...(clearAbove === undefined ? {} : { clearAbove }) };
    if (outside !== undefined) {
      const [low, high] = outside;
      if (low >= high) this.#error(['if', 'outside'], `[${low}, ${high}] is empty: write [lowest, highest]`);
      const clears = {
        ...(clearAbove === undefined ? {} : { clearAbove }),
        ...(clearBelow === undefined ? {} : { clearBelow }),
      };
      return { kind: 'outside', low, high, ...clears };
    }
    if (equals !== undefined) return { kind: 'equals', value: typeof equals === 'boolean' ? Number(equals) : equals };
    return { kind: 'missing', afterMs: missing ?? 0 };
  }

  /** Clear levels lie on the good side of their level, and a level without one flutters. */
  #checkClear(condition: Condition): void {
    const { clear_above: clearAbove, clear_below: clearBelow, for: forMs } = this.#alarm.if;
    const mayClearBelow = condition.kind === 'above' || condition.kind === 'outside';
    const mayClearAbove = condition.kind === 'below' || condition.kind === 'outside';
    if (clearBelow !== undefined && !mayClearBelow) this.#error(['if', 'clear_below'], 'belongs to above or outside');
    if (clearAbove !== undefined && !mayClearAbove) this.#error(['if', 'clear_above'], 'belongs to below or outside');
    if (condition.kind === 'missing') {
      if (forMs > 0) this.#error(['if', 'for'], 'has no sense with missing_for: say there how long');
      return;
    }
    if (condition.kind === 'equals') return;
    const high = condition.kind === 'outside' ? condition.high : condition.level;
    const low = condition.kind === 'outside' ? condition.low : condition.level;
    if (mayClearBelow && clearBelow !== undefined && clearBelow > high)
      this.#error(['if', 'clear_below'], `${clearBelow} lies above ${high}, where the alarm is active`);
    if (mayClearAbove && clearAbove !== undefined && clearAbove < low)
      this.#error(['if', 'clear_above'], `${clearAbove} lies below ${low}, where the alarm is active`);
    const missing = mayClearBelow && clearBelow === undefined ? 'clear_below' : 'clear_above';
    if ((mayClearBelow && clearBelow === undefined) || (mayClearAbove && clearAbove === undefined))
      this.#warn(
        ['if'],
        `has no ${missing}: a value that hovers at the level makes it active and clears it again and again`,
      );
  }

  #checkTimes(pipeline: PipelineConfig, condition: Condition): void {
    const { for: forMs } = this.#alarm.if;
    const width = widthOf(pipeline);
    if (forMs > 0 && forMs <= width)
      this.#warn(['if', 'for'], `is no longer than the window of ${formatDuration(width)}: one window alone decides`);
    const silence = { path: ['if', 'missing_for'], ms: condition.kind === 'missing' ? condition.afterMs : 0 };
    const stale = { path: ['stale', 'after'], ms: this.#alarm.stale?.after ?? 0 };
    const gapMs = this.#longestGap(pipeline);
    for (const { path, ms } of [silence, stale]) {
      if (ms > 0 && ms <= gapMs)
        this.#warn(
          path,
          `is no longer than "${pipeline.name}" may be silent by design, ${formatDuration(gapMs)}: make it longer`,
        );
    }
  }

  /** How long a stream says nothing although all is well, as far as its configuration tells. */
  #longestGap(pipeline: PipelineConfig): number {
    const { deadband, swingingDoor, throttleMs = 0, sampleMs = 0, window, hopping } = pipeline;
    const windowMs = window?.everyMs ?? hopping?.everyMs ?? 0;
    const own = Math.max(deadband?.heartbeatMs ?? 0, swingingDoor?.maxGapMs ?? 0, throttleMs, sampleMs, windowMs);
    const upstream = pipeline.isFromPipeline ? this.#pipelines.find(({ name }) => name === pipeline.from) : undefined;
    return upstream === undefined || upstream === pipeline ? own : Math.max(own, this.#gapUpstream(upstream));
  }

  #gapUpstream(pipeline: PipelineConfig): number {
    return Math.max(pipeline.deadband?.heartbeatMs ?? 0, pipeline.swingingDoor?.maxGapMs ?? 0, pipeline.sampleMs ?? 0);
  }

  /** The source at the beginning of a stream. */
  #sourceOf(stream: string): string | undefined {
    let at = this.#pipelines.find(({ name }) => name === stream);
    for (let depth = this.#pipelines.length; at?.isFromPipeline === true && depth > 0; depth--)
      at = this.#pipelines.find(({ name }) => name === at?.from);
    return at?.from;
  }

  #error(path: readonly (string | number)[], message: string): void {
    this.#context.error(['alarms', this.#name, ...path], message);
  }

  #warn(path: readonly (string | number)[], message: string): void {
    this.#context.warn(['alarms', this.#name, ...path], message);
  }
}

function widthOf(pipeline: PipelineConfig | undefined): number {
  return pipeline?.hopping?.widthMs ?? pipeline?.window?.everyMs ?? 0;
}
