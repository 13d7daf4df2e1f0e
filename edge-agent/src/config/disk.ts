/** A buffer that could never be filled: its disk is smaller. */
import type { ConfigContext } from '@fogline/shared/config';
import { formatSize } from '@fogline/shared/units';
import type { AgentDocument } from './schema.ts';

export function warnOfSmallDisk({ path, limit }: AgentDocument['buffer'], context: ConfigContext): void {
  const disk = context.diskBytes(context.path(path));
  if (disk === undefined || limit.size <= disk) return;
  const about = formatSize(Math.floor(disk / 2 ** 20) * 2 ** 20);
  const why = `is more than the disk of ${path} holds, ${about}: the disk is full long before the buffer is`;
  context.warn(['buffer', 'limit', 'size'], why);
}
