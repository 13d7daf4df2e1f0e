import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockDataFolder, openDataFolder, openExisting } from './data-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-agent-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('is made when it is missing, and is of one agent at a time', () => {
  const data = join(folder, 'a/b');
  const lock = lockDataFolder(data);
  openDataFolder(data).close();
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
