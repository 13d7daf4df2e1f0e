/**
 * The command kit of `fogline-agent`, `fogline-hub` and `fogline-sim`: sub-commands, options, help and exit codes.
 * Exit codes: 0 ok, 1 failed, 2 usage, 78 configuration. An operating error prints its message, never a stack; a stack
 * on stderr is a bug.
 */

import { type CompletionShell, completionScript, completionShells } from './cli-completions.ts';
import { commandHelp, type PositionalSpec, programHelp } from './cli-help.ts';
import { type OptionSpecs, type OptionValues, parseOptions } from './cli-options.ts';
import { FoglineError, hasCode, messageOf } from './errors.ts';
import { didYouMean } from './suggest.ts';

const exitCodes = { ok: 0, failed: 1, usage: 2, configuration: 78 } as const;

/** Where a command reads and writes; the process in production, plain objects in tests. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes one line to standard output. */
  out(line: string): void;
  /** Writes one line to standard error. */
  err(line: string): void;
}

export interface CommandInput<O extends OptionSpecs> {
  readonly options: OptionValues<O>;
  /** In the order of the command's `positionals`; optional ones may be missing. */
  readonly positionals: readonly string[];
  readonly io: CliIo;
}

export interface Command {
  /** One word or several: `run`, `agent add`. */
  readonly name: string;
  readonly summary: string;
  readonly details: readonly string[];
  readonly options: OptionSpecs;
  readonly positionals: readonly PositionalSpec[];
  /** Parses and runs; resolves to the exit code. */
  execute(argv: readonly string[], io: CliIo): Promise<number>;
}

export interface CommandDefinition<O extends OptionSpecs> {
  readonly name: string;
  readonly summary: string;
  /** Paragraphs that help shows below the usage. */
  readonly details?: readonly string[];
  readonly options?: O;
  readonly positionals?: readonly PositionalSpec[];
  /** Resolves to nothing (0) or an exit code; throws a FoglineError for operating errors. */
  run(input: CommandInput<O>): Promise<number | void> | number | void;
}

export interface Program {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly commands: readonly Command[];
}

export function defineCommand<const O extends OptionSpecs>(definition: CommandDefinition<O>): Command {
  const options = definition.options ?? ({} as O);
  const positionals = definition.positionals ?? [];
  return {
    name: definition.name,
    summary: definition.summary,
    details: definition.details ?? [],
    options,
    positionals,
    async execute(argv, io) {
      const parsed = parseOptions(argv, options);
      checkPositionals(parsed.positionals, positionals);
      const code = await definition.run({ options: parsed.values, positionals: parsed.positionals, io });
      return code ?? exitCodes.ok;
    },
  };
}

function checkPositionals(given: readonly string[], specs: readonly PositionalSpec[]): void {
  const missing = specs[given.length];
  if (missing !== undefined && missing.isOptional !== true)
    throw new FoglineError('usage', `${missing.name} is missing`);
  const hasRest = specs.at(-1)?.isRepeated === true;
  for (const [index, { name, choices }] of specs.entries()) {
    const text = given[index];
    if (choices === undefined || text === undefined || choices.includes(text)) continue;
    throw new FoglineError(
      'usage',
      `${name}: "${text}" is not one of ${choices.join(', ')}${didYouMean(text, choices)}`,
    );
  }
  const surplus = given[specs.length];
  if (surplus !== undefined && !hasRest) throw new FoglineError('usage', `unexpected argument "${surplus}"`);
}

/** Runs one command line and reports what goes wrong; resolves to the exit code and never rejects. */
export async function runCli(defined: Program, argv: readonly string[], io: CliIo): Promise<number> {
  const program = withCompletions(defined);
  const asked = beforeDoubleDash(argv);
  const found = findCommand(program, argv);
  if (asked.includes('--version')) {
    io.out(`${program.name} ${program.version}`);
    return exitCodes.ok;
  }
  if (asked.includes('--help') || asked.includes('-h') || (argv[0] === 'help' && found === undefined)) {
    io.out(found === undefined ? programHelp(program) : commandHelp(program.name, found.command));
    return exitCodes.ok;
  }
  const helpWith = `run "${[program.name, found?.command.name, '--help'].filter((part) => part !== undefined).join(' ')}"`;
  try {
    if (found === undefined) throw unknownCommand(program, argv);
    return await found.command.execute(found.rest, io);
  } catch (error) {
    return report(program.name, error, helpWith, io);
  }
}

