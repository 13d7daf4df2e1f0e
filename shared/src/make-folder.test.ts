import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolder } from './make-folder.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fogline-folder-'));
});
afterEach(() => rmSync(root, { recursive: true }));

it('makes what is missing, with its mode, and leaves what is there', () => {
  makeFolder(join(root, 'a', 'b'), 0o700);
  makeFolder(join(root, 'a', 'b'), 0o755);
  expect(statSync(join(root, 'a', 'b')).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o700);
});

it('takes a link to a folder for the folder', () => {
  symlinkSync(root, join(root, 'link'));
  makeFolder(join(root, 'link', 'c'));
  expect(statSync(join(root, 'c')).isDirectory()).toBe(true);
});

it.each([
  ['the link itself', ''],
  ['below it', '/x/y'],
])('a link to a disk that is not mounted is told, and does not turn for ever: %s', (_, below) => {
  symlinkSync('/no/such/disk', join(root, 'disk'));
  expect(() => makeFolder(join(root, 'disk') + below)).toThrow(
    `${join(root, 'disk')} is a link to a place that is not there; is that disk mounted?`,
  );
});

it('a file in the way and a file system without folders are told', () => {
  writeFileSync(join(root, 'file'), '');
  expect(() => makeFolder(join(root, 'file'))).toThrow('EEXIST');
  expect(() => makeFolder(join(root, 'file', 'x'))).toThrow('ENOTDIR');
  expect(() => makeFolder('/proc/fogline/x')).toThrow('cannot make /proc/fogline/x: ENOENT');
});
