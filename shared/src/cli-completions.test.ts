import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CliIo, defineCommand, type Program, runCli } from './cli.ts';

const program: Program = {
  name: 'fog-test',
  version: '1.0.0',
  summary: 'completes',
  commands: [
    defineCommand({
      name: 'run',
      summary: "runs it: the program's [main] command",
      options: {
        config: { type: 'text', help: 'configuration file', placeholder: 'FILE' },
        mode: { type: 'text', help: 'profile', choices: ['flash', 'prompt'] },
        name: { type: 'text', help: 'a name' },
        quiet: { type: 'flag', help: 'say less' },
      },
      run: () => 0,
    }),
    defineCommand({
      name: 'agent add',
      summary: 'adds',
      positionals: [{ name: 'KIND', help: 'which', choices: ['small', 'smart', 'large'] }],
      run: () => 0,
    }),
    defineCommand({ name: 'agent list', summary: 'lists', run: () => 0 }),
    defineCommand({
      name: 'verify',
      summary: 'verifies',
      positionals: [{ name: 'FILE', help: 'file', isRepeated: true }],
      run: () => 0,
    }),
  ],
};

async function run(...argv: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const io: CliIo = { env: {}, out: (line) => out.push(line), err: (line) => err.push(line) };
  return { code: await runCli(program, argv, io), out: out.join('\n'), err: err.join('\n') };
}

const folder = mkdtempSync(join(tmpdir(), 'fogline-completions-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ['a.yaml', 'a b.yaml', '$(x).csv']) writeFileSync(join(folder, name), '');

async function script(shell: 'bash' | 'fish'): Promise<string> {
  const file = join(folder, `script.${shell}`);
  writeFileSync(file, `${(await run('completions', shell)).out}\n`);
  return file;
}

const cases: [typed: string[], offered: string[]][] = [
  [[''], ['--help', '--version', 'agent', 'completions', 'run', 'verify']],
  [['v'], ['verify']],
  [
    ['agent', ''],
    ['add', 'list'],
  ],
  [
    ['agent', 'add', 'sm'],
    ['small', 'smart'],
  ],
  [['run', '--m'], ['--mode']],
  [
    ['run', '--'],
    ['--config', '--help', '--mode', '--name', '--quiet'],
  ],
  [
    ['run', '--mode', ''],
    ['flash', 'prompt'],
  ],
  [['run', '--quiet', '--mode', '=', 'p'], ['prompt']],
  [
    ['run', '--mode', '='],
    ['flash', 'prompt'],
  ],
  [['run', '--name', ''], []],
  [['run', '--quiet', ''], []],
  [
    ['run', '--config', 'a'],
    ['a b.yaml', 'a.yaml'],
  ],
  [['verify', '$'], ['$(x).csv']],
  [
    ['completions', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [['nonsense', ''], []],
];

describe('bash, sourced, offers', () => {
  it.each(cases)('after %j: %j', async (typed, offered) => {
    const source = `source "$1"; shift; COMP_WORDS=(fog-test "$@"); COMP_CWORD=$#; _fog_test; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr, status } = spawnSync('bash', ['-euc', source, 'bash', await script('bash'), ...typed], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.split('\n').filter(Boolean).sort()).toEqual(offered);
  });

  it('for the name of the program', async () => {
    const { stdout } = spawnSync('bash', ['-c', 'source "$1"; complete -p', 'bash', await script('bash')], {
      encoding: 'utf8',
    });
    expect(stdout).toBe('complete -F _fog_test fog-test\n');
  });
});

const hasFish = spawnSync('fish', ['--version']).error === undefined;

describe.skipIf(!hasFish)('fish, sourced, offers', () => {
  // Fish reads `=` and `$` itself, and hides `--help` until asked.
  it.each(cases.filter(([typed, offered]) => !/[=$]/.test(typed.join(' ')) && !offered.includes('--help')))(
    'after %j: %j',
    async (typed, offered) => {
      const line = ['fog-test', ...typed].join(' ');
      const source = `source '${await script('fish')}'; complete -C '${line}'`;
      const { stdout } = spawnSync('fish', ['--no-config', '-c', source], { cwd: folder, encoding: 'utf8' });
      const words = stdout
        .split('\n')
        .filter(Boolean)
        .map((row) => row.split('\t')[0]?.replaceAll('\\', ''));
      expect(words.toSorted((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1))).toEqual(offered);
    },
  );
});

it('zsh gets every command, option and description, quoted', async () => {
  const { out } = await run('completions', 'zsh');
  expect(out).toMatch(/^#compdef fog-test\n/);
  expect(out).toContain("'--mode=[profile]:TEXT:(flash prompt)'");
  expect(out).toContain("'--config=[configuration file]:FILE:_files'");
  expect(out).toContain("'run:runs it: the program'\\''s [main] command'");
  expect(out).toContain("'1:KIND:(small smart large)'");
});

it('an unknown shell is named with the likely one', async () => {
  expect(await run('completions', 'fsh')).toMatchObject({
    code: 2,
    err: expect.stringContaining('SHELL: "fsh" is not one of bash, zsh, fish (did you mean "zsh"?)'),
  });
});
