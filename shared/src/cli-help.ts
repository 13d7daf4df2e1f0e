/** Help texts, derived from the definitions that also parse, so that they cannot drift apart. */
import type { OptionSpec, OptionSpecs } from './cli-options.ts';
import { formatDuration, formatSize } from './units.ts';

export interface PositionalSpec {
  /** As shown: `FILE`. */
  readonly name: string;
  readonly help: string;
  readonly isOptional?: true;
  /** Only for the last one: any number of them. */
  readonly isRepeated?: true;
  readonly choices?: readonly string[];
}

export interface DescribedCommand {
  readonly name: string;
  readonly summary: string;
  readonly details: readonly string[];
  readonly options: OptionSpecs;
  readonly positionals: readonly PositionalSpec[];
}

export interface DescribedProgram {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly DescribedCommand[];
}

export function programHelp(program: DescribedProgram): string {
  const rows = program.commands.map((command) => [signature(command), command.summary] as const);
  return [
    `${program.name}: ${program.summary}`,
    '',
    `Usage: ${program.name} COMMAND [OPTIONS]`,
    '',
    'Commands:',
    ...table(rows),
    '',
    'Options:',
    ...table([
      ['--help', 'this text, or that of a command'],
      ['--version', 'the version'],
    ]),
    '',
    'Exit codes: 0 ok, 1 failed, 2 usage, 78 configuration.',
  ].join('\n');
}

export function commandHelp(programName: string, command: DescribedCommand): string {
  const options = Object.entries(command.options);
  return [
    command.summary,
    '',
    `Usage: ${programName} ${signature(command)}${options.length > 0 ? ' [OPTIONS]' : ''}`,
    ...command.details.flatMap((paragraph) => ['', ...wrapped(paragraph)]),
    ...section(
      'Arguments:',
      command.positionals.map(({ name, help, choices }) => [name, `${help}${choicesText(choices)}`] as const),
    ),
    ...section(
      'Options:',
      options.map(([name, spec]) => [optionName(name, spec), optionHelp(spec)] as const),
    ),
  ].join('\n');
}

function signature(command: DescribedCommand): string {
  const positionals = command.positionals.map((positional) => {
    const name = positional.isRepeated === true ? `${positional.name}…` : positional.name;
    return positional.isOptional === true ? `[${name}]` : name;
  });
  return [command.name, ...positionals].join(' ');
}

export function optionName(name: string, spec: OptionSpec): string {
  return spec.type === 'flag' ? `--${name}` : `--${name} ${spec.placeholder ?? placeholders[spec.type]}`;
}

const placeholders = { text: 'TEXT', integer: 'N', port: 'N', duration: 'DURATION', size: 'SIZE' } as const;

function optionHelp(spec: OptionSpec): string {
  const choices = choicesText(spec.choices);
  const fallback = spec.default === undefined ? '' : ` [default: ${defaultText(spec.type, spec.default)}]`;
  return `${spec.help}${choices}${fallback}${spec.isRequired === true ? ' [required]' : ''}`;
}

function choicesText(choices: readonly string[] | undefined): string {
  return choices === undefined ? '' : ` (${choices.join(' | ')})`;
}

/** Durations and sizes as one writes them. */
function defaultText(type: OptionSpec['type'], value: string | number): string {
  if (typeof value === 'string') return value;
  return type === 'duration' ? formatDuration(value) : type === 'size' ? formatSize(value) : String(value);
}

const lineCharsMax = 100;

function wrapped(paragraph: string): string[] {
  const lines: string[] = [];
  for (const word of paragraph.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > lineCharsMax) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function section(title: string, rows: readonly (readonly [string, string])[]): string[] {
  return rows.length === 0 ? [] : ['', title, ...table(rows)];
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
