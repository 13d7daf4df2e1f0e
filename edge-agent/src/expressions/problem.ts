/** What is wrong with an expression, and where. */
import { FoglineError } from '@fogline/shared/errors';

/** `column` counts from 1; one past the end means that something is missing there. */
export function problemAt(column: number, what: string): FoglineError {
  return new FoglineError('config_invalid', `column ${column}: ${what}`, { details: { column } });
}
