/**
 * Cursors: where the next answer begins, and the fixed form of the question it belongs to, so that `now-6h` means the same
 * instant on every page. Opaque to clients; one used with another question is refused.
 */
import { createHash } from 'node:crypto';
import { FoglineError } from '@fogline/shared/errors';

const version = 1;

/** A short fingerprint of what must not change between pages. */
export function fingerprint(question: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url').slice(0, 11);
}

export function encodeCursor(mark: string, position: readonly number[]): string {
  return Buffer.from(JSON.stringify([version, mark, ...position])).toString('base64url');
}

/** `length` numbers, as `encodeCursor` was given them. Throws `query_invalid`. */
export function decodeCursor(text: string, mark: string, length: number): number[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch (error) {
    throw unusable('it is damaged', error);
  }
  if (!Array.isArray(value) || value[0] !== version || value.length !== length + 2) throw unusable('it is damaged');
  if (value[1] !== mark)
    throw unusable(
      'it belongs to another question; repeat every parameter of the first page unchanged, except limit and format',
    );
  const position: unknown[] = value.slice(2);
  if (!position.every((entry): entry is number => typeof entry === 'number' && Number.isSafeInteger(entry)))
    throw unusable('it is damaged');
  return position;
}

function unusable(why: string, cause?: unknown): FoglineError {
  return new FoglineError(
    'query_invalid',
    `cursor: ${why}; pass next of the page before as it was, or leave cursor out to begin again`,
    { cause },
  );
}
