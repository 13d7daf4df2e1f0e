import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDatabase } from './sqlite.ts';
import { rebuildWal, scanWal } from './wal-scan.ts';

const folder = mkdtempSync(join(tmpdir(), 'fogline-wal-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const frameBytes = 24 + 4096;
const options = { applicationId: 7, schemaVersion: 1, schema: 'CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)' };
const [source, copy] = [join(folder, 'source.db'), join(folder, 'copy.db')];
let wal: Buffer;

/** A log with 40 commits of one row each, as a crash leaves it. */
beforeAll(() => {
  const db = openDatabase(source, options);
  db.checkpointWal();
  const insert = db.prepare('INSERT INTO t (x) VALUES (?)');
  for (let n = 0; n < 40; n++) db.transaction(() => insert.run(Buffer.alloc(300, n)));
  copyFileSync(source, copy);
  wal = readFileSync(`${source}-wal`);
  db.close();
});

/** The log with some bytes changed. */
function changed(change: (bytes: Buffer) => void): string {
  const bytes = Buffer.from(wal);
  change(bytes);
  const path = join(folder, 'case-wal');
  writeFileSync(path, bytes);
  return path;
}

const flip = (bytes: Buffer, at: number): void => void (bytes[at] = (bytes[at] ?? 0) ^ 16);
const countOf = (walPath: string): number => {
  const path = join(folder, 'opened.db');
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  copyFileSync(copy, path);
  if (existsSync(walPath)) copyFileSync(walPath, `${path}-wal`);
  const db = openDatabase(path, options);
  const count = db.prepare<{ n: number }>('SELECT count(*) AS n FROM t').get()?.n ?? 0;
  db.close();
  return count;
};

it('finds a whole log sound, and as many frames as SQLite does', () => {
  const scan = scanWal(changed(() => undefined));
  expect(scan).toMatchObject({ state: 'sound', framesBehind: 0 });
  expect(scan.frames).toBeGreaterThan(40);
  expect(countOf(join(folder, 'case-wal'))).toBe(40);
});

it('calls an end that was torn off torn, wherever it is', () => {
  const whole = scanWal(changed(() => undefined)).frames;
  for (const [bytes, frames] of [
    [wal.length - 1, whole - 1],
    [wal.length - frameBytes - 30, whole - 2],
  ] as const) {
    const path = changed(() => undefined);
    truncateSync(path, bytes);
    expect(scanWal(path)).toMatchObject({
      state: frames * frameBytes + 32 === bytes ? 'torn' : expect.stringMatching(/torn|sound/),
      frames,
    });
  }
  const last = changed((bytes) => flip(bytes, bytes.length - 10));
  expect(scanWal(last)).toMatchObject({ state: 'torn', frames: whole - 1, framesBehind: 0 });
});

it.each([
  ['the page of a frame', 32 + 5 * frameBytes + 24 + 1000],
  ['the page number of a frame', 32 + 5 * frameBytes + 3],
  ['the salt of a frame', 32 + 5 * frameBytes + 9],
  ['the checksum of a frame', 32 + 5 * frameBytes + 17],
])('a flipped bit in %s is damage, because good frames follow, and they are not lost', (_what, at) => {
  const path = changed((bytes) => flip(bytes, at));
  expect(scanWal(path)).toMatchObject({ state: 'damaged', frames: 5 });
  expect(countOf(path)).toBeLessThan(10);
  const rebuilt = join(folder, 'rebuilt-wal');
  expect(rebuildWal(path, rebuilt)).toBeGreaterThan(38);
  expect(scanWal(rebuilt).state).toBe('sound');
  // Later versions of the page that was hit hold what it held.
  expect(countOf(rebuilt)).toBe(40);
});

it.each([0, 5, 9, 18, 26])('a flipped bit in byte %i of the header is damage', (at) => {
  const path = changed((bytes) => flip(bytes, at));
  expect(scanWal(path)).toMatchObject({ state: 'damaged', frames: 0 });
  expect(countOf(path)).toBe(0);
  const rebuilt = join(folder, 'rebuilt-wal');
  expect(rebuildWal(path, rebuilt)).toBeGreaterThan(38);
  expect(countOf(rebuilt)).toBe(40);
});

it('ignores what an earlier log left behind its end', () => {
  const path = changed((bytes) => {
    // As after a restart of the log: the same frames, another salt from the tenth on.
    for (let at = 32 + 10 * frameBytes; at < bytes.length; at += frameBytes) flip(bytes, at + 8);
  });
  expect(scanWal(path)).toEqual({ state: 'sound', frames: 10, framesBehind: 0 });
});

it('takes no log, an empty one and a stump for what they are', () => {
  expect(scanWal(join(folder, 'nothing-wal')).state).toBe('absent');
  const path = changed(() => undefined);
  truncateSync(path, 0);
  expect(scanWal(path).state).toBe('absent');
  const stump = changed(() => undefined);
  truncateSync(stump, 20);
  expect(scanWal(stump).state).toBe('torn');
});
