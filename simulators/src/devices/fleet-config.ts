/** Fleet files: what the keys mean together, and how a seed becomes the keys of every type, metric and fault. */
import { type ConfigContext, type Loaded, type LoadOptions, loadConfig } from '@fogline/shared/config';
import { SeededRandom } from '@fogline/shared/random';
import { resolveFault } from './fault-config.ts';
import type { FleetPlan, IdPattern, Stage, Target, TypePlan } from './fleet-plan.ts';
import { type FleetDocument, fleetSchema, type TypeDocument } from './fleet-schema.ts';
import { resolveTopic } from './topic-config.ts';
import { resolveActuators, resolveMetrics } from './type-config.ts';

type Source = LoadOptions<typeof fleetSchema, FleetPlan>['source'];

const connectionsDefaultMax = 100;
const devicesMax = 2_000_000;

/** Throws `config_invalid`. */
export function loadFleet(source: Source, env: Readonly<Record<string, string | undefined>>): Loaded<FleetPlan> {
  return loadConfig({ source, schema: fleetSchema, env, resolve });
}

function resolve(raw: FleetDocument, context: ConfigContext): FleetPlan {
  const random = new SeededRandom(raw.seed);
  const types = Object.entries(raw.devices).map(([name, type]) => resolveType(name, type, raw, random.fork(), context));
  const devices = types.reduce((sum, { count }) => sum + count, 0);
  if (types.length === 0) context.error(['devices'], 'at least one type of devices is needed');
  if (types.length > 255) context.error(['devices'], 'at most 255 types of devices');
  if (devices > devicesMax) context.error(['devices'], `${devices} devices are more than ${devicesMax}`);
  checkNames(types, context);
  const stages = resolveStages(raw, context);
  const end = stages.at(-1)?.endMs;
  return {
    seed: raw.seed,
    target: resolveTarget(raw, context),
    connections: Math.min(devices, raw.connections ?? connectionsDefaultMax),
    clientPrefix: raw.client_prefix,
    inflight: raw.inflight,
    startMs: raw.start === undefined ? undefined : instant(raw.start, context),
    durationMs: end ?? raw.duration ?? Infinity,
    backfillMs: raw.backfill,
    speed: raw.speed,
    truth: raw.truth === undefined ? undefined : context.path(raw.truth),
    types,
    stages,
    expect: {
      acked: raw.expect?.acked,
      rate: raw.expect?.rate,
      latencyP50Ms: raw.expect?.latency_p50,
      latencyP99Ms: raw.expect?.latency_p99,
      reconnects: raw.expect?.reconnects,
    },
  };
}

function resolveTarget({ target, devices }: FleetDocument, context: ConfigContext): Target {
  const { mqtt, http } = target;
  if (http === undefined) {
    const { url, username, password, tls } = mqtt ?? { url: 'mqtt://127.0.0.1:1883' };
    return {
      kind: 'mqtt',
      url,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: context.secret(['target', 'mqtt', 'password'], password) }),
      ...(tls?.ca === undefined ? {} : { ca: context.text(['target', 'mqtt', 'tls', 'ca'], tls.ca) }),
    };
  }
  if (mqtt !== undefined) context.error(['target'], 'either mqtt or http');
  if (!/^https?:\/\//.test(http.url) || !URL.canParse(http.url)) {
    context.error(['target', 'http', 'url'], `"${http.url}" is not a URL such as http://127.0.0.1:8086/write`);
  }
  for (const [name, { format, actuators }] of Object.entries(devices)) {
    if (format !== 'line') context.error(['devices', name, 'format'], 'over http it must be line');
    if (actuators !== undefined) context.error(['devices', name, 'actuators'], 'commands come over MQTT only');
  }
  const { url, token } = http;
  return {
    kind: 'http',
    url,
    ...(token === undefined ? {} : { token: context.secret(['target', 'http', 'token'], token) }),
  };
}

function resolveStages({ stages = [], duration }: FleetDocument, context: ConfigContext): Stage[] {
  if (stages.length > 0 && duration !== undefined) context.error(['duration'], 'the stages say how long it lasts');
  let startMs = 0;
  let from = 0;
  return stages.map(({ over, devices }) => {
    const stage = { startMs, endMs: startMs + over, from, to: devices ?? from };
    startMs = stage.endMs;
    from = stage.to;
    return stage;
  });
}

/** ISO 8601 with offset, or epoch milliseconds. */
function instant(text: string, context: ConfigContext): number {
  const ms = instantMs(text);
  if (ms !== undefined && ms >= 0) return ms;
  context.error(['start'], `"${text}" is not a time: write 2026-01-01T00:00:00Z`);
  return 0;
}

export function instantMs(text: string): number | undefined {
  const ms = /^-?\d+$/.test(text) ? Number(text) : /(Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isSafeInteger(ms) ? ms : undefined;
}

function resolveType(
  name: string,
  raw: TypeDocument,
  fleet: FleetDocument,
  random: SeededRandom,
  context: ConfigContext,
): TypePlan {
  const path = ['devices', name];
  const key = random.uint32();
  const metrics = resolveMetrics(raw.metrics, random.fork(), [...path, 'metrics'], context);
  const faultRandom = random.fork();
  const tags = Object.entries(raw.tags ?? {}).map(([tag, values]) => ({ name: tag, values }));
  if (raw.jitter > raw.interval) context.error([...path, 'jitter'], 'is longer than the interval');
  if (metrics.some(({ name: metric }) => metric === raw.time_field)) {
    context.error([...path, 'time_field'], 'is the name of a metric');
  }
  return {
    name,
    count: raw.count,
    key,
    id: idPattern(raw.id ?? `${name}-{n:4}`),
    topic: resolveTopic(raw.topic, tags, [...path, 'topic'], context),
    tags,
    format: raw.format,
    measurement: raw.measurement ?? name,
    timeField: raw.time_field,
    qos: raw.qos,
    intervalMs: raw.interval,
    jitterMs: raw.jitter,
    backfillIntervalMs: Math.max(fleet.backfill_interval, raw.interval),
    metrics,
    actuators: resolveActuators(raw, { metrics, tags }, [...path, 'actuators'], context),
    faults: (raw.faults ?? []).map((fault, index) =>
      resolveFault(fault, { intervalMs: raw.interval, metrics }, faultRandom, [...path, 'faults', index], context),
    ),
  };
}

function idPattern(text: string): IdPattern {
  const match = /^([^{]*)\{n(?::([1-9]))?\}(.*)$/.exec(text);
  return { before: match?.[1] ?? '', width: Number(match?.[2] ?? 1), after: match?.[3] ?? '' };
}

/** Two devices of one name would be one device with two minds. */
function checkNames(types: readonly TypePlan[], context: ConfigContext): void {
  const shapes = new Map<string, string>();
  for (const { name, id } of types) {
    const shape = `${id.before}{n}${id.after}`;
    const rival = shapes.get(shape);
    if (rival !== undefined) context.error(['devices', name, 'id'], `gives the same names as type "${rival}"`);
    shapes.set(shape, name);
  }
}
