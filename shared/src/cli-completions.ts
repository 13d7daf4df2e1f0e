/** Completion scripts for shells, from the definitions that also parse and help: commands, options, choices and files. */
import { type DescribedCommand, type DescribedProgram, optionName, type PositionalSpec } from './cli-help.ts';
import type { OptionSpec } from './cli-options.ts';

export const completionShells = ['bash', 'zsh', 'fish'] as const;
export type CompletionShell = (typeof completionShells)[number];

export function completionScript(program: DescribedProgram, shell: CompletionShell): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](program);
}

/** What may stand for a value: these words, a file, or nothing that can be guessed. */
type Guess = readonly string[] | 'file' | 'none';

function guessOf(placeholder: string, choices: readonly string[] | undefined): Guess {
  return choices ?? (/FILE|DIR/.test(placeholder) ? 'file' : 'none');
}

function valueOf(spec: OptionSpec): Guess | undefined {
  return spec.type === 'flag' ? undefined : guessOf(spec.placeholder ?? '', spec.choices);
}

function argumentOf({ positionals: [first] }: DescribedCommand): Guess {
  return first === undefined ? 'none' : positionalGuess(first);
}

function positionalGuess({ name, choices }: PositionalSpec): Guess {
  return guessOf(name, choices);
}

/** After the words typed so far, which words may come: the commands as a tree, `''` being its root. */
function branches(program: DescribedProgram): Map<string, Map<string, string>> {
  const tree = new Map<string, Map<string, string>>();
  for (const { name, summary } of program.commands) {
    const words = name.split(' ');
    for (const [index, word] of words.entries()) {
      const stem = words.slice(0, index).join(' ');
      const next = tree.get(stem) ?? new Map<string, string>();
      const group = program.commands.filter((command) => command.name.startsWith(`${stem}${stem && ' '}${word} `));
      const told = group.map((command) => command.name.split(' ')[index + 1]).join(', ');
      next.set(word, index === words.length - 1 ? summary : told);
      tree.set(stem, next);
    }
  }
  return tree;
}

/** `agent add` is looked at before `agent`. */
function longestFirst(commands: readonly DescribedCommand[]): DescribedCommand[] {
  return commands.toSorted((a, b) => b.name.length - a.name.length);
}

function functionName(program: DescribedProgram): string {
  return `_${program.name.replaceAll(/\W/g, '_')}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function bashScript(program: DescribedProgram): string {
  const name = functionName(program);
  const offer = (guess: Guess) =>
    guess === 'none' ? ':' : guess === 'file' ? `${name}_offer -f` : `${name}_offer -W ${quoted(guess.join(' '))}`;
  const command = (described: DescribedCommand): string[] => {
    const options = Object.entries(described.options);
    const values = options.flatMap(([option, spec]) => {
      const guess = valueOf(spec);
      return guess === undefined ? [] : [`        --${option}) ${offer(guess)} ;;`];
    });
    const names = [...options.map(([option]) => `--${option}`), '--help'];
    return [
      `    ${quoted(`${described.name} `)}*)`,
      '      case $before in',
      ...values,
      `        *) if [[ $word == -* ]]; then ${offer(names)}; else ${offer(argumentOf(described))}; fi ;;`,
      '      esac ;;',
    ];
  };
  const stems = [...branches(program)].map(([stem, next]) => {
    const words = [...next.keys(), ...(stem === '' ? ['--help', '--version'] : [])];
    return `    ${quoted(stem === '' ? '' : `${stem} `)}) ${offer(words)} ;;`;
  });
  return [
    `# bash completion of ${program.name}: source this, or save it as ~/.local/share/bash-completion/completions/${program.name}`,
    `${name}_offer() {`,
    '  local line',
    '  if [[ $1 == -f ]]; then compopt -o filenames 2>/dev/null || :; fi',
    '  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@" -- "$word")',
    '}',
    `${name}() {`,
    '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} typed= index',
    '  # --option=value comes as three words.',
    '  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi',
    '  for ((index = 1; index < COMP_CWORD; index++)); do',
    '    if [[ ${COMP_WORDS[index]} == -* ]]; then break; fi',
    '    typed+="${COMP_WORDS[index]} "',
    '  done',
    '  COMPREPLY=()',
    '  case $typed in',
    ...longestFirst(program.commands).flatMap(command),
    ...stems,
    '  esac',
    '}',
    `complete -F ${name} ${program.name}`,
  ].join('\n');
}

