/**
 * The log port and its pino adapter. Structured lines on stderr: JSON for machines, one readable line on a terminal.
 * Written synchronously, so the last words of a dying process are not lost. Credentials never reach a line: fields
 * with telling names are replaced, at the top level and one level down.
 */
import { type DestinationStream, type Logger as Pino, pino } from 'pino';
import { FoglineError } from './errors.ts';

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A logger whose lines carry `name` below this one's: `agent` → `agent.uplink`. */
  child(name: string): Logger;
}

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly name: string;
  readonly level?: LogLevel;
  /** Default: human-readable when stderr is a terminal. */
  readonly isPretty?: boolean;
  /** Takes finished lines, newline included; default stderr. */
  readonly write?: (line: string) => void;
}

const secretNames = ['token', 'password', 'secret', 'authorization', 'key'];
const redacted = '[hidden]';

export function createLogger(options: LogOptions): Logger {
  const write = options.write ?? stderrWriter();
  const isPretty = options.isPretty ?? (options.write === undefined && process.stderr.isTTY);
  const stream: DestinationStream = isPretty ? { write: (line) => write(prettyLine(line)) } : { write };
  const root = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`]), censor: redacted },
    },
    stream,
  );
  return new PinoLogger(root, options.name);
}

/** Drops everything. For tests and for parts that run where nobody reads. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

class PinoLogger implements Logger {
  readonly #pino: Pino;
  readonly #name: string;

  constructor(logger: Pino, name: string) {
    this.#pino = logger.child({ name });
    this.#name = name;
    this.#parent = logger;
  }

  readonly #parent: Pino;

  debug(fields: LogFields, message: string): void {
    if (this.#pino.isLevelEnabled('debug')) this.#pino.debug(printable(fields), message);
  }

  info(fields: LogFields, message: string): void {
    this.#pino.info(printable(fields), message);
  }

  warn(fields: LogFields, message: string): void {
    this.#pino.warn(printable(fields), message);
  }

  error(fields: LogFields, message: string): void {
    this.#pino.error(printable(fields), message);
  }

  child(name: string): Logger {
    return new PinoLogger(this.#parent, `${this.#name}.${name}`);
  }
}

/** Errors become data: operating errors as code and message, anything else with its stack, because it is a bug. */
function printable(fields: LogFields): LogFields {
  let copy: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(fields)) {
    if (!(value instanceof Error) && typeof value !== 'bigint') continue;
    copy ??= { ...fields };
    copy[key] = value instanceof Error ? printableError(value, causesMax) : String(value);
  }
  return copy ?? fields;
}

const causesMax = 4;

function printableError(error: Error, causesLeft: number): Record<string, unknown> {
  const cause =
    error.cause instanceof Error && causesLeft > 0 ? { cause: printableError(error.cause, causesLeft - 1) } : {};
  if (error instanceof FoglineError) return { code: error.code, message: error.message, ...cause };
  return { message: error.message, stack: error.stack, ...cause };
}

function stderrWriter(): (line: string) => void {
  const stderr = pino.destination({ dest: 2, sync: true });
  return (line) => void stderr.write(line);
}

interface Line {
  readonly time: string;
  readonly level: LogLevel;
  readonly name: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** `12:00:00.000 warn  agent.uplink: lost the hub · retryInMs=250` */
function prettyLine(json: string): string {
  const { time, level, name, message, ...fields } = JSON.parse(json) as Line;
  const tail = Object.entries(fields)
    .map(([key, value]) => `${key}=${prettyValue(value)}`)
    .join(' ');
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${name}: ${message}${tail === '' ? '' : ` · ${tail}`}\n`;
}

function prettyValue(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value;
  return JSON.stringify(value);
}