/** Every program can complete its own command line. */
function withCompletions(defined: Program): Program {
  const completions = defineCommand({
    name: 'completions',
    summary: 'Prints a script that completes this command line in a shell.',
    positionals: [{ name: 'SHELL', help: 'for which shell', choices: completionShells }],
    run({ positionals: [shell], io }) {
      io.out(completionScript(program, shell as CompletionShell));
    },
  });
  const program: Program = { ...defined, commands: [...defined.commands, completions] };
  return program;
}

function beforeDoubleDash(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}

function findCommand(
  program: Program,
  argv: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } | undefined {
  const longestFirst = [...program.commands].sort((a, b) => b.name.length - a.name.length);
  for (const command of longestFirst) {
    const words = command.name.split(' ');
    if (words.every((word, index) => argv[index] === word)) return { command, rest: argv.slice(words.length) };
  }
  return undefined;
}

function unknownCommand(program: Program, argv: readonly string[]): FoglineError {
  const words: string[] = [];
  for (const word of argv) {
    if (word.startsWith('-')) break;
    words.push(word);
  }
  const first = argv[0];
  if (first === undefined) return new FoglineError('usage', 'no command given');
  if (words.length === 0) return new FoglineError('usage', `give a command before "${first}"`);
  const group = program.commands.filter((command) => command.name.startsWith(`${first} `));
  if (group.length > 0) {
    const rest = group.map((command) => command.name.slice(first.length + 1));
    const guess = words[1] === undefined ? '' : didYouMean(words[1], rest);
    return new FoglineError('usage', `"${first}" needs one of: ${rest.join(', ')}${guess}`);
  }
  const names = program.commands.map((command) => command.name);
  return new FoglineError('usage', `unknown command "${first}"${didYouMean(first, names)}`);
}

function report(name: string, error: unknown, helpWith: string, io: CliIo): number {
  if (!(error instanceof FoglineError)) {
    io.err(`${name}: this is a bug: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`);
    return exitCodes.failed;
  }
  const separator = error.message.includes('\n') ? '\n' : ' ';
  io.err(`${name}:${separator}${error.message}`);
  if (hasCode(error, 'usage')) {
    io.err(`${helpWith} for help`);
    return exitCodes.usage;
  }
  return hasCode(error, 'config_invalid') ? exitCodes.configuration : exitCodes.failed;
}

/** Older ones lack what is used here, and the binary of better-sqlite3 crashes on 20. */
const nodeMajorMin = 24;

/** The whole life of a command-line process. Exits by itself: a handle left open must not keep a finished process. */
export function main(program: Program): Promise<never> {
  return live(program.name, (io) => runCli(program, process.argv.slice(2), io));
}

/** The same for a process that has one thing to do and no command line. */
export function mainService(name: string, serve: (io: CliIo) => Promise<void>): Promise<never> {
  return live(name, async (io) => {
    try {
      await serve(io);
      return exitCodes.ok;
    } catch (error) {
      return report(name, error, '', io);
    }
  });
}

async function live(name: string, run: (io: CliIo) => Promise<number>): Promise<never> {
  if (Number.parseInt(process.versions.node, 10) < nodeMajorMin) {
    process.stderr.write(
      `${name} needs Node ${nodeMajorMin} or newer, and this is ${process.versions.node}; npm scripts and npx use the one that "npm ci" brought\n`,
    );
    process.exit(exitCodes.failed);
  }
  // A closed pipe (`… | head`) ends the command; it is not an error of the command.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed);
  });
  const code = await run({
    env: process.env,
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
  });
  // What a slow reader has not taken yet would be lost with the process.
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}

async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve());
  });
}
