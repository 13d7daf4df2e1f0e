/**
 * The compile cache, so that what is loaded from now on needs neither the type stripper nor the parser the next time: in the process
 * that this one becomes (cli-launch.ts), and at every later start. Imports nothing of ours: what is loaded before would not be in it.
 */
import { constants, enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

export function cacheCompiled(): void {
  const { env } = process;
  const folder = env['NODE_COMPILE_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fogline');
  const { ENABLED, ALREADY_ENABLED } = constants.compileCacheStatus;
  const { status } = enableCompileCache(folder);
  if (status === ENABLED || status === ALREADY_ENABLED) env['NODE_COMPILE_CACHE'] = folder;
}
