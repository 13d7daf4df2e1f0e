import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCli } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { program } from './cli-commands.ts';
import { openDataFolder } from './data-folder.ts';
import { HubCore } from './ingest/hub-core.ts';
import { definition, FixtureAgent } from './testing/store-fixture.ts';

const cli = fileURLToPath(new URL('./cli.ts', import.meta.url));
let parent = '';
let folder = '';
const running: ChildProcess[] = [];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'fogline-cli-'));
  // Not there yet: the commands make it.
  folder = join(parent, 'data');
});

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  rmSync(parent, { recursive: true });
});

function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], { cwd: parent, env: {} }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

/** The same commands without the cost of a process. */
async function runHere(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' };
  const io = {
    env: {},
    out: (line: string) => void (written.out += `${line}\n`),
    err: (line: string) => void (written.err += `${line}\n`),
  };
  return { code: await runCli(program, args, io), ...written };
}

/** Starts the hub; resolves with the line that says it is ready. */
async function start(
  ...args: string[]
): Promise<{ child: ChildProcess; http: string; ended: Promise<number | null>; err(): string }> {
  const child = spawn(
    process.execPath,
    [cli, 'run', '--data', folder, '--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', ...args],
    { env: {} },
  );
  running.push(child);
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  let err = '';
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  const http = await new Promise<string>((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
      const ready = /^ready http=(http:\/\/127\.0\.0\.1:\d+) mqtt=127\.0\.0\.1:\d+\n/.exec(out);
      if (ready?.[1] !== undefined) resolve(ready[1]);
    });
    void ended.then((code) => reject(new Error(`ended with ${code} before it was ready`)));
  });
  return { child, http, ended, err: () => err };
}

describe('fogline-hub run', () => {
  it('prints the admin token on the first start, and never again', async () => {
    const first = await start();
    expect(first.err()).toMatch(
      /^first start: this is the admin token of the API; it is not shown again: [\w-]{43}\n/m,
    );
    first.child.kill('SIGTERM');
    await first.ended;
    expect((await start()).err()).not.toContain('token');
  });

  it('says when it is ready, lets commands work beside it, and stops on a signal with code 0', async () => {
    const { child, http, ended } = await start();
    expect((await fetch(`${http}/healthz`)).status).toBe(200);
    const added = await run('agent', 'add', 'gw1', '--data', folder);
    expect(added).toEqual({
      code: 0,
      out: expect.stringMatching(/^[\w-]{43}\n$/),
      err: 'this is the token of agent "gw1"; it is not shown again\n',
    });
    expect(await (await fetch(`${http}/api/v1/agents`)).json()).toMatchObject({
      agents: [{ agent: 'gw1', hasCredential: true }],
    });
    const ordered = await run('quarantine', 'drop', '7', '--data', folder);
    expect(ordered).toMatchObject({ code: 2, err: expect.stringContaining('nothing is quarantined under 7') });
    const copy = join(parent, 'copy.db');
    expect((await run('backup', copy, '--data', folder)).code).toBe(0);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    const restored = join(parent, 'restored');
    expect((await run('agent', 'add', 'gw2', '--data', restored)).code).toBe(0);
    writeFileSync(join(restored, 'hub.db'), readFileSync(copy));
    expect((await run('agent', 'list', '--data', restored)).out).toBe('gw1\tenrolled\tnever seen\n');
  });

  it('a backup never overwrites', async () => {
    await runHere('agent', 'add', 'gw1', '--data', folder);
    const file = join(parent, 'precious');
    writeFileSync(file, 'precious');
    expect(await runHere('backup', file, '--data', folder)).toMatchObject({
      code: 2,
      err: expect.stringContaining(`${file} exists; a backup never overwrites`),
    });
    expect(readFileSync(file, 'utf8')).toBe('precious');
    expect(existsSync(`${file}.partial`)).toBe(false);
  });
});

describe('what is wrong', () => {
  it.each([
    [
      ['run', '--mqtt', '0.0.0.0:0', '--http', '127.0.0.1:0'],
      78,
      /mqtt\.listen is to listen on 0\.0\.0\.0, beyond this machine, but there is no credential yet: run "fogline-hub agent add/,
    ],
    [['run', '--config', 'missing.yaml'], 78, /missing\.yaml: cannot be read/],
    [['run', '--http', 'nonsense'], 2, /--http: "nonsense" is not an address/],
    [['run', '--htp', '1'], 2, /unknown option --htp \(did you mean "http"\?\)/],
    [['agent', 'list'], 1, /no hub data in .*data; give the folder with --data, or start the hub once/],
    [['agent', 'add', 'a/b'], 2, /agent id "a\/b": 1 to 64 of/],
    [['agent', 'add', 'gw1', '--rotate'], 1, /no agent "gw1"/],
    [
      ['token', 'add', 'me', '--scope', 'reed'],
      2,
      /--scope: "reed" is none of read, write, command, admin \(did you mean "read"\?\)/,
    ],
    [['token', 'add', 'me'], 2, /--scope is required/],
    [['quarantin'], 2, /unknown command "quarantin" \(did you mean "quarantine list"\?\)/],
  ])('%j ends with %i', async (args, code, message) => {
    const ended = await runHere(...args, ...(args.length === 1 ? [] : ['--data', folder]));
    expect(ended.err).toMatch(message);
    expect(ended.err).not.toContain('this is a bug');
    expect(ended.code).toBe(code);
  });
});

