/** A text file line by line in bounded memory; a last line without line feed counts. */
import { closeSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { FoglineError, messageOf } from '@fogline/shared/errors';

export interface Lines {
  next(): string | undefined;
  close(): void;
}

const chunkBytes = 64 * 1024;

/** Throws `usage` when the file cannot be read. */
export function openLines(path: string): Lines {
  const file = open(path);
  const chunk = Buffer.alloc(chunkBytes);
  const decoder = new StringDecoder('utf8');
  let lines: string[] = [];
  let at = 0;
  let rest = '';
  let isAtEnd = false;
  return {
    next() {
      while (at >= lines.length && !isAtEnd) {
        const bytes = readSync(file, chunk, 0, chunkBytes, null);
        isAtEnd = bytes === 0;
        lines = (rest + decoder.write(chunk.subarray(0, bytes))).split('\n');
        rest = isAtEnd ? '' : (lines.pop() ?? '');
        at = 0;
        if (isAtEnd && lines.at(-1) === '') lines.pop();
      }
      const line = lines[at++];
      return line?.endsWith('\r') === true ? line.slice(0, -1) : line;
    },
    close: () => closeSync(file),
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new FoglineError('usage', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}
