/** A file as a source: read once, at its own pace or as fast as possible, or followed while it grows. */
import type { Logger } from '@fogline/shared/log';
import type { DoorPorts } from './door.ts';
import { FileDoor } from './file-door.ts';
import { followFile } from './file-follow.ts';
import { replayFile } from './file-replay.ts';
import type { SourceOptions } from './source-batcher.ts';

export interface FileOptions extends DoorPorts {
  readonly path: string;
  readonly source: SourceOptions;
  /** How many times as fast as it was recorded; absent: as fast as possible. */
  readonly speed?: number;
  /** It grows, and may be rotated or cut. */
  readonly isFollowed?: boolean;
  /** How much was read by counter, as of the last commit. */
  readonly progress: Readonly<Record<string, number>>;
  readonly log: Logger;
}

/** Throws FoglineError config_invalid. */
export function openFile(options: FileOptions): FileDoor {
  const door = new FileDoor(options);
  door.start(() => (options.isFollowed === true ? followFile(door, options) : replayFile(door, options)));
  return door;
}
