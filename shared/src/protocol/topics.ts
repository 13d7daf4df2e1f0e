/** Topics of sync protocol v1: `fl/1/{agent}/{kind}`, one owner each. PROTOCOL.md §1. */

export const upKinds = ['hello', 'series', 'batch', 'void', 'reported', 'status'] as const;
export type UpKind = (typeof upKinds)[number];

/** Up too, but nothing of it is kept: it goes to who asked. */
export const answerKind = 'answer';

export const downKinds = ['welcome', 'flow', 'query'] as const;
export type DownKind = (typeof downKinds)[number];

/** 1 to 64 of letters, digits, `.`, `_`, `-`; it names topics, files and series, so nothing that needs escaping. */
export const agentIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function topicOf(agent: string, kind: UpKind | typeof answerKind | DownKind): string {
  return `fl/1/${agent}/${kind}`;
}

/** Splits a topic of this protocol; undefined for any other topic. */
export function parseTopic(topic: string): { agent: string; kind: string } | undefined {
  const match = /^fl\/1\/([^/+#]+)\/([^/+#]+)$/.exec(topic);
  return match?.[1] !== undefined && match[2] !== undefined ? { agent: match[1], kind: match[2] } : undefined;
}

export function isUpKind(kind: string): kind is UpKind {
  return (upKinds as readonly string[]).includes(kind);
}

export function isDownKind(kind: string): kind is DownKind {
  return (downKinds as readonly string[]).includes(kind);
}
