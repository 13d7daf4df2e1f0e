/**
 * Starts a long-running program lean. Node strips types with a compiler that stays resident: measured on Node 24, an agent
 * that stripped its own sources sits 28 MB higher for as long as it runs than one that found them in the compile cache. So
 * `run` loads the program once to fill the cache, then replaces the process image (execve: same pid, same descriptors) by
 * one that reads it, with a small young generation, which keeps the resident set flat under load. It costs one more start
 * of Node. Where the cache or execve is not to be had, the program runs in this image; so it does on a Node that is too old, and
 * says so (cli.ts).
 */
import { constants, enableCompileCache, flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const marker = 'FOGLINE_LAUNCHED';
/** MiB; the default of 16 lets the young generation alone take 48 MB. */
const youngGeneration = '--max-semi-space-size=4';

/**
 * `entry` exports `run`, and calls it when it is the main module. This file imports nothing of ours: what is loaded before the
 * cache is enabled would not be in it.
 */
export async function launch(entry: URL): Promise<void> {
  const args = process.argv.slice(2);
  const isLean =
    args[0] === 'run' &&
    !args.includes('--help') &&
    process.env[marker] === undefined &&
    process.execve !== undefined &&
    import.meta.main !== undefined;
  const cache =
    process.env.NODE_COMPILE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'fogline');
  const isCached = isLean && isEnabled(enableCompileCache(cache).status);
  const { run } = (await import(entry.href)) as { run: () => Promise<never> };
  if (isCached) {
    flushCompileCache();
    const node = process.execPath;
    const env = { ...process.env, [marker]: '1', NODE_COMPILE_CACHE: cache };
    process.execve?.(node, [node, youngGeneration, ...process.execArgv, fileURLToPath(entry), ...args], env);
  }
  await run();
}

function isEnabled(status: number): boolean {
  const { ENABLED, ALREADY_ENABLED } = constants.compileCacheStatus;
  return status === ENABLED || status === ALREADY_ENABLED;
}
