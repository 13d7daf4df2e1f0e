/** Names that people give: of tokens and of sites. */
import { FoglineError } from '@fogline/shared/errors';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Throws `usage`. */
export function checkName(what: string, name: string): void {
  if (namePattern.test(name)) return;
  throw new FoglineError(
    'usage',
    `${what} "${name.slice(0, 80)}": 1 to 64 of letters, digits, ".", "_", "-", beginning with a letter or digit`,
  );
}
