/** From a decision of the machine to an action that can be carried out: topics and payloads rendered, and the answer that is waited for. */
import type { Action, ActionCall } from '../actions/action.ts';
import type { AlarmConfig, AlarmStep, OutputPhase } from './alarm-config.ts';
import type { AlarmState, Expected } from './alarm-machine.ts';
import { documentOf, renderTopic } from './render.ts';

/** Who decided, and on what. */
export interface Decider {
  readonly agent: string;
  readonly alarm: AlarmConfig;
  readonly device: string;
  readonly tags: Action['tags'];
  readonly state: Pick<AlarmState, 'value' | 'toldAt'>;
}

export interface Decision {
  readonly step: number;
  readonly phase: OutputPhase;
}

/** Undefined when it cannot be carried out, because a name does not fit into a level of a topic. */
export function actionOf(
  decider: Decider,
  { step, phase }: Decision,
  id: number,
  now: number,
): { readonly action: Action; readonly expected: Expected | undefined } | undefined {
  const { alarm, device, tags } = decider;
  const config = alarm.steps[step];
  if (config === undefined) return undefined;
  const call = callOf(decider, config, phase);
  if (call === undefined) return undefined;
  const expected = expectedOf(decider, config, { step, phase }, id);
  if (expected === 'impossible') return undefined;
  const action = { id, alarm: alarm.name, device, tags, step, phase, at: now, expiresAt: now + config.expiresMs, call };
  return { action, expected };
}

function callOf(decider: Decider, config: AlarmStep, phase: OutputPhase): ActionCall | undefined {
  const payload = config.payloads[phase] ?? notification(decider, phase);
  if (config.kind === 'webhook') return { kind: 'webhook', url: config.url, payload };
  const topic = renderTopic(config.topic, decider.device, decider.tags);
  if (topic === undefined) return undefined;
  const { via, qos, retain } = config;
  return { kind: 'publish', via, topic, payload, qos, retain };
}

function expectedOf(
  { device, tags }: Decider,
  config: AlarmStep,
  { step, phase }: Decision,
  action: number,
): Expected | undefined | 'impossible' {
  if (config.kind !== 'publish' || config.confirm === undefined) return undefined;
  const { confirm, via } = config;
  const payload = confirm.payloads[phase];
  if (payload === undefined) return undefined;
  const topic = renderTopic(confirm.topic, device, tags);
  if (topic === undefined) return 'impossible';
  const { withinMs } = confirm;
  return { action, step, via, topic, payload, withinMs, dueAt: Number.POSITIVE_INFINITY, isOverdue: false };
}

function notification({ agent, alarm, device, tags, state }: Decider, phase: OutputPhase): string {
  const { stream, metric, aggregate } = alarm.watches;
  return documentOf({
    agent,
    alarm: alarm.name,
    severity: alarm.severity,
    device,
    tags,
    state: phase,
    metric: [stream, metric, aggregate].filter((part) => part !== '').join('.'),
    value: state.value,
    timeMs: state.toldAt,
  });
}
