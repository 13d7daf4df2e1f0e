/** Ids on the command line: the first column of a list that this program prints. */
import { FoglineError } from '@fogline/shared/errors';

interface Ids {
  readonly positional: { readonly name: string; readonly help: string };
  /** Throws `usage`. */
  readonly idOf: (text: string) => number;
}

/** `list`: the command that prints them. */
export function idsOf(list: string): Ids {
  return {
    positional: { name: 'ID', help: `first column of ${list}` },
    idOf(text) {
      if (/^\d{1,15}$/.test(text)) return Number(text);
      throw new FoglineError('usage', `"${text}" is no id: take the first column of "fogline-hub ${list}"`);
    },
  };
}
