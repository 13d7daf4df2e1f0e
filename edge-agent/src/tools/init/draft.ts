/** From what was seen on a broker to a commented configuration that the agent accepts as it stands. */
import { formatDuration } from '@fogline/shared/units';
import { isValidName } from '../../sources/series-registry.ts';
import { type DeadbandHint, deadbandOf, type FieldStats, isCounter, kindOf, timeKindOf } from './field-stats.ts';
import type { Observations } from './observations.ts';
import { groupTopics, type TopicGroup } from './topic-groups.ts';

export interface BrokerAddress {
  /** Without credentials. */
  readonly url: string;
  readonly username: string | undefined;
}

interface Source {
  readonly name: string;
  readonly group: TopicGroup;
  readonly metrics: readonly MetricDraft[];
  readonly timeField: string | undefined;
}

interface MetricDraft {
  readonly name: string;
  readonly field: string;
  readonly stats: FieldStats;
  readonly deadband: DeadbandHint | undefined;
}

const namesMax = 64;

/** Undefined when nothing was seen that a source could be made of. */
export function draftConfig(seen: Observations, broker: BrokerAddress, watchedMs: number): string | undefined {
  const topics = seen.topics();
  const { groups, leftOut } = groupTopics(topics);
  const used = new Set<string>();
  const sources = groups
    .map((group) => sourceOf(group, used))
    .filter(({ metrics, group }) => metrics.length > 0 || hasMetricLevel(group));
  if (sources.length === 0) return undefined;
  const url = printable(broker.url);
  return [
    `# What fogline-agent init saw at ${url} in ${formatDuration(watchedMs)}: ${seen.messages} messages on ${topics.length} topics.`,
    ...(seen.unremembered === 0 ? [] : [`# ${seen.unremembered} messages on further topics were not looked at.`]),
    '# A guess to begin with: name units, remove what you do not need, then check it, and try it on what is published:',
    '#   fogline-agent check FILE',
    `#   mosquitto_sub -L ${url}/# -F "%U %t %p" | fogline-agent test FILE`,
    'version: 1',
    'agent: { id: my-agent } # the name of this gateway at the hub',
    'sources:',
    ...sources.flatMap((source) => sourceLines(source, broker, watchedMs)),
    ...leftOutLines(leftOut),
    '# "changes" pass a value when it moved by more than its noise (of metrics not named every change), and again after 5m;',
    '# "minutes" are exact aggregates of all readings.',
    'pipelines:',
    ...sources.flatMap((source) => pipelineLines(source, used)),
    'uplinks:',
    '  # The token is from "fogline-hub agent add my-agent". Better in a file of its own: token: { file: ./token }',
    '  hub: { mqtt: { url: "mqtt://127.0.0.1:1884" }, token: "${FOGLINE_TOKEN:-put-the-token-here}" }',
    '',
  ].join('\n');
}

function hasMetricLevel({ pattern }: TopicGroup): boolean {
  return pattern.split('/').includes('{metric}');
}

