/** A fleet from a file, from options, or from a file with options that override it. Options take the way of environment overrides. */
import type { CliIo } from '@fogline/shared/cli';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { loadFleet } from '../devices/fleet-config.ts';
import type { FleetPlan } from '../devices/fleet-plan.ts';
import { presets } from '../signals/presets.ts';

const typeFlags = ['devices', 'interval', 'metrics', 'id', 'topic', 'qos'] as const;

/** Where a flag goes in the file, as an override. */
const variables = {
  seed: 'FOGLINE__SEED',
  start: 'FOGLINE__START',
  duration: 'FOGLINE__DURATION',
  backfill: 'FOGLINE__BACKFILL',
  'backfill-interval': 'FOGLINE__BACKFILL_INTERVAL',
  speed: 'FOGLINE__SPEED',
  truth: 'FOGLINE__TRUTH',
  mqtt: 'FOGLINE__TARGET__MQTT__URL',
  username: 'FOGLINE__TARGET__MQTT__USERNAME',
  password: 'FOGLINE__TARGET__MQTT__PASSWORD',
  inflight: 'FOGLINE__INFLIGHT',
  connections: 'FOGLINE__CONNECTIONS',
  'client-prefix': 'FOGLINE__CLIENT_PREFIX',
} as const;
const durations: readonly string[] = ['duration', 'backfill', 'backfill-interval'];

type TypeFlags = Partial<Record<'metrics' | 'id' | 'topic' | 'qos', string> & Record<'devices' | 'interval', number>>;

/** What is undefined is not given. Durations in ms. */
export type FleetFlags = { readonly [K in keyof TypeFlags]: TypeFlags[K] | undefined } & {
  readonly [K in keyof typeof variables]?: string | number | undefined;
};

/** Throws `usage` for flags, `config_invalid` for a file. */
export function loadPlan(file: string | undefined, flags: FleetFlags, io: CliIo): FleetPlan {
  const overrides = overridesOf(flags);
  if (file !== undefined) {
    const misplaced = typeFlags.find((flag) => flags[flag] !== undefined);
    if (misplaced !== undefined) throw new FoglineError('usage', `--${misplaced}: types of devices come from ${file}`);
    const { value, warnings } = loadFleet({ file }, { ...io.env, ...overrides });
    for (const warning of warnings) io.err(warning);
    return value;
  }
  const text = JSON.stringify({ version: 1, devices: { dev: typeOf(flags) } });
  try {
    return loadFleet({ text, name: 'options', folder: '.' }, overrides).value;
  } catch (error) {
    throw hasCode(error, 'config_invalid') ? new FoglineError('usage', inWordsOfFlags(error.message)) : error;
  }
}

function typeOf({
  devices = 25,
  interval = 1_000,
  metrics = 'temperature,humidity',
  id,
  topic,
  qos = '1',
}: FleetFlags) {
  const names = metrics.split(',').map((metric) => metric.trim());
  const unknown = names.find((name) => !Object.hasOwn(presets, name));
  if (unknown !== undefined) {
    throw new FoglineError('usage', `unknown metric "${unknown}": known are ${Object.keys(presets).join(', ')}`);
  }
  return {
    count: devices,
    interval: `${interval}ms`,
    qos: Number(qos),
    metrics: Object.fromEntries(names.map((name) => [name, { like: name }])),
    ...(id === undefined ? {} : { id }),
    ...(topic === undefined ? {} : { topic }),
  };
}

function overridesOf(flags: FleetFlags): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([flag, variable]) => {
      const value = flags[flag as keyof typeof variables];
      if (value === undefined) return [];
      return [[variable, durations.includes(flag) ? `${value}ms` : String(value)]];
    }),
  );
}

function inWordsOfFlags(message: string): string {
  let text = message.replaceAll(/^options:\d+:\d+: (devices\.dev\.)?/gm, '');
  for (const [flag, variable] of Object.entries(variables)) text = text.replaceAll(variable, `--${flag}`);
  return text;
}
