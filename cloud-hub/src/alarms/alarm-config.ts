/** What the hub's configuration says of alarms. */
import type { ConfigContext } from '@fogline/shared/config';
import { duration, name, secret } from '@fogline/shared/config/fields';
import { formatDuration } from '@fogline/shared/units';
import { z } from 'zod';
import { hostOf, refusalOfHost } from './address-guard.ts';
import { toldStates } from './alarm-state.ts';
import type { MissingConfig } from './missing-watch.ts';
import type { RuleConfig } from './rule.ts';
import { resolveRule, ruleSchema } from './rule-config.ts';
import { severities } from './severity.ts';
import type { WebhookTarget } from './webhook-post.ts';

const hourMs = 3_600_000;
const webhooksMax = 20;
const rulesMax = 100;
const secretCharactersMin = 16;

/** `unknown`: of agents' alarms, which do not say it. */
const wantedSeverities = [...severities, 'unknown'] as const;

export interface WebhookConfig extends WebhookTarget {
  readonly name: string;
  readonly states: readonly string[];
  readonly severities: readonly string[];
}

export interface AlarmsConfig {
  readonly keepMs: number;
  readonly missing: MissingConfig | undefined;
  readonly rules: readonly RuleConfig[];
  readonly webhooks: readonly WebhookConfig[];
}

export const defaultAlarms: AlarmsConfig = {
  keepMs: 400 * 24 * hourMs,
  missing: undefined,
  rules: [],
  webhooks: [],
};

const webhook = z.strictObject({
  url: z.string().meta({ description: 'Where the alarm is posted to, https:// or http://' }),
  secret: secret.meta({
    description: 'Key of the signature, at least 16 characters, or whsec_ and base64; { file: path } is better',
  }),
  states: z
    .array(z.enum(toldStates))
    .min(1)
    .default([...toldStates])
    .meta({ description: 'Which states are told' }),
  severities: z
    .array(z.enum(wantedSeverities))
    .min(1)
    .default([...wantedSeverities])
    .meta({ description: 'Of which severities; unknown: alarms of agents, which do not say theirs' }),
  allow_private: z
    .boolean()
    .default(false)
    .meta({ description: 'The address may be loopback or private; link-local and metadata addresses never may' }),
});

const missingAgent = z
  .strictObject({
    after: duration('Neither connected nor heard for so long', { min: 10_000 }).prefault('5m'),
    back_for: duration('Connected for so long without a break, until it is not missing any more').prefault('30s'),
    severity: z.enum(severities).default('warning').meta({ description: 'What it is told as' }),
  })
  .meta({ description: 'An alarm of each agent that is missing' });

export const alarmsSchema = z
  .strictObject({
    keep: duration('How long the history of alarms is kept, from when the hub heard of it', { min: hourMs }).prefault(
      formatDuration(defaultAlarms.keepMs),
    ),
    missing_agent: missingAgent.optional(),
    rules: z
      .record(name, ruleSchema)
      .refine((all) => Object.keys(all).length <= rulesMax, `at most ${rulesMax} rules`)
      .default({})
      .meta({ description: 'Alarms over what this hub stores, by name' }),
    webhooks: z
      .record(name, webhook)
      .refine((all) => Object.keys(all).length <= webhooksMax, `at most ${webhooksMax} webhooks`)
      .default({})
      .meta({ description: 'Who is told, by name' }),
  })
  .prefault({})
  .meta({ description: 'Alarms at the hub' });

export function resolveAlarms(raw: z.output<typeof alarmsSchema>, context: ConfigContext): AlarmsConfig {
  const webhooks = Object.entries(raw.webhooks).map(([of, written]) => resolveWebhook(of, written, context));
  const rules = Object.entries(raw.rules).flatMap(([of, written]) => resolveRule(of, written, context) ?? []);
  const agent = raw.missing_agent;
  const missing =
    agent === undefined ? undefined : { afterMs: agent.after, backForMs: agent.back_for, severity: agent.severity };
  return { keepMs: raw.keep, missing, rules, webhooks };
}

function resolveWebhook(of: string, raw: z.output<typeof webhook>, context: ConfigContext): WebhookConfig {
  const path = ['alarms', 'webhooks', of];
  const text = context.secret([...path, 'secret'], raw.secret);
  const key = keyOf(text);
  if (key === undefined && text !== '')
    context.error([...path, 'secret'], `is too short to sign with: ${secretCharactersMin} characters or more`);
  const url = URL.parse(raw.url) ?? new URL('http://invalid/');
  const problem = addressProblem(url, raw.url, raw.allow_private);
  if (problem !== undefined) context.error([...path, 'url'], problem);
  else if (url.protocol === 'http:' && !raw.allow_private)
    context.warn([...path, 'url'], 'what is told travels in clear text: write https://');
  const { states, severities: wanted } = raw;
  return { name: of, url, key: key ?? new Uint8Array(), allowsPrivate: raw.allow_private, states, severities: wanted };
}

function addressProblem(url: URL, written: string, allowsPrivate: boolean): string | undefined {
  // Not repeated: there may be a password in it.
  if (URL.parse(written) === null || !['http:', 'https:'].includes(url.protocol))
    return 'is no address: write https://…';
  if (url.username !== '' || url.password !== '')
    return 'has a name or password in it, which would be in every log: the signature says who sends';
  const host = hostOf(url);
  const refusal = refusalOfHost(host, allowsPrivate);
  return refusal === undefined ? undefined : `cannot go to ${host}: ${refusal}`;
}

/** As Standard Webhooks writes keys, or any text. */
function keyOf(text: string): Uint8Array | undefined {
  const isEncoded = text.startsWith('whsec_');
  const key = isEncoded ? Buffer.from(text.slice('whsec_'.length), 'base64') : Buffer.from(text);
  return key.byteLength >= secretCharactersMin ? new Uint8Array(key) : undefined;
}
