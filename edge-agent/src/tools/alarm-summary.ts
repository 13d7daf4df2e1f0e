/** An alarm in a sentence: when it is active, when it clears, what is done in each phase. */
import { formatDuration } from '@fogline/shared/units';
import type { AlarmConfig, AlarmStep, Condition, ConfirmConfig, OutputPhase } from '../alarms/alarm-config.ts';
import { list } from './list.ts';

export function alarmSentence(alarm: AlarmConfig): string {
  const { name, severity, watches, condition, forMs, staleAfterMs, atMost, steps } = alarm;
  const { stream, metric, aggregate } = watches;
  const what = [`"${stream}"`, metric, aggregate].filter((part) => part !== '').join(' ');
  const parts = [
    `is ${severity}, active when ${what} of a device ${conditionPhrase(condition)}${forMs === 0 ? '' : ` for ${formatDuration(forMs)}`}`,
    ...clearPhrase(condition),
    ...(staleAfterMs === 0 ? [] : [`stale after ${formatDuration(staleAfterMs)} without a reading`]),
    ...(atMost === undefined
      ? []
      : [`acting at most ${atMost.count} times per ${formatDuration(atMost.perMs)} on a device`]),
  ];
  const actions =
    steps.length === 0 ? ' It only tells the hub.' : steps.map((step) => ` It ${stepPhrase(step)}.`).join('');
  return `Alarm "${name}" ${parts.join(', ')}.${actions}`;
}

function conditionPhrase(condition: Condition): string {
  switch (condition.kind) {
    case 'above':
      return `is above ${condition.level}`;
    case 'below':
      return `is below ${condition.level}`;
    case 'outside':
      return `is outside ${condition.low} to ${condition.high}`;
    case 'equals':
      return `is ${JSON.stringify(condition.value)}`;
    case 'missing':
      return `has had no usable reading for ${formatDuration(condition.afterMs)}`;
  }
}

function clearPhrase(condition: Condition): string[] {
  const { clearAbove, clearBelow } = { clearAbove: undefined, clearBelow: undefined, ...condition };
  const levels = [
    ...(clearBelow === undefined ? [] : [`below ${clearBelow}`]),
    ...(clearAbove === undefined ? [] : [`above ${clearAbove}`]),
  ];
  return levels.length === 0 ? [] : [`clears ${list(levels)}`];
}

const whens: Readonly<Record<OutputPhase, string>> = {
  active: 'when active',
  cleared: 'when it clears',
  stale: 'when stale',
};

function stepPhrase(step: AlarmStep): string {
  const said = (Object.keys(whens) as OutputPhase[]).flatMap((phase) => {
    const payload = step.payloads[phase];
    return payload === undefined
      ? []
      : [`${payload === null ? 'a JSON document' : JSON.stringify(payload)} ${whens[phase]}`];
  });
  const limit = `within ${formatDuration(step.expiresMs)}`;
  if (step.kind === 'webhook') return `posts to ${step.url} ${limit}: ${list(said)}`;
  const { topic, via, retain, confirm } = step;
  const how = retain ? ', retained' : '';
  return `publishes to ${topic} at the broker of "${via}"${how} ${limit}: ${list(said)}${confirmPhrase(confirm)}`;
}

function confirmPhrase(confirm: ConfirmConfig | undefined): string {
  if (confirm === undefined) return '';
  const answers = Object.values(confirm.payloads).map((payload) => JSON.stringify(payload));
  return `; it expects ${list(answers)} on ${confirm.topic} within ${formatDuration(confirm.withinMs)}`;
}
