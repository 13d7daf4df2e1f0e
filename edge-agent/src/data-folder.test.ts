import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@fogline/shared/log';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockDataFolder, openExisting } from './data-folder.ts';
import { AgentStore } from './journal/agent-store.ts';
import { openJournal } from './journal/open-journal.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-agent-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('is made when it is missing, and is of one agent at a time', () => {
  const data = join(folder, 'a/b');
  const lock = lockDataFolder(data);
  expect(() => lockDataFolder(data)).toThrow(
    expect.objectContaining({ code: 'address_in_use', message: expect.stringContaining('buffer.path') }),
  );
  lock.release();
});

it('that cannot be made is an error of the storage, not a bug', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => lockDataFolder(join(folder, 'file/data'))).toThrow(expect.objectContaining({ code: 'storage_open' }));
});

it('without an agent in it is told to those who only look', () => {
  const data = join(folder, 'never');
  expect(() => openExisting(data)).toThrow(
    expect.objectContaining({ code: 'not_found', message: expect.stringContaining(data) }),
  );
  mkdirSync(data);
  expect(() => openExisting(data)).toThrow(expect.objectContaining({ code: 'not_found' }));
});

it('of another agent is refused, and not taken for damage', () => {
  const ports = { clock: new ManualClock(0), log: silentLogger };
  const mine = openJournal(folder, { ...ports, agent: 'mine' });
  new AgentStore(mine.db).setOwner('mine');
  mine.close();
  const files = readdirSync(folder).filter((name) => name.startsWith('agent.db'));
  expect(() => openJournal(folder, { ...ports, agent: 'other' })).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining('is of agent "mine"') }),
  );
  expect(readdirSync(folder).filter((name) => name.startsWith('agent.db'))).toEqual(files);
  openJournal(folder, { ...ports, agent: 'mine' }).close();
});
