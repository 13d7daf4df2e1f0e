/**
 * The hub's configuration: where it listens and where it keeps its data. Every key has a default, so the hub runs without
 * a file; the environment overrides both.
 */
import { type ConfigContext, type Loaded, type LoadOptions, loadConfig } from '@fogline/shared/config';
import { fileReference, listenAddress, secret } from '@fogline/shared/config/fields';
import { configJsonSchema, type JsonSchema } from '@fogline/shared/config/json-schema';
import { type KeyPair, readKeyPair } from '@fogline/shared/config/key-pair';
import { isLoopback } from '@fogline/shared/loopback';
import { durationUnits, formatDuration, parseDurationMs, quantityPattern } from '@fogline/shared/units';
import { z } from 'zod';
import { type AlarmsConfig, alarmsSchema, resolveAlarms } from './alarms/alarm-config.ts';
import { defaultRetention, type Retention } from './store/retention.ts';

const tls = z
  .strictObject({ key: secret, cert: fileReference })
  .meta({ description: 'Private key and certificate chain, PEM' });

const keptMinMs = 3_600_000;

/** A duration of an hour or more, or `forever`. */
function kept(description: string, defaultMs: number) {
  return z
    .unknown()
    .transform((input, context) => {
      if (input === 'forever') return Number.POSITIVE_INFINITY;
      const parsed = parseDurationMs(
        typeof input === 'string' || typeof input === 'number' ? String(input) : JSON.stringify(input),
      );
      const problem =
        'problem' in parsed
          ? `${parsed.problem}; or forever`
          : parsed.value < keptMinMs
            ? 'must be at least 1h'
            : undefined;
      if (problem === undefined && 'value' in parsed) return parsed.value;
      context.issues.push({ code: 'custom', input, message: problem ?? '' });
      return z.NEVER;
    })
    .prefault(formatKept(defaultMs))
    .meta({
      type: 'string',
      title: 'retention',
      description: `${description}; a duration of at least 1h, or forever`,
      pattern: `${quantityPattern(durationUnits)}|^forever$`,
      examples: ['30d', 'forever'],
    });
}

function formatKept(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? 'forever' : formatDuration(ms);
}

const hubSchema = z.strictObject({
  version: z.literal(1),
  data: z.string().min(1).default('./hub-data').meta({ description: 'Folder of the database, relative to this file' }),
  http: z
    .strictObject({
      listen: listenAddress('Port or host:port of the API and the dashboard').prefault('127.0.0.1:8080'),
      tls: tls.optional(),
    })
    .prefault({}),
  mqtt: z
    .strictObject({
      listen: listenAddress('Port or host:port that agents connect to').prefault('127.0.0.1:1884'),
      tls: tls.optional(),
    })
    .prefault({}),
  retention: z
    .strictObject({
      raw: kept('The readings themselves; by whole UTC days', defaultRetention.rawMs),
      '10s': kept('Roll-ups of 10 s', defaultRetention.levelMs[10_000]),
      '1m': kept('Roll-ups of a minute', defaultRetention.levelMs[60_000]),
      '15m': kept('Roll-ups of 15 minutes', defaultRetention.levelMs[900_000]),
      '1d': kept('Roll-ups of a day', defaultRetention.levelMs[86_400_000]),
    })
    .prefault({})
    .meta({ description: 'How long the hub keeps what, by event time' }),
  alarms: alarmsSchema,
});

type HubDocument = z.output<typeof hubSchema>;

export interface HubConfig {
  /** Absolute. */
  readonly dataFolder: string;
  readonly http: HubListener;
  readonly mqtt: HubListener;
  readonly retention: Retention;
  readonly alarms: AlarmsConfig;
}

export interface HubListener {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly tls?: KeyPair;
}

/** Throws `config_invalid`. */
export function loadHubConfig(
  source: LoadOptions<typeof hubSchema, HubConfig>['source'],
  env: Readonly<Record<string, string | undefined>>,
): Loaded<HubConfig> {
  return loadConfig({ source, schema: hubSchema, env, resolve });
}

/** The source for a hub without a file; `folder` is what relative paths refer to. */
export function noHubFile(folder: string): LoadOptions<typeof hubSchema, HubConfig>['source'] {
  return { text: 'version: 1', name: 'defaults', folder };
}

/** For editors and the reference page. */
export function hubJsonSchema(): JsonSchema {
  return configJsonSchema(hubSchema, 'Fogline hub configuration, version 1');
}

function resolve(raw: HubDocument, context: ConfigContext): HubConfig {
  return {
    dataFolder: context.path(raw.data),
    http: resolveListener('http', raw.http, context),
    mqtt: resolveListener('mqtt', raw.mqtt, context),
    retention: resolveRetention(raw.retention, context),
    alarms: resolveAlarms(raw.alarms, context),
  };
}

/** A question that a finer level cannot answer any more goes to a coarser one, so that must not be gone before. */
function resolveRetention(raw: HubDocument['retention'], context: ConfigContext): Retention {
  const names = ['10s', '1m', '15m', '1d'] as const;
  for (const [i, name] of names.entries()) {
    const finer = names[i - 1];
    if (finer === undefined || raw[name] >= raw[finer]) continue;
    context.error(
      ['retention', name],
      `is shorter than retention.${finer}, and coarser roll-ups are what old questions are answered from: write ${formatKept(raw[finer])} or more, or less for ${finer}`,
    );
  }
  const [ten, minute, quarter, day] = names.map((name) => raw[name]) as [number, number, number, number];
  return { rawMs: raw.raw, levelMs: { 10_000: ten, 60_000: minute, 900_000: quarter, 86_400_000: day } };
}

function resolveListener(section: 'http' | 'mqtt', raw: HubDocument['http'], context: ConfigContext): HubListener {
  const { host = '127.0.0.1', port } = raw.listen;
  if (raw.tls !== undefined) {
    return { host, port, tls: readKeyPair(raw.tls, [section, 'tls'], context) };
  }
  if (!isLoopback(host))
    context.warn([section, 'listen'], 'tokens travel in clear text: add "tls", or trust the network');
  return { host, port };
}
