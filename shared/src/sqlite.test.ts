import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockFolder } from './sqlite.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-sqlite-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the lock of a folder', () => {
  it('is taken by one at a time, and free again when it is released', () => {
    const lock = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(expect.objectContaining({ code: 'address_in_use' }));
    lock.release();
    lockFolder(folder).release();
  });

  it('that cannot be taken for another reason is an error of the storage, with the folder in its words', () => {
    const storage = expect.objectContaining({ code: 'storage_open', message: expect.stringContaining(folder) });
    mkdirSync(join(folder, 'lock'));
    expect(() => lockFolder(folder)).toThrow(storage);
    rmSync(join(folder, 'lock'), { recursive: true });
    writeFileSync(join(folder, 'lock'), 'this is no database, and it is long enough to be read as one'.repeat(20));
    expect(() => lockFolder(folder)).toThrow(storage);
  });
});
