/** Topics of a device type: `{device}` and the tags stand for what differs from device to device. */
import type { ConfigContext } from '@fogline/shared/config';
import { topicProblem } from '@fogline/shared/topic-filter';
import type { Tag, TopicPattern } from './fleet-plan.ts';

/** Checks the topic, and that every capture is `{device}` or a tag. */
export function resolveTopic(
  text: string,
  tags: readonly Tag[],
  path: readonly (string | number)[],
  context: ConfigContext,
): TopicPattern {
  const texts: string[] = [];
  const captures: number[] = [];
  let rest = text;
  for (let match = /\{([^}]*)\}/.exec(rest); match !== null; match = /\{([^}]*)\}/.exec(rest)) {
    const capture = match[1] ?? '';
    const tag = tags.findIndex(({ name }) => name === capture);
    if (capture !== 'device' && tag < 0) {
      const known = ['device', ...tags.map(({ name }) => name)].map((name) => `{${name}}`).join(', ');
      context.error(path, `{${capture}} is not known here: write ${known}`);
    }
    texts.push(rest.slice(0, match.index));
    captures.push(capture === 'device' ? -1 : tag);
    rest = rest.slice(match.index + match[0].length);
  }
  texts.push(rest);
  const problem = topicProblem(texts.join('x'));
  if (problem !== undefined) context.error(path, problem);
  if (!captures.includes(-1)) context.error(path, 'must contain {device}');
  return { texts, captures };
}