function sourceOf(group: TopicGroup, used: Set<string>): Source {
  const literals = group.pattern.split('/').filter((level) => !/[{+]/.test(level));
  const name = unique(plainName(literals.at(-1) ?? '') || 'devices', used);
  const timeField = timeFieldOf(group);
  return { name, group, timeField, metrics: metricsOf(group, timeField) };
}

/** Of the fields that tell a time near the arrival, the one whose name says so, or else the nearest. */
function timeFieldOf({ kind, fields }: TopicGroup): string | undefined {
  if (kind !== 'object') return undefined;
  const rank = (field: string) => (/(^|[._])(ts|time|timestamp|date|datetime)$|time/i.test(field) ? 0 : 1);
  const offset = (field: string) => [...(fields.get(field)?.times.values() ?? [])][0]?.offsetMs ?? 0;
  return [...fields.keys()]
    .filter((field) => timeKindOf(fields.get(field) as FieldStats) !== undefined)
    .toSorted((a, b) => rank(a) - rank(b) || offset(a) - offset(b))[0];
}

function metricsOf({ kind, fields, pattern, topics }: TopicGroup, timeField: string | undefined): MetricDraft[] {
  // Words of the deadband and of the file format.
  const used = new Set(['heartbeat', '__proto__']);
  if (kind === 'value') {
    const stats = fields.get('');
    if (stats === undefined || hasMetricLevel({ kind, fields, pattern, topics }) || kindOf(stats) === 'mixed')
      return [];
    const last = pattern.split('/').findLast((level) => !/[{+]/.test(level)) ?? 'value';
    const name = unique(isPrintable(last) && isValidName(last) ? last : 'value', used);
    return [{ name, field: name, stats, deadband: deadbandOf(stats) }];
  }
  return [...fields]
    .filter(
      ([field, stats]) =>
        field !== timeField && kindOf(stats) !== 'mixed' && isPrintable(field) && Buffer.byteLength(field) <= namesMax,
    )
    .map(([field, stats]) => {
      const name = unique(field.split('.').at(-1) ?? field, used);
      return { name, field, stats, deadband: deadbandOf(stats) };
    });
}

function sourceLines({ name, group, metrics, timeField }: Source, broker: BrokerAddress, watchedMs: number): string[] {
  const { pattern, topics, kind, fields } = group;
  const messages = topics.reduce((sum, topic) => sum + topic.messages, 0);
  const rate = (messages * 1_000) / watchedMs;
  const example = topics[0];
  const format = kind === 'object' ? 'json' : 'value';
  const unread =
    kind === 'object'
      ? [...fields.keys()].filter((field) => field !== timeField && !metrics.some((metric) => metric.field === field))
      : [];
  return [
    `  # ${topics.length} ${topics.length === 1 ? 'topic' : 'topics'}, ${rate < 10 ? rate.toPrecision(2) : rate.toFixed(0)} messages/s, as ${printable(example?.topic ?? '')} ${printable(example?.sample ?? '')}`,
    `  ${scalar(name)}:`,
    '    mqtt:',
    `      url: ${scalar(broker.url)}`,
    ...(broker.username === undefined
      ? []
      : [`      username: ${scalar(broker.username)}`, '      password: "${MQTT_PASSWORD:-put-the-password-here}"']),
    `      topics: [${scalar(pattern)}]`,
    '    parse:',
    ...(metrics.length === 0
      ? [`      ${format}: auto`]
      : [`      ${format}:`, ...metrics.map((metric) => `        ${metricLine(metric)}`)]),
    ...unread.map((field) => `        # not taken: ${printable(field)}, which is not one number, boolean or text`),
    ...(timeField === undefined ? [] : [`      ${timeLine(timeField, fields.get(timeField) as FieldStats)}`]),
  ];
}

function metricLine({ name, field, stats }: MetricDraft): string {
  const kind = kindOf(stats);
  const parts = [
    ...(field === name ? [] : [`field: ${scalar(field)}`]),
    ...(kind === 'number' ? [] : [`type: ${kind}`]),
  ];
  return `${scalar(name)}: {${parts.length === 0 ? '' : ` ${parts.join(', ')} `}} # ${seenOf(stats)}`;
}

function seenOf(stats: FieldStats): string {
  switch (kindOf(stats)) {
    case 'number':
      return `${stats.min} to ${stats.max}${isCounter(stats) ? ', always growing' : ''}`;
    case 'text':
      return [...stats.texts]
        .slice(0, 4)
        .map((text) => printable(text, 20))
        .join(' ');
    default:
      return 'true or false';
  }
}

function timeLine(field: string, stats: FieldStats): string {
  const kind = timeKindOf(stats) ?? 'ms';
  const offset = Math.max(0, ...[...stats.times.values()].map(({ offsetMs }) => offsetMs));
  const how = kind === 'iso_local' ? 'unit: iso, zone: UTC' : `unit: ${kind}`;
  const doubt = kind === 'iso_local' ? '; it tells no zone, and UTC is a guess' : '';
  return `time: { field: ${scalar(field)}, ${how} } # at most ${formatDuration(Math.round(offset))} from the arrival${doubt}`;
}

const leftOutShown = 20;

function leftOutLines(leftOut: readonly (readonly [string, string])[]): string[] {
  const shown = leftOut.slice(0, leftOutShown).map(([topic, reason]) => `  # left out: ${printable(topic)}: ${reason}`);
  return leftOut.length > leftOutShown ? [...shown, `  # and ${leftOut.length - leftOutShown} more topics`] : shown;
}

function pipelineLines({ name, metrics, group }: Source, used: Set<string>): string[] {
  const withHint = metrics.filter((metric) => metric.deadband !== undefined);
  const changes = unique(`${name}_changes`, used);
  const minutes = unique(`${name}_minutes`, used);
  const hints = withHint.map((metric) => {
    const { threshold, share } = metric.deadband as DeadbandHint;
    return `      ${scalar(metric.name)}: ${threshold} # larger than ${Math.round(share * 100)}% of the steps seen`;
  });
  const hasNumbers = hasMetricLevel(group) || metrics.some(({ stats }) => kindOf(stats) !== 'text');
  return [
    `  ${changes}:`,
    `    from: ${scalar(name)}`,
    ...(hints.length === 0 ? ['    deadband: {}'] : ['    deadband:', ...hints]),
    ...(hasNumbers
      ? [
          `  ${minutes}: { from: ${scalar(name)}, window: { every: 1m, compute: [mean, min, max, count] }, send: { priority: high } }`,
        ]
      : []),
  ];
}

function unique(wanted: string, used: Set<string>): string {
  let name = wanted;
  for (let suffix = 2; used.has(name); suffix++) name = `${wanted}_${suffix}`;
  used.add(name);
  return name;
}

/** As names of sources and pipelines must be; '' when nothing is left. */
function plainName(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replace(/^[^a-z]+/, '')
    .replace(/_+$/, '')
    .slice(0, 40);
}

function isPrintable(text: string): boolean {
  return !/\p{C}/u.test(text);
}

/** A text as a YAML scalar: plain where nobody could read it otherwise, else in double quotes; `${` stands for itself. */
function scalar(text: string): string {
  if (/^[A-Za-z_][\w./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text)) return text;
  return JSON.stringify(text).replaceAll('${', '$$${');
}

/** For a comment: one line of bounded length. */
function printable(text: string, charsMax = 160): string {
  const line = text.replaceAll(/[\p{C}\u2028\u2029]/gu, '?');
  return line.length > charsMax ? `${line.slice(0, charsMax)}…` : line;
}
