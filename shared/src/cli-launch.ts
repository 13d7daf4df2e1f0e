/**
 * Starts a long-running program lean. What reads a command line and a configuration (a schema library, YAML, and the compiler with
 * which Node strips types) stays resident for as long as the process runs: on Node 24 an agent sat 40 MB higher for it. So the command
 * checks everything, hands what it found over, and replaces the process image (execve: same pid, same descriptors) by one that reads
 * the service from the compile cache and loads nothing else, with a heap kept small: a young generation of a few MiB, an old one that
 * grows in small steps because its limit is near, and one arena for what is outside of both; what NODE_OPTIONS say of these stands. It costs
 * one more start of Node.
 *
 * What is handed over, secrets included, is in the environment of the new image: readable by the same user alone, as the files that the secrets
 * came from. Where cache or execve is not to be had, or it is too much, the service runs in the image that is there.
 */
import { flushCompileCache, getCompileCacheDir } from 'node:module';
import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

const handover = 'FOGLINE_HANDOVER';
/** Linux takes 128 KiB a variable. */
const handoverCharactersMax = 120 * 1024;
/** MiB; the default of 16 lets the young generation alone take 48 MB. Measured under load, 4 costs 5 MB more than 2, and no less CPU. */
const youngGenerationMib = 2;

/**
 * Goes on as `service`, a module that calls `takeHandedOver` when it is the main one and that has been loaded here, so that it is in the
 * cache. `work` is data without functions. Returns only when that cannot be.
 */
export function handOver(service: URL, work: unknown, options: { readonly heapMib: number }): void {
  if (getCompileCacheDir() === undefined || process.execve === undefined) return;
  const text = deflateRawSync(serialize(work)).toString('base64');
  if (text.length > handoverCharactersMax) return;
  flushCompileCache();
  const node = process.execPath;
  const asked = (process.env['NODE_OPTIONS'] ?? '').replaceAll('_', '-');
  const lean = { '--max-semi-space-size': youngGenerationMib, '--max-old-space-size': options.heapMib };
  const flags = Object.entries(lean).flatMap(([name, mib]) => (asked.includes(name) ? [] : [`${name}=${mib}`]));
  // The arguments are for people who look at the list of processes.
  const args = [...flags, ...process.execArgv, fileURLToPath(service), ...process.argv.slice(2)];
  const env = { ...process.env, MALLOC_ARENA_MAX: '1', [handover]: text };
  process.execve(node, [node, ...args], env);
}

/** What was handed over to this image. */
export function takeHandedOver(): unknown {
  const text = process.env[handover];
  if (text === undefined) throw new Error(`${handover} is missing: this module is started by its command`);
  delete process.env[handover];
  return deserialize(inflateRawSync(Buffer.from(text, 'base64')));
}
