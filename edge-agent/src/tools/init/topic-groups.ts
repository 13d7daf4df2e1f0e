/**
 * Topics to patterns: which belong together, which of their levels name the device, and which the metric. A guess, made so that a
 * pattern never takes a topic that was seen and read otherwise.
 */
import { compileTopicPattern } from '@fogline/shared/topic-filter';
import { filtersOverlap } from '../../config/topics.ts';
import { FieldStats } from './field-stats.ts';
import type { PayloadKind, TopicSeen } from './observations.ts';

export interface TopicGroup {
  readonly kind: Exclude<PayloadKind, 'other'>;
  readonly pattern: string;
  readonly topics: readonly TopicSeen[];
  readonly fields: ReadonlyMap<string, FieldStats>;
}

export interface Grouped {
  readonly groups: readonly TopicGroup[];
  /** Topics for which no source was drafted, with the reason. */
  readonly leftOut: readonly (readonly [topic: string, reason: string])[];
}

/** Two sets of fields are those of one kind of device when they share at least half. */
const likenessMin = 0.5;
const capturesMax = 8;

export function groupTopics(seen: readonly TopicSeen[]): Grouped {
  const leftOut: [string, string][] = [];
  const readable = seen.filter(({ topic, kind }) => {
    const problem = kind === 'other' ? 'its payload is neither JSON nor a plain value' : topicProblem(topic);
    if (problem !== undefined) leftOut.push([topic, problem]);
    return problem === undefined;
  });
  const buckets = Map.groupBy(readable, ({ topic, kind }) => {
    const levels = topic.split('/');
    return JSON.stringify([kind, levels.length, levels.length === 1 ? '' : levels[0]]);
  });
  const groups = [...buckets.values()].flatMap(alikes).map(groupOf);
  for (let pair = overlapping(groups); pair !== undefined; pair = overlapping(groups)) {
    const [larger, smaller] = pair.sort((a, b) => b.topics.length - a.topics.length);
    groups.splice(groups.indexOf(smaller), 1);
    if (larger.kind === smaller.kind) {
      groups[groups.indexOf(larger)] = groupOf([...larger.topics, ...smaller.topics]);
    } else {
      for (const { topic } of smaller.topics) leftOut.push([topic, `it is read otherwise than ${larger.pattern}`]);
    }
  }
  return { groups: groups.sort((a, b) => (a.pattern < b.pattern ? -1 : 1)), leftOut };
}

function topicProblem(topic: string): string | undefined {
  try {
    compileTopicPattern(topic);
    return /[+#{}]/.test(topic) ? 'it holds a character that means something in a pattern' : undefined;
  } catch {
    // What exactly is wrong with a stranger's topic does not help here.
    return 'no topic filter can name it';
  }
}

/** Topics of one bucket, by likeness of their fields. */
function alikes(topics: readonly TopicSeen[]): TopicSeen[][] {
  const clusters: { readonly names: Set<string>; readonly topics: TopicSeen[] }[] = [];
  for (const topic of topics) {
    const names = new Set(topic.fields.keys());
    const cluster = clusters.find((candidate) => likeness(candidate.names, names) >= likenessMin);
    if (cluster === undefined) clusters.push({ names, topics: [topic] });
    else {
      cluster.topics.push(topic);
      for (const name of names) cluster.names.add(name);
    }
  }
  return clusters.map((cluster) => cluster.topics);
}

function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const both = [...a].filter((name) => b.has(name)).length;
  return a.size + b.size === 0 ? 1 : both / (a.size + b.size - both);
}

function overlapping(groups: readonly TopicGroup[]): [TopicGroup, TopicGroup] | undefined {
  for (const [index, a] of groups.entries()) {
    const b = groups.slice(index + 1).find(({ pattern }) => filtersOverlap(a.pattern, pattern));
    if (b !== undefined) return [a, b];
  }
  return undefined;
}

function groupOf(topics: readonly TopicSeen[]): TopicGroup {
  const fields = new Map<string, FieldStats>();
  for (const topic of topics) {
    for (const [path, stats] of topic.fields) {
      const merged = fields.get(path) ?? new FieldStats();
      merged.merge(stats);
      fields.set(path, merged);
    }
  }
  const kind = topics[0]?.kind === 'object' ? 'object' : 'value';
  return { kind, pattern: patternOf(topics, kind), topics, fields };
}

function patternOf(topics: readonly TopicSeen[], kind: TopicGroup['kind']): string {
  const rows = topics.map(({ topic }) => topic.split('/'));
  const levels = (rows[0] ?? []).map((_, index) => new Set(rows.map((row) => row[index] ?? '')));
  const varying = [...levels.keys()].filter((index) => (levels[index]?.size ?? 0) > 1);
  const metric = kind === 'value' ? metricLevel(levels, varying) : undefined;
  const named = varying.filter((index) => index !== metric);
  const size = (index: number) => levels[index]?.size ?? 0;
  const device = named.toSorted((a, b) => size(b) - size(a) || b - a)[0];
  const used = new Set(['device', 'metric']);
  return levels
    .map((values, index) => {
      if (index === metric) return '{metric}';
      if (index === device) return '{device}';
      if (!varying.includes(index)) return [...values][0] ?? '';
      return named.length > capturesMax ? '+' : `{${captureName([...(levels[index - 1] ?? [])], index, used)}}`;
    })
    .join('/');
}

const quantities =
  /^(temp|hum|press|power|watt|volt|current|energy|battery|lux|light|illum|co2|pm\d|voc|noise|level|flow|speed|wind|rain|state|status|rssi|signal)/i;

/** With two levels that vary the last is the metric; with one it is when its names sound like quantities. */
function metricLevel(levels: readonly ReadonlySet<string>[], varying: readonly number[]): number | undefined {
  const last = varying.at(-1);
  if (last === undefined || varying.length > 1) return last;
  const names = [...(levels[last] ?? [])];
  return names.filter((name) => quantities.test(name)).length * 2 >= names.length ? last : undefined;
}

/** After `rooms/` comes a `{room}`. */
function captureName(before: readonly string[], index: number, used: Set<string>): string {
  const word = before.length === 1 ? (before[0] ?? '').toLowerCase().replaceAll(/[^a-z0-9]+/g, '_') : '';
  const single = /^[a-z][a-z0-9_]*$/.test(word) ? word.replace(/(?<=..)s$/, '') : `level_${index + 1}`;
  const name = used.has(single) ? `${single}_${index + 1}` : single;
  used.add(name);
  return name;
}
