/** How the payloads of a source are read: exactly one parser, and only what belongs to it. */
import type { ConfigContext } from '@fogline/shared/config';
import type { ConfigPath } from '@fogline/shared/config/places';
import { messageOf } from '@fogline/shared/errors';
import { createDecoder } from '../decoders/create-decoder.ts';
import type { ParseConfig, TimeConfig } from '../decoders/decoder.ts';
import type { MetricConfig } from '../decoders/metric.ts';
import { ReadingsBuilder } from '../decoders/readings-builder.ts';
import { Rejections } from '../decoders/rejections.ts';
import { compileTime } from '../decoders/source-time.ts';
import { metricCapture } from '../decoders/value.ts';
import { SeriesRegistry } from '../sources/series-registry.ts';
import type { AgentDocument } from './schema.ts';

export type SourceDocument = AgentDocument['sources'][string];
type ParseDocument = SourceDocument['parse'];
type Format = ParseConfig['format'];
type Report = ConfigContext['error'];

const formats = ['json', 'csv', 'line_protocol', 'value'] as const satisfies readonly Format[];

/** Which parsers a key beside them belongs to. */
const belongs: readonly (readonly [key: keyof ParseDocument, formats: readonly Format[]])[] = [
  ['each', ['json']],
  ['device', ['json', 'csv', 'line_protocol']],
  ['tags', ['json', 'csv']],
  ['separator', ['csv']],
  ['decimal', ['csv']],
  ['columns', ['csv']],
  ['header', ['csv']],
  ['time', ['json', 'csv', 'line_protocol']],
];

/** The parser that a source names, or the one that its door suggests; undefined when that is none. */
export function formatOf({ parse, mqtt, http }: SourceDocument): Format | undefined {
  const named = formats.find((format) => parse[format] !== undefined);
  return named ?? (mqtt !== undefined ? 'json' : http !== undefined ? 'line_protocol' : undefined);
}

/** The declared metrics of a source by name; undefined when it takes them as they come. */
export function declaredMetrics(
  source: SourceDocument | undefined,
): Readonly<Record<string, { readonly type: string }>> | undefined {
  const format = source === undefined ? undefined : formatOf(source);
  const metrics = format === undefined ? undefined : source?.parse[format];
  return metrics === 'auto' ? undefined : metrics;
}

export function resolveParse(name: string, source: SourceDocument, context: ConfigContext): ParseConfig {
  let isClean = true;
  const report: Report = (where, message) => {
    isClean = false;
    context.error(where, message);
  };
  const path = ['sources', name, 'parse'];
  const { parse } = source;
  const [format, other] = formats.filter((candidate) => parse[candidate] !== undefined);
  if (format !== undefined && other !== undefined) {
    report([...path, other], `a source has one parser, and this one has ${format}: make another source of it`);
  }
  const chosen = formatOf(source);
  if (chosen === undefined) {
    report(['sources', name], 'say how the file is read: parse: { csv: auto }, json or line_protocol');
  }
  for (const [key, owners] of belongs) {
    if (parse[key] === undefined || chosen === undefined || owners.includes(chosen)) continue;
    report([...path, key], `belongs to ${owners.join(' or ')}, and this source reads ${chosen}`);
  }
  if (parse.skip !== undefined && parse[chosen ?? 'json'] !== undefined && parse[chosen ?? 'json'] !== 'auto') {
    report([...path, 'skip'], 'goes with auto: of declared metrics, the others are left out anyway');
  }
  const config = configOf(chosen ?? 'json', name, source, report);
  if (chosen === 'value') checkValue(name, source, report);
  if (isClean) checkCompiles(config, path, report);
  return config;
}

function configOf(format: Format, name: string, source: SourceDocument, report: Report): ParseConfig {
  const { parse } = source;
  const declared = parse[format] ?? 'auto';
  const metrics =
    declared === 'auto'
      ? declared
      : Object.entries(declared).map(([metric, raw]) =>
          resolveMetric(['sources', name, 'parse', format, metric], metric, raw, report),
        );
  const { skip, missing, device, tags } = parse;
  const common = {
    metrics,
    ...(skip === undefined ? {} : { skip }),
    ...(missing === undefined ? {} : { missing }),
  };
  const deviceOnly = device === undefined ? {} : { device };
  switch (format) {
    case 'value':
      return { format, ...common };
    case 'line_protocol':
      return { format, ...common, ...deviceOnly, ...lineTime(name, parse, report) };
    case 'json':
    case 'csv': {
      const time = resolveTime(name, parse, report);
      const named = {
        ...common,
        ...deviceOnly,
        ...(tags === undefined ? {} : { tags }),
        ...(time === undefined ? {} : { time }),
      };
      if (format === 'csv') return { format, ...named, ...dialect(name, parse, report) };
      return { format, ...named, ...(parse.each === undefined ? {} : { each: parse.each }) };
    }
  }
}

