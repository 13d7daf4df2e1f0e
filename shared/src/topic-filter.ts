/**
 * MQTT 3.1.1 topic filters (§4.7), and topic patterns: filters in which a level may be a named capture, as in
 * `sensors/{device}/climate`.
 */
import { FoglineError } from './errors.ts';

const captureName = /^[a-z][a-z0-9_]*$/;
const topicBytesMax = 65_535;
/** What the broker's matcher can hold. */
const topicLevelsMax = 100;

export interface TopicPattern {
  readonly pattern: string;
  /** The MQTT filter to subscribe with: captures became `+`. */
  readonly filter: string;
  /** Capture names in order of appearance. */
  readonly captures: readonly string[];
  /** The captured levels by name, undefined when the topic does not match. A captured level may be ''. */
  match(topic: string): Readonly<Record<string, string>> | undefined;
}

/** @throws FoglineError config_invalid with the reason. */
export function compileTopicPattern(pattern: string): TopicPattern {
  const levels = pattern.split('/');
  const captures: string[] = [];
  const filterLevels = levels.map((level) => {
    if (!level.includes('{') && !level.includes('}')) return level;
    const name = level.slice(1, -1);
    if (!level.startsWith('{') || !level.endsWith('}') || /[{}]/.test(name)) {
      throw invalid(pattern, `a capture must be a whole level, as in a/{device}/b; '${level}' is not`);
    }
    if (!captureName.test(name)) {
      throw invalid(pattern, `'${name}' is no capture name: use lower case letters, digits and _, a letter first`);
    }
    if (captures.includes(name)) throw invalid(pattern, `the capture {${name}} appears twice`);
    captures.push(name);
    return '+';
  });
  const filter = filterLevels.join('/');
  const reason = filterProblem(filter);
  if (reason !== undefined) throw invalid(pattern, reason);

  const capturedLevels = levels.flatMap((level, index) => (level.startsWith('{') ? [index] : []));
  return {
    pattern,
    filter,
    captures,
    match(topic) {
      if (!topicMatches(filter, topic)) return undefined;
      const captured: Record<string, string> = {};
      const topicLevels = topic.split('/');
      for (const [index, level] of capturedLevels.entries()) {
        captured[captures[index] as string] = topicLevels[level] ?? '';
      }
      return captured;
    },
  };
}

/** Whether a topic name matches a valid filter. Wildcards at the start do not match topics that begin with `$`. */
export function topicMatches(filter: string, topic: string): boolean {
  if (filter === topic) return !/[+#]/.test(filter);
  const first = filter.charCodeAt(0);
  if ((first === plusCode || first === hashCode) && topic.charCodeAt(0) === dollarCode) return false;
  let f = 0;
  let t = 0;
  for (;;) {
    if (filter.charCodeAt(f) === hashCode) return true;
    if (filter.charCodeAt(f) === plusCode) {
      f++;
      while (t < topic.length && topic.charCodeAt(t) !== slashCode) t++;
    } else {
      while (f < filter.length && filter.charCodeAt(f) !== slashCode) {
        if (t >= topic.length || filter.charCodeAt(f) !== topic.charCodeAt(t)) return false;
        f++;
        t++;
      }
    }
    const isTopicAtEnd = t >= topic.length;
    if (f >= filter.length) return isTopicAtEnd;
    // `a/#` matches `a` too.
    if (isTopicAtEnd) return filter.length === f + 2 && filter.charCodeAt(f + 1) === hashCode;
    if (topic.charCodeAt(t) !== slashCode) return false;
    f++;
    t++;
  }
}

const slashCode = 47;
const plusCode = 43;
const hashCode = 35;
const dollarCode = 36;

/** Why this is no valid MQTT filter; undefined when it is one. */
export function filterProblem(filter: string): string | undefined {
  if (filter === '') return 'it is empty';
  if (filter.includes('\0')) return 'it contains the character U+0000';
  if (Buffer.byteLength(filter) > topicBytesMax) return `it is longer than ${topicBytesMax} bytes`;
  const levels = filter.split('/');
  if (levels.length > topicLevelsMax) return `it has more than ${topicLevelsMax} levels`;
  for (const [index, level] of levels.entries()) {
    if (level.includes('#') && level !== '#') return `# must be a whole level; '${level}' is not`;
    if (level === '#' && index !== levels.length - 1) return '# must be the last level';
    if (level.includes('+') && level !== '+') return `+ must be a whole level; '${level}' is not`;
  }
  return undefined;
}

/** Why this is no valid MQTT topic name; undefined when it is one. */
export function topicProblem(topic: string): string | undefined {
  if (/[+#]/.test(topic)) return 'it contains a wildcard';
  return filterProblem(topic);
}

function invalid(pattern: string, reason: string): FoglineError {
  return new FoglineError('config_invalid', `topic '${pattern}': ${reason}`, { details: { pattern } });
}
