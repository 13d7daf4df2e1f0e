/** Damages the files of a database whose process is down: a few flipped bits, or an end that is missing. */
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { SeededRandom } from '@fogline/shared/random';

/** `path` of the database. Returns what was done. */
export function damageDatabase(path: string, random: SeededRandom): string {
  const files = [path, `${path}-wal`].filter((file) => existsSync(file) && statSync(file).size > 0);
  const file = files[random.below(files.length)];
  if (file === undefined) return 'nothing to damage';
  const { size } = statSync(file);
  if (random.chance(0.25)) {
    const length = size - 1 - random.below(Math.min(size - 1, 256 * 1024));
    truncateSync(file, length);
    return `${basename(file)} cut from ${size} to ${length} bytes`;
  }
  const bytes = readFileSync(file);
  const places: string[] = [];
  for (let n = random.chance(0.7) ? 1 : 1 + random.below(8); n > 0; n--) {
    const [at, bit] = [random.below(bytes.length), random.below(8)];
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    places.push(`${at}.${bit}`);
  }
  writeFileSync(file, bytes);
  return `${basename(file)}: bits ${places.join(', ')} of ${size} bytes flipped`;
}