type MetricDocument = Exclude<NonNullable<ParseDocument['json']>, 'auto'>[string];

function resolveMetric(path: ConfigPath, name: string, raw: MetricDocument, report: Report): MetricConfig {
  const { field = name, unit, type, range, missing } = raw;
  if (name === 'heartbeat') report(path, 'is a word of the deadband: give the metric another name and keep the field');
  const metric = { name, field, unit, type, ...(missing === undefined ? {} : { missing }) };
  if (range === undefined) return metric;
  const [min, max] = range;
  if (min >= max) report([...path, 'range'], `[${min}, ${max}] is empty: write [lowest, highest]`);
  if (type !== 'number') report([...path, 'range'], `a ${type} has no range`);
  return { ...metric, range: { min, max } };
}

function resolveTime(name: string, { time }: ParseDocument, report: Report): TimeConfig | undefined {
  if (time === undefined) return undefined;
  const path = ['sources', name, 'parse', 'time'];
  const { field, unit, format, zone, max_skew } = time;
  if (field === undefined) report(path, 'say where the time is: field: ts');
  if (unit !== undefined && format !== undefined) report([...path, 'format'], 'takes the place of unit: keep one');
  const form = {
    ...(unit === undefined || format !== undefined ? {} : { unit }),
    ...(format === undefined ? {} : { format }),
    ...(zone === undefined ? {} : { zone }),
  };
  const compiled = compileTime(form);
  if (typeof compiled === 'string') report(path, compiled);
  return { fields: field === undefined ? [] : [field].flat(), ...form, maxSkewMs: max_skew };
}

const maxSkewMsDefault = 600_000;

function lineTime(
  name: string,
  { time }: ParseDocument,
  report: Report,
): { readonly precision: 'ns' | 'us' | 'ms' | 's'; readonly maxSkewMs: number } {
  const path = ['sources', name, 'parse', 'time'];
  for (const key of ['field', 'format', 'zone'] as const) {
    if (time?.[key] !== undefined) report([...path, key], 'a line has its time at its end: only unit and max_skew');
  }
  const unit = time?.unit ?? 'ns';
  if (unit === 'iso') report([...path, 'unit'], 'a line counts its time: s, ms, us or ns');
  return { precision: unit === 'iso' ? 'ns' : unit, maxSkewMs: time?.max_skew ?? maxSkewMsDefault };
}

function dialect(name: string, { separator, decimal = '.', columns, header }: ParseDocument, report: Report) {
  const path = ['sources', name, 'parse'];
  const between = separator ?? (decimal === ',' ? ';' : ',');
  if (!/^[\t -~]$/.test(between) || /["+\-.\w]/.test(between)) {
    report([...path, 'separator'], 'is one character that is no part of a number: "," ";" "\\t" " " or "|"');
  }
  if (between === decimal) report([...path, 'separator'], 'is the decimal mark as well: one of the two must differ');
  const hasHeader = header ?? columns === undefined;
  if (!hasHeader && columns === undefined)
    report([...path, 'header'], 'without a header, give the columns names: columns');
  return { separator: between, decimal, hasHeader, ...(columns === undefined ? {} : { columns }) };
}

/** A value is of the metric that the topic names, or of the only one. */
function checkValue(name: string, { parse, mqtt, http, file }: SourceDocument, report: Report): void {
  const path = ['sources', name, 'parse', 'value'];
  if (file !== undefined) report(path, 'a file of plain values tells neither metric nor time: use csv');
  const isNamed = [...(mqtt?.topics ?? []), ...(http?.paths ?? [])].some((topic) =>
    topic.includes(`{${metricCapture}}`),
  );
  const declared = parse.value === 'auto' || parse.value === undefined ? [] : Object.keys(parse.value);
  if (!isNamed && declared.length > 1) {
    report(
      path,
      `the topic does not tell which of ${declared.join(', ')} a value is: add the level {metric}, or keep one`,
    );
  }
}

/** What only the decoder itself finds wrong. */
function checkCompiles(config: ParseConfig, path: ConfigPath, report: Report): void {
  try {
    createDecoder(config, {
      registry: new SeriesRegistry(),
      rejections: new Rejections(),
      out: new ReadingsBuilder(),
      payloadBytesMax: 0,
    });
  } catch (error) {
    report(path, messageOf(error));
  }
}
