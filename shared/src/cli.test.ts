import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type CliIo, defineCommand, type Program, runCli } from './cli.ts';

const seen: unknown[] = [];
const program: Program = {
  name: 'prog',
  version: '9.9.9',
  summary: 'a program',
  commands: [
    defineCommand({
      name: 'run',
      summary: 'runs it',
      options: {
        config: { type: 'text', help: 'configuration file', placeholder: 'FILE', isRequired: true },
        port: { type: 'port', help: 'port', default: 8080 },
        every: { type: 'duration', help: 'interval' },
        timeout: { type: 'duration', help: 'limit', default: 90_000 },
        room: { type: 'size', help: 'space' },
        count: { type: 'integer', help: 'how many' },
        quiet: { type: 'flag', help: 'say less' },
        mode: { type: 'text', help: 'profile', choices: ['flash', 'prompt'], default: 'flash' },
      },
      run: ({ options }) => void seen.push(options),
    }),
    defineCommand({
      name: 'agent add',
      summary: 'adds an agent',
      positionals: [{ name: 'ID', help: 'agent id' }],
      run: ({ positionals }) => void seen.push(positionals),
    }),
    defineCommand({ name: 'agent list', summary: 'lists agents', run: () => 1 }),
    defineCommand({
      name: 'verify',
      summary: 'verifies files',
      positionals: [{ name: 'FILE', help: 'file', isOptional: true, isRepeated: true }],
      run: ({ positionals }) => void seen.push(positionals),
    }),
  ],
};

async function run(...argv: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const io: CliIo = { env: {}, out: (line) => out.push(line), err: (line) => err.push(line) };
  seen.length = 0;
  const code = await runCli(program, argv, io);
  return { code, out: out.join('\n'), err: err.join('\n'), seen: seen[0] };
}

describe('a command line', () => {
  it('yields typed values and defaults', async () => {
    const { code, seen: options } = await run(
      'run',
      '--config',
      'a.yaml',
      '--every=1.5s',
      '--room',
      '64KiB',
      '--quiet',
      '--count',
      '3',
    );
    expect(code).toBe(0);
    expect(options).toEqual({
      config: 'a.yaml',
      port: 8080,
      every: 1500,
      room: 65_536,
      count: 3,
      timeout: 90_000,
      quiet: true,
      mode: 'flash',
    });
  });

  it('knows commands of two words, their arguments, and any number of files', async () => {
    expect((await run('agent', 'add', 'cellar-pi')).seen).toEqual(['cellar-pi']);
    expect((await run('verify')).seen).toEqual([]);
    expect((await run('verify', 'a', 'b', '--', '--c')).seen).toEqual(['a', 'b', '--c']);
    expect((await run('agent', 'list')).code).toBe(1);
  });

  it('that is wrong ends with 2 and the likely fix', async () => {
    const table: [argv: string[], message: string][] = [
      [[], 'prog: no command given'],
      [['rnu'], 'prog: unknown command "rnu" (did you mean "run"?)'],
      [['--port', '1'], 'prog: give a command before "--port"'],
      [['agent'], 'prog: "agent" needs one of: add, list'],
      [['agent', 'ad'], 'prog: "agent" needs one of: add, list (did you mean "add"?)'],
      [['run'], 'prog: --config is required'],
      [['run', '--confg', 'a'], 'prog: unknown option --confg (did you mean "config"?)'],
      [['run', '--constructor'], 'prog: unknown option --constructor'],
      [['run', '--config'], 'prog: --config needs a value'],
      [['run', '--config', '--quiet'], 'prog: --config needs a value'],
      [['run', '--config', 'a', '--config', 'b'], 'prog: --config is given twice'],
      [['run', '--config', 'a', '--quiet=1'], 'prog: --quiet takes no value'],
      [['run', '--config', 'a', '--port', '70000'], 'prog: --port: "70000" is not a whole number from 0 to 65535'],
      [['run', '--config', 'a', '--count', '1e3'], 'prog: --count: "1e3" is not a whole number'],
      [['run', '--config', 'a', '--every', '5min'], 'prog: --every: "5min" has no known unit: write "5m"'],
      [
        ['run', '--config', 'a', '--mode', 'flsh'],
        'prog: --mode: "flsh" is not one of flash, prompt (did you mean "flash"?)',
      ],
      [['run', '--config', 'a', 'b'], 'prog: unexpected argument "b"'],
      [['agent', 'add'], 'prog: ID is missing'],
    ];
    for (const [argv, message] of table) {
      const { code, err, seen: ran } = await run(...argv);
      expect(err.split('\n')[0], argv.join(' ')).toBe(message);
      expect(err.split('\n')[1]).toMatch(/^run "prog .*--help" for help$/);
      expect(code).toBe(2);
      expect(ran).toBeUndefined();
    }
  });

  it('can ask for help and version everywhere', async () => {
    expect((await run('--version')).out).toBe('prog 9.9.9');
    for (const argv of [['--help'], ['help'], ['-h'], ['nonsense', '--help']]) {
      const { code, out } = await run(...argv);
      expect(code).toBe(0);
      for (const command of program.commands) expect(out).toContain(command.summary);
    }
    const { out } = await run('run', '--help');
    expect(out).toContain('Usage: prog run [OPTIONS]');
    expect(out).toMatch(/--config FILE +configuration file \[required\]/);
    expect(out).toMatch(/--mode TEXT +profile \(flash \| prompt\) \[default: flash\]/);
    expect(out).toMatch(/--timeout DURATION +limit \[default: 1m 30s\]/);
    expect((await run('verify', '--help')).out).toContain('Usage: prog verify [FILE…]');
  });
});

function spawnFixture(...argv: string[]) {
  const file = fileURLToPath(new URL('testing/cli-fixture.ts', import.meta.url));
  const child = spawn(process.execPath, [file, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => ({ code, signal, out, err }));
  return { child, ended };
}

describe('a real process', () => {
  it('exits 78 for configuration with every problem on its own line, and 1 for other operating errors, without a stack', async () => {
    const config = await spawnFixture('fail', '--code', 'config_invalid').ended;
    expect(config).toMatchObject({ code: 78, err: 'fixture:\na.yaml:1:1: wrong\na.yaml:2:1: bad\n' });
    expect(await spawnFixture('fail', '--code', 'storage_io').ended).toMatchObject({ code: 1, err: 'fixture: disk\n' });
  });

  it('exits 1 with a stack for a bug, 2 for usage, 0 for help', async () => {
    const bug = await spawnFixture('bug').ended;
    expect(bug).toMatchObject({ code: 1, out: '' });
    expect(bug.err).toMatch(/^fixture: this is a bug: TypeError: x is not a function\n +at /);
    expect(await spawnFixture('fial').ended).toMatchObject({ code: 2 });
    expect(await spawnFixture('fail', '--help').ended).toMatchObject({ code: 0, err: '' });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'stops in order on %s, even when it arrives twice at once',
    async (signal) => {
      const { child, ended } = spawnFixture('serve');
      await once(child.stdout, 'data');
      child.kill(signal);
      child.kill(signal);
      expect(await ended).toEqual({ code: 0, signal: null, out: 'ready\nstopped\n', err: '' });
    },
  );

  it('prints all of it before it ends, more than a pipe holds too', async () => {
    const { code, out } = await spawnFixture('flood').ended;
    expect(code).toBe(0);
    expect(out.split('\n').slice(-2)).toEqual(['line 49999 of many', '']);
  });

  it('ends quietly when its reader went away', async () => {
    const { child, ended } = spawnFixture('serve');
    await once(child.stdout, 'data');
    child.stdout.destroy();
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 0, err: '' });
  });
});