function zshScript(program: DescribedProgram): string {
  const name = functionName(program);
  const told = (text: string) => text.replaceAll(/[[\]:\\]/g, '\\$&');
  const action = (guess: Guess) => (guess === 'none' ? ' ' : guess === 'file' ? '_files' : `(${guess.join(' ')})`);
  const command = (described: DescribedCommand): string[] => {
    const options = Object.entries(described.options).map(([option, spec]) => {
      const guess = valueOf(spec);
      const value =
        guess === undefined ? '' : `:${told(optionName(option, spec).split(' ')[1] ?? '')}:${action(guess)}`;
      return quoted(`--${option}${guess === undefined ? '' : '='}[${told(spec.help)}]${value}`);
    });
    const positionals = described.positionals.map((positional, index) => {
      const place = positional.isRepeated === true ? '*' : String(index + 1);
      return quoted(`${place}:${told(positional.name)}:${action(positionalGuess(positional))}`);
    });
    const words = described.name.split(' ').length;
    return [
      `    ${quoted(`${described.name} `)}*)`,
      `      words=("\${(@)words[${words + 1},-1]}"); (( CURRENT -= ${words} ))`,
      `      _arguments ${[...options, quoted('--help[show help]'), ...positionals].join(' ')} ;;`,
    ];
  };
  const stems = [...branches(program)].map(([stem, next]) => {
    const words = [...next].map(([word, summary]) => quoted(`${told(word)}:${summary}`));
    return `    ${quoted(stem === '' ? '' : `${stem} `)}) offered=(${words.join(' ')}); _describe command offered ;;`;
  });
  return [
    `#compdef ${program.name}`,
    `# zsh completion of ${program.name}: save this as _${program.name} in a folder of $fpath`,
    `${name}() {`,
    '  local typed= index',
    '  local -a offered',
    '  for ((index = 2; index < CURRENT; index++)); do',
    '    [[ $words[index] == -* ]] && break',
    '    typed+="$words[index] "',
    '  done',
    '  case $typed in',
    ...longestFirst(program.commands).flatMap(command),
    ...stems,
    '  esac',
    '}',
    `if [[ $funcstack[1] == _${program.name} ]]; then ${name} "$@"; else compdef ${name} ${program.name}; fi`,
  ].join('\n');
}

function fishScript(program: DescribedProgram): string {
  const name = functionName(program);
  const text = (words: string) => `'${words.replaceAll(/['\\]/g, '\\$&')}'`;
  const when = (condition: string, words: string) => `-n "${name}_typed ${condition} '${words}'"`;
  const begin = `complete -c ${program.name}`;
  const offer = (guess: Guess) =>
    guess === 'none' ? ' -x' : guess === 'file' ? ' -r -F' : ` -x -a ${text(guess.join(' '))}`;
  const command = (described: DescribedCommand): string[] => {
    const here = when('begins', described.name);
    const argument = argumentOf(described);
    return [
      ...Object.entries(described.options).map(([option, spec]) => {
        const guess = valueOf(spec);
        return `${begin} ${here} -l ${option}${guess === undefined ? '' : offer(guess)} -d ${text(spec.help)}`;
      }),
      ...(argument === 'none'
        ? []
        : [`${begin} ${here}${argument === 'file' ? ' -F' : ` -a ${text(argument.join(' '))}`}`]),
    ];
  };
  return [
    `# fish completion of ${program.name}: save this as ~/.config/fish/completions/${program.name}.fish`,
    `function ${name}_typed`,
    '  set -l words',
    '  for word in (commandline -opc)[2..-1]',
    "    string match -q -- '-*' $word; and break",
    '    set -a words $word',
    '  end',
    '  set -l typed (string join " " -- $words)',
    '  test "$argv[1]" = begins; and set typed (string sub -l (string length -- "$argv[2] ") -- "$typed ")',
    '  test "$argv[1]" = begins; and test "$typed" = "$argv[2] "; or test "$typed" = "$argv[2]"',
    'end',
    `${begin} -f`,
    `${begin} -l help -d 'show help'`,
    `${begin} ${when('is', '')} -l version -d 'show the version'`,
    ...[...branches(program)].flatMap(([stem, next]) =>
      [...next].map(([word, summary]) => `${begin} ${when('is', stem)} -a ${text(word)} -d ${text(summary)}`),
    ),
    ...program.commands.flatMap(command),
  ].join('\n');
}
