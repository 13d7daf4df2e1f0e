/**
 * The hub's configuration: where it listens and where it keeps its data. Every key has a default, so the hub runs without
 * a file; the environment overrides both.
 */
import { type ConfigContext, type Loaded, type LoadOptions, loadConfig } from '@fogline/shared/config';
import { fileReference, listenAddress, secret } from '@fogline/shared/config/fields';
import { configJsonSchema, type JsonSchema } from '@fogline/shared/config/json-schema';
import { type KeyPair, readKeyPair } from '@fogline/shared/config/key-pair';
import { isLoopback } from '@fogline/shared/loopback';
import { z } from 'zod';

const tls = z
  .strictObject({ key: secret, cert: fileReference })
  .meta({ description: 'Private key and certificate chain, PEM' });

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
});

type HubDocument = z.output<typeof hubSchema>;

export interface HubConfig {
  /** Absolute. */
  readonly dataFolder: string;
  readonly http: HubListener;
  readonly mqtt: HubListener;
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
  };
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
