import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlarmDesk } from './alarms/alarm-desk.ts';
import { program } from './cli-commands.ts';
import { openDataFolder } from './data-folder.ts';
import { HubCore } from './ingest/hub-core.ts';
import { definition, FixtureAgent } from './testing/store-fixture.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-alarms-'));
  const db = openDataFolder(folder);
  const core: HubCore = new HubCore(db, {
    clock: systemClock,
    send: () => {},
    onAlarms: (batch) => desk.applied(batch, systemClock.now()),
  });
  const desk = new AlarmDesk(db, { subjects: core.read, tell: () => {} });
  const agent = new FixtureAgent(
    core,
    'gw',
    [definition({ stream: 'alarms', metric: 'overheat', type: 'text' })],
    'a'.repeat(16),
  );
  const timeMs = systemClock.now() - 60_000;
  agent.send([{ series: 0, timeMs, value: 'active' }], [], 0);
  db.close();
});

afterEach(() => rmSync(folder, { recursive: true }));

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' };
  const io = {
    env: {},
    out: (line: string) => void (written.out += `${line}\n`),
    err: (line: string) => void (written.err += `${line}\n`),
  };
  return { code: await runCli(program, ['alarms', ...args, '--data', folder], io), ...written };
}

describe('fogline-hub alarms', () => {
  it('lists, acknowledges and shelves, and says afterwards who did', async () => {
    expect((await run('list')).out).toMatch(/^1\tactive\t\S+Z\t-\toverheat\tgw\td1\t\n$/);
    expect((await run('ack', '1', '--note', 'on my way')).out).toMatch(/acknowledged by shell:\S+\n$/);
    expect((await run('shelve', '1', '--for', '2h')).out).toContain('shelved until');
    expect((await run('list', '--state', 'active')).out).toMatch(
      /acknowledged by shell:\S+, shelved until \S+Z by shell:/,
    );
    expect((await run('unshelve', '1')).out).not.toContain('shelved until');
    const { out } = await run('history', '1', '--to', 'now+1m');
    expect(out.split('\n').map((line) => line.split('\t')[1])).toEqual([
      'unshelved',
      'shelved',
      'acknowledged',
      'active',
      undefined,
    ]);
    expect(out).toContain('on my way');
    const io = { env: {}, out: (line: string) => void audit.push(line), err: () => {} };
    const audit: string[] = [];
    await runCli(program, ['audit', '--data', folder], io);
    expect(audit.join('\n')).toMatch(/alarms unshelve\s+id=1[\s\S]*alarms shelve\s+id=1[\s\S]*alarms ack\s+id=1/);
  });

  it('says what is wrong and what to do', async () => {
    expect(await run('list', '--state', 'stale')).toMatchObject({ code: 0, err: 'there are no such alarms\n' });
    expect(await run('ack', 'overheat')).toMatchObject({ code: 2, err: expect.stringContaining('is no id') });
    expect(await run('ack', '7')).toMatchObject({ code: 1, err: expect.stringContaining('no alarm 7') });
    expect(await run('shelve', '1', '--for', '8d')).toMatchObject({
      code: 2,
      err: expect.stringContaining('at most 7d'),
    });
  });
});
