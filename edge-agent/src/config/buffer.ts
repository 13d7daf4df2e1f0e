/** The buffer: where it lies, how large it may grow, what goes first. */
import type { ConfigContext } from '@fogline/shared/config';
import type { BufferConfig } from '../core-config.ts';
import type { AgentDocument } from './schema.ts';

/** What an agent goes on with, whoever else fills the disk. */
const sizeBytesMin = 8 * 1024 * 1024;

export function resolveBuffer(
  raw: AgentDocument['buffer'],
  context: ConfigContext,
): BufferConfig & { readonly path: string } {
  const byPriority = ['low', 'normal', 'high', 'alarm'] as const;
  for (const [index, priority] of byPriority.entries()) {
    const lossy = byPriority.slice(index + 1).find((higher) => raw.when_full[higher] !== 'keep');
    if (raw.when_full[priority] === 'keep' && lossy !== undefined) {
      context.warn(['buffer', 'when_full', priority], `is kept while the more important "${lossy}" is dropped`);
    }
  }
  return {
    path: context.path(raw.path),
    commit: raw.commit,
    flashBytesPerDay: raw.flash_per_day,
    sizeBytesMax: raw.limit.size,
    ageMsMax: raw.limit.age,
    ...(raw.limit.keep_free === undefined ? {} : { keepFree: { bytes: raw.limit.keep_free, sizeBytesMin } }),
    whenFull: raw.when_full,
  };
}
