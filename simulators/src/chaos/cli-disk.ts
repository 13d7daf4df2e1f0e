/** A folder that is a disk of its own and can be filled: a tmpfs, which only root may mount. And what else a machine must have. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const fakeTimeLibraries = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
];

const [mount, umount] = ['/bin/mount', '/bin/umount'] as const;

/** The library that sets another wall clock before a process, where it is installed. */
export function fakeTimeLibrary(): string | undefined {
  return fakeTimeLibraries.find((path) => existsSync(path));
}

/** Whether disks can be made here. */
export function canMount(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0 && existsSync(mount);
}

export interface SmallDisk {
  readonly folder: string;
  fill(): void;
  empty(): void;
  unmount(): void;
}

const chunk = Buffer.alloc(64 * 1024, 1);

/** Throws what `mount` says. */
export function mountDisk(folder: string, mebibytes: number): SmallDisk {
  mkdirSync(folder, { recursive: true });
  execFileSync(mount, ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, 'tmpfs', folder], { stdio: 'pipe' });
  const filler = join(folder, 'filler');
  return {
    folder,
    fill() {
      const file = openSync(filler, 'w');
      try {
        for (let size = chunk.length; size >= 512; size /= 2) while (writes(file, size));
      } finally {
        closeSync(file);
      }
    },
    empty: () => rmSync(filler, { force: true }),
    unmount: () => void execFileSync(umount, ['-l', folder], { stdio: 'pipe' }),
  };
}

/** False when the disk is full. */
function writes(file: number, bytes: number): boolean {
  try {
    return writeSync(file, chunk, 0, bytes) === bytes;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}
