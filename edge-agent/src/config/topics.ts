/** Topic filters, and paths as topic filters: what may be written, and which of two would take the same message. */
import type { ConfigContext } from '@fogline/shared/config';
import type { ConfigPath } from '@fogline/shared/config/places';
import { messageOf } from '@fogline/shared/errors';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { compileTopicPattern } from '@fogline/shared/topic-filter';
import { writeTopic } from '../sources/influx-api.ts';
import { formatOf, type SourceDocument } from './parse.ts';

/** Reports what is wrong with a filter, with the fix. */
export function checkPattern(topic: string, path: ConfigPath, context: ConfigContext): void {
  const problem = topicProblem(topic);
  if (problem !== undefined) context.error(path, problem);
  else if (/[+#{]/.test(topic) && !topic.split('/').includes('{device}')) {
    context.warn(path, 'has no {device}: all that match are taken for one device');
  }
}

function topicProblem(topic: string): string | undefined {
  if (topic.startsWith('$')) return 'topics that begin with "$" belong to the broker';
  try {
    const { captures } = compileTopicPattern(topic);
    const tagsMax = protocolLimits.tagsMax + 1;
    return captures.length > tagsMax ? `has ${captures.length} captures: at most ${tagsMax}` : undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** The paths of a source behind HTTP, as topics. */
export function pathsOf(name: string, source: SourceDocument): string[] {
  const own = source.http?.paths?.map((path) => path.replace(/^\//, ''));
  if (formatOf(source) === 'line_protocol') return [writeTopic, ...(own ?? [])];
  return own ?? [name, `${name}/{device}`];
}

/** True when one topic can match both filters. */
export function filtersOverlap(left: string, right: string): boolean {
  const a = left.split('/');
  const b = right.split('/');
  for (let index = 0; ; index++) {
    const x = a[index];
    const y = b[index];
    // "a/#" matches "a" itself, so "#" is looked at before either filter ends.
    if (x === '#' || y === '#') return true;
    if (x === undefined || y === undefined) return x === y;
    if (x !== y && !isWild(x) && !isWild(y)) return false;
  }
}

/** True when every topic that matches `inner` matches `outer`. */
export function filterCovers(outer: string, inner: string): boolean {
  const a = outer.split('/');
  const b = inner.split('/');
  for (let index = 0; ; index++) {
    const x = a[index];
    const y = b[index];
    if (x === '#') return true;
    if (x === undefined || y === undefined) return x === y;
    if (y === '#' || (x !== y && !isWild(x))) return false;
  }
}

function isWild(level: string): boolean {
  return level === '+' || level.startsWith('{');
}
