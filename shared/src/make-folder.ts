/** `mkdir -p`. Node's own never returns where a parent can never be: below a link to a place that is gone, in /proc. */
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { FoglineError, messageOf } from './errors.ts';

/** Makes the folder and its parents where they are missing; `mode` is that of what is made. Throws `storage_open`. */
export function makeFolder(folder: string, mode?: number): void {
  try {
    make(folder, mode);
  } catch (error) {
    throw new FoglineError('storage_open', `cannot make ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

function make(folder: string, mode: number | undefined): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new Error(`${folder} is a link to a place that is not there; is that disk mounted?`);
  }
  const parent = dirname(folder);
  if (parent !== folder) make(parent, mode);
  try {
    mkdirSync(folder, mode === undefined ? {} : { mode });
  } catch (error) {
    // Somebody else was faster.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
