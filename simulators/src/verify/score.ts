/**
 * How good alarms are, against the faults that were planted. An alarm is a span from `active` to `cleared`. It is right when it overlaps an
 * episode on its device, or begins within `graceMs` after it. precision = right alarms / alarms; recall = episodes with an alarm /
 * episodes; delay = from the begin of an episode to its first alarm, 0 for an alarm that was there already. Pure.
 */
import { percentileOf } from './percentile.ts';
import type { TruthFault } from './truth.ts';

export interface AlarmSpan {
  readonly alarm: string;
  readonly device: string;
  readonly fromMs: number;
  /** Exclusive; Infinity = still active. */
  readonly toMs: number;
}

/** A transition as the hub has it: a text reading of stream `alarms`. */
export interface Transition {
  readonly alarm: string;
  readonly device: string;
  readonly timeMs: number;
  readonly state: string;
}

export interface ScoreOptions {
  readonly faults: readonly TruthFault[];
  readonly alarms: readonly AlarmSpan[];
  /** Kind of fault → the alarms that are meant for it; without an entry any alarm will do. */
  readonly meant: ReadonlyMap<string, readonly string[]>;
  readonly graceMs: number;
}

export interface Score {
  /** Kind of fault; `all` for the whole. */
  readonly kind: string;
  readonly episodes: number;
  readonly detected: number;
  /** NaN without episodes. */
  readonly recall: number;
  /** Medians and the like of the delays; NaN when nothing was detected. */
  readonly delayP50Ms: number;
  readonly delayP99Ms: number;
}

export interface Scores {
  readonly alarms: number;
  readonly right: number;
  /** NaN without alarms. */
  readonly precision: number;
  readonly all: Score;
  /** By name. */
  readonly kinds: readonly Score[];
  /** The first few of each. */
  readonly missed: readonly TruthFault[];
  readonly false: readonly AlarmSpan[];
}

const examplesMax = 20;

/** Transitions of one alarm on one device, in order of time → spans. What is not `active` ends one. */
export function spansOf(transitions: readonly Transition[]): AlarmSpan[] {
  const open = new Map<string, { readonly span: Omit<AlarmSpan, 'toMs'> }>();
  const spans: AlarmSpan[] = [];
  for (const { alarm, device, timeMs, state } of transitions.toSorted((a, b) => a.timeMs - b.timeMs)) {
    const key = `${alarm}\n${device}`;
    const begun = open.get(key);
    if (state === 'active') {
      if (begun === undefined) open.set(key, { span: { alarm, device, fromMs: timeMs } });
    } else if (state === 'cleared' && begun !== undefined) {
      spans.push({ ...begun.span, toMs: timeMs });
      open.delete(key);
    }
  }
  for (const { span } of open.values()) spans.push({ ...span, toMs: Infinity });
  return spans;
}

export function score({ faults, alarms, meant, graceMs }: ScoreOptions): Scores {
  const byDevice = Map.groupBy(alarms, ({ device }) => device);
  const right = new Set<AlarmSpan>();
  const found = unique(faults).map((fault) => {
    const names = meant.get(fault.kind);
    const hits = (byDevice.get(fault.device) ?? []).filter(
      (span) =>
        (names === undefined || names.includes(span.alarm)) &&
        span.fromMs < fault.to + graceMs &&
        span.toMs > fault.from,
    );
    for (const hit of hits) right.add(hit);
    const firstMs = hits.reduce((least, { fromMs }) => Math.min(least, fromMs), Infinity);
    return { fault, delayMs: hits.length === 0 ? undefined : Math.max(0, firstMs - fault.from) };
  });
  const kinds = [...Map.groupBy(found, ({ fault }) => fault.kind)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    alarms: alarms.length,
    right: right.size,
    precision: right.size / alarms.length,
    all: scoreOf('all', found),
    kinds: kinds.map(([kind, list]) => scoreOf(kind, list)),
    missed: found
      .filter(({ delayMs }) => delayMs === undefined)
      .slice(0, examplesMax)
      .map(({ fault }) => fault),
    false: alarms.filter((span) => !right.has(span)).slice(0, examplesMax),
  };
}

/** A fleet that went on after a kill tells an episode again. */
function unique(faults: readonly TruthFault[]): TruthFault[] {
  const seen = new Map(
    faults.map((fault) => [`${fault.kind}\n${fault.device}\n${fault.metric}\n${fault.from}`, fault]),
  );
  return [...seen.values()];
}

function scoreOf(kind: string, found: readonly { readonly delayMs: number | undefined }[]): Score {
  const delays = found.flatMap(({ delayMs }) => (delayMs === undefined ? [] : [delayMs]));
  return {
    kind,
    episodes: found.length,
    detected: delays.length,
    recall: delays.length / found.length,
    delayP50Ms: percentileOf(delays, 0.5),
    delayP99Ms: percentileOf(delays, 0.99),
  };
}
