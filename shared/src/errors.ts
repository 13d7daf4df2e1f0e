/**
 * One error type for everything that can go wrong in operation. Callers decide by code, through `hasCode`, never by
 * message text. Programmer errors are assertions and crash instead.
 */

/** Code → what it means. The table is the documentation; a code absent here cannot be thrown. */
export const errorCodes = {
  config_invalid: 'A configuration file or option is wrong; the message names file, line, column and the likely fix.',
  usage: 'A command line is wrong.',
  codec_corrupt: 'Encoded columns are truncated, damaged or absurd.',
  codec_version: 'Encoded columns carry a version that this build does not know.',
  message_invalid: 'A protocol message does not have the exact shape of PROTOCOL.md.',
  message_version: 'A protocol message carries a version that this build does not know.',
  storage_open: 'A database cannot be opened, or is not what it should be.',
  storage_io: 'The storage failed while reading or writing.',
  storage_corrupt: 'Stored bytes do not match their checksum.',
  limit_exceeded: 'A named limit was exceeded; the message names it.',
  not_found: 'What was asked for does not exist.',
  unauthorized: 'No valid credential was given.',
  forbidden: 'The credential does not allow this.',
  query_invalid: 'A query cannot be answered as asked; the message gives the fix.',
  address_in_use: 'A port or path is taken by another process.',
  unavailable: 'A needed service does not answer.',
} as const;

export type ErrorCode = keyof typeof errorCodes;

export class FoglineError extends Error {
  override readonly name = 'FoglineError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is FoglineError {
  return error instanceof FoglineError && codes.includes(error.code);
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Asserts what only a bug can break. On in production: a crash is restarted and nothing acked is lost. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant violated: ${message}`);
}
