/** What actuators answer at brokers that the agent joined: the filters to subscribe to, beside the topics of the source. */
import type { ConfigContext } from '@fogline/shared/config';
import type { AlarmConfig } from '../alarms/alarm-config.ts';
import type { JoinConfig, SourceConfig } from './sources.ts';
import { filterCovers, filtersOverlap } from './topics.ts';

export interface AnsweredJoin extends JoinConfig {
  /** MQTT filters of `confirm` topics that no topic of the source covers. */
  readonly answers: readonly string[];
}

export function withAnswers(
  joins: readonly JoinConfig[],
  sources: readonly SourceConfig[],
  alarms: readonly AlarmConfig[],
  context: ConfigContext,
): AnsweredJoin[] {
  return joins.map((join) => {
    const topics = sources.find(({ name }) => name === join.source)?.topics ?? [];
    const answers = new Set<string>();
    for (const { name, steps } of alarms) {
      for (const [index, step] of steps.entries()) {
        if (step.kind !== 'publish' || step.confirm === undefined || step.via !== join.source) continue;
        const filter = filterOf(step.confirm.topic);
        if (topics.some((topic) => filterCovers(topic, filter))) continue;
        // The broker may give what matches both twice, and a reading would count twice.
        const rival = topics.find((topic) => filtersOverlap(topic, filter));
        if (rival === undefined) answers.add(filter);
        else {
          const why = `overlaps in part with "${rival}" of source "${join.source}": let that topic cover it, or answer on another`;
          context.error(['alarms', name, 'then', index, 'confirm', 'topic'], why);
        }
      }
    }
    return { ...join, answers: [...answers] };
  });
}

/** Names in braces may stand within a level here. */
function filterOf(topic: string): string {
  return topic
    .split('/')
    .map((level) => (level.includes('{') ? '+' : level))
    .join('/');
}