describe('what was deleted', () => {
  it('stays so when the database is restored from before, beside the copy of its tombstones', async () => {
    const db = openDataFolder(folder);
    const t0 = Date.UTC(2026, 0, 1);
    const core = new HubCore(db, { clock: systemClock, send: () => {} });
    const agent = new FixtureAgent(core, 'gw1', [definition()], '00000000000000a1');
    agent.send([0, 1, 2].map((i) => ({ series: 0, timeMs: t0 + i * 30_000, value: i })));
    core.fold();
    db.close();
    const backup = join(parent, 'before.db');
    await runHere('backup', backup, '--data', folder);
    expect((await runHere('series', 'list', '--data', folder)).out).toBe(
      '1\tgw1\traw\td1\ttemperature\tCel\treading\tall\n',
    );
    const range = ['--from', String(t0), '--to', String(t0 + 60_000)];
    const deleted = await runHere('series', 'delete', '1', ...range, '--data', folder);
    expect(deleted).toMatchObject({
      code: 0,
      out: expect.stringContaining('has nothing from 2026-01-01T00:00:00.000Z'),
    });
    expect((await runHere('series', 'deleted', '--data', folder)).out).toContain('2 readings\t0 since');
    rmSync(join(folder, 'hub.db'));
    copyFileSync(backup, join(folder, 'hub.db'));
    const { child, ended } = await start();
    child.kill('SIGTERM');
    await ended;
    expect((await runHere('series', 'deleted', '--data', folder)).out).toContain('2 readings\t0 since');
    expect(await runHere('series', 'rename', '1', '--data', folder)).toMatchObject({ code: 2 });
    const renamed = await runHere('series', 'rename', '1', '--metric', 'inlet', '--data', folder);
    expect(renamed.out).toContain('series 1 is inlet of d1 in raw now');
  });
});

describe('credentials', () => {
  it('are shown once, exchanged and taken away', async () => {
    const first = (await runHere('agent', 'add', 'gw1', '--data', folder)).out;
    expect(await runHere('agent', 'add', 'gw1', '--data', folder)).toMatchObject({
      code: 2,
      err: expect.stringContaining('agent "gw1" exists'),
    });
    const second = (await runHere('agent', 'add', 'gw1', '--rotate', '--data', folder)).out;
    expect(second).toMatch(/^[\w-]{43}\n$/);
    expect(second).not.toBe(first);
    await runHere('agent', 'revoke', 'gw1', '--data', folder);
    expect((await runHere('agent', 'list', '--data', folder)).out).toBe('gw1\trevoked\tnever seen\n');
    expect(
      (await runHere('token', 'add', 'me', '--scope', 'read,write', '--site', 'oslo', '--data', folder)).out,
    ).toMatch(/^[\w-]{43}\n$/);
    await runHere('token', 'revoke', 'me', '--data', folder);
    expect((await runHere('token', 'list', '--data', folder)).out).toMatch(
      /^me\tread,write\toslo\trevoked 20\S+\tmade 20/,
    );
    expect(await runHere('quarantine', 'list', '--data', folder)).toEqual({
      code: 0,
      out: '',
      err: 'nothing is quarantined\n',
    });
    await runHere('agent', 'site', 'gw1', 'oslo', '--data', folder);
    expect((await runHere('agent', 'list', '--data', folder)).out).toBe('gw1\trevoked\tnever seen\tsite oslo\n');
    const audited = (await runHere('audit', '--data', folder)).out.split('\n').map((line) => line.split('\t').slice(3));
    expect(audited).toEqual([
      ['agent site', 'agent=gw1 site=oslo', 'ok', '1x'],
      ['token revoke', 'name=me', 'ok', '1x'],
      ['token add', 'name=me scopes=read,write sites=oslo', 'ok', '1x'],
      ['agent revoke', 'agent=gw1', 'ok', '1x'],
      ['agent add --rotate', 'agent=gw1', 'ok', '1x'],
      ['agent add', 'agent=gw1', 'ok', '1x'],
      [],
    ]);
    expect(readFileSync(join(folder, 'hub.db')).includes(second.trim())).toBe(false);
    expect(statSync(folder).mode & 0o077).toBe(0);
  });

  it('that are changed by several commands at once all stay, and the copy knows each', async () => {
    await run('agent', 'add', 'first', '--data', folder);
    const names = ['gw1', 'gw2', 'gw3', 'gw4'];
    const answers = await Promise.all(names.map((name) => run('agent', 'add', name, '--data', folder)));
    expect(answers.filter(({ code }) => code !== 0)).toEqual([]);
    const copy = readFileSync(join(folder, 'hub.credentials'), 'latin1');
    for (const name of names) expect(copy).toContain(`"${name}"`);
  });

  it('help and version', async () => {
    expect((await runHere('--help')).out).toContain('agent add ID');
    expect((await runHere('--version')).out).toMatch(/^fogline-hub \d+\.\d+\.\d+\n$/);
  });
});
