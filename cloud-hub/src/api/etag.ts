/** Entity tags (RFC 9110, 8.8.3 and 13.1.2). */
import { fingerprint } from '../query/cursor.ts';

/** Strong: equal tags, equal bytes. */
export function etagOf(parts: readonly unknown[]): string {
  return `"${fingerprint(parts)}"`;
}

/** Whether `If-None-Match` names this tag; a proxy may have made it weak. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}
