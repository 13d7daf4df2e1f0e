/**
 * Where the stores of this benchmark are kept: building them takes minutes of CPU, so a folder is used again when its marker says that it holds
 * what is wanted, and measured on a copy, so that it stays as it was built.
 */
import {
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { parseOptions } from '@fogline/shared/cli-options';
import { Content } from './content.ts';

/** Of every benchmark that asks these stores. */
export const storeOptions = {
  data: { type: 'text', placeholder: 'DIR', help: 'where the stores are kept; default a folder of the temporary one' },
  series: { type: 'integer', default: 1_000, help: 'with readings all along' },
  days: { type: 'integer', default: 30, help: 'of them' },
  'all-series': { type: 'integer', default: 10_000, help: 'with those that have a latest value and little else' },
} as const;

type StoreValues = ReturnType<typeof parseOptions<typeof storeOptions>>['values'];

/** Where they are kept, and what they hold. */
export function storeOf({ data, series, days, 'all-series': allSeries }: StoreValues) {
  return { data: data ?? join(tmpdir(), 'fogline-bench-query'), content: new Content({ series, days, allSeries }) };
}

/** Of what content.ts and the builders make; another number builds anew. */
const contentVersion = 1;
/** A reading takes 2 to 5 bytes in each store; the copies as much again. */
const bytesPerReading = 16;

/** Builds `name` in the folder unless it is there, with this content and in this format. */
export async function kept(
  folder: string,
  name: string,
  { size, readings }: Content,
  format: number,
  build: (folder: string) => Promise<void> | void,
): Promise<string> {
  const own = join(folder, name);
  const marker = join(folder, `${name}.json`);
  const wanted = JSON.stringify({ ...size, contentVersion, format });
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return own;
  mkdirSync(folder, { recursive: true });
  rmSync(marker, { force: true });
  rmSync(own, { recursive: true, force: true });
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < readings * bytesPerReading) throw new Error(`${folder} has no room for ${readings} readings`);
  console.error(`building ${own}: ${readings} readings, once`);
  await build(own);
  writeFileSync(marker, wanted);
  return own;
}

/** Shares its blocks with the original where the file system can. */
export function copyFolder(from: string, to: string): string {
  cpSync(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
  return to;
}

export function bytesOfFolder(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
