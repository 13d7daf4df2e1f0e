/** From what an alarm says to what leaves: topics with the device's names in them, and the JSON document of a transition. */
import type { Action } from '../actions/action.ts';

const placeholder = /\{([a-z][a-z0-9_]*)\}/g;

/** The names in braces, in order. */
export function placeholdersOf(topic: string): string[] {
  return [...topic.matchAll(placeholder)].map(([, name]) => name ?? '');
}

/** Undefined when a name has no value, or one that would not stay within its level of the topic. */
export function renderTopic(topic: string, device: string, tags: Action['tags']): string | undefined {
  let isSound = true;
  const rendered = topic.replace(placeholder, (_whole, name: string) => {
    const value = name === 'device' ? device : tags.find(([key]) => key === name)?.[1];
    // Control characters are refused where names come in.
    if (value === undefined || value === '' || /[/+#]/.test(value)) isSound = false;
    return value ?? '';
  });
  return isSound ? rendered : undefined;
}

export interface Transition {
  readonly agent: string;
  readonly alarm: string;
  readonly severity: string;
  readonly device: string;
  readonly tags: Action['tags'];
  readonly state: string;
  /** As configured, for example `stats.temperature.mean`. */
  readonly metric: string;
  readonly value: number | string;
  readonly timeMs: number;
}

/** What a notification says: flat JSON, the time in ISO 8601. */
export function documentOf({ tags, timeMs, ...fields }: Transition): string {
  return JSON.stringify({ ...fields, tags: Object.fromEntries(tags), time: new Date(timeMs).toISOString() });
}
