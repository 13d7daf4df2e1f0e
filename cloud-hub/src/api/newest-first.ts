/** Pages of a list that grows at its top: rows by falling id, so that what is added meanwhile moves no page. */
import { decodeCursor, encodeCursor, fingerprint } from '../query/cursor.ts';

interface Asked {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** `question`: what must not change between pages. Throws `query_invalid`. */
export function pageNewestFirst<Row extends { readonly id: number }>(
  question: readonly unknown[],
  { limit, cursor }: Asked,
  read: (page: { readonly before?: number; readonly limit: number }) => readonly Row[],
): { readonly page: readonly Row[]; readonly paging: { readonly complete: boolean; readonly next: string | null } } {
  const mark = fingerprint(question);
  const [before] = cursor === undefined ? [] : decodeCursor(cursor, mark, 1);
  const page = read({ limit, ...(before === undefined ? {} : { before }) });
  const last = page.at(-1)?.id ?? 0;
  const complete = page.length < limit || read({ limit: 1, before: last }).length === 0;
  return { page, paging: { complete, next: complete ? null : encodeCursor(mark, [last]) } };
}
