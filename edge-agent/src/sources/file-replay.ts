/** Reads a file once: CSV, line protocol, or JSON with a message a line; as fast as possible, or at the pace of its times. */
import { FileChunks } from './file-chunks.ts';
import { type FileDoor, headerOf } from './file-door.ts';
import { Pace } from './file-pace.ts';
import type { FileOptions } from './file-source.ts';

/** Resolves when all of it is durable or the door is closed; rejects when it cannot be read. */
export async function replayFile(door: FileDoor, options: FileOptions): Promise<void> {
  const { path, source, log } = options;
  const file = await FileChunks.open(path);
  try {
    await readAll(door, file, options);
    if (!(await door.durable())) return;
    door.counts.done++;
    log.info({ path, ...door.sourceCounters(source.name) }, 'the file is read to its end');
  } finally {
    await file.close();
  }
}

async function readAll(door: FileDoor, file: FileChunks, options: FileOptions): Promise<void> {
  const { path, source, progress, log } = options;
  // With other first lines it is another file, and read from its beginning.
  const name = `file.${source.name}.${file.identity}`;
  const header = headerOf(source, file.firstLine);
  let position = progress[name] ?? 0;
  const size = await file.size();
  if (position > size) throw new Error(`${size} bytes, of which ${position} were read already: it was cut short`);
  if (position > 0) log.info({ path, position, size }, 'the file goes on where it was left');
  const pace = options.speed === undefined ? undefined : new Pace(source, header, options.speed, options.clock);
  for (;;) {
    await door.room();
    if (door.isClosed) return;
    const from = Math.max(position, header?.length ?? 0);
    const chunk = await file.next(from);
    if (chunk === undefined) return;
    for await (const part of pace?.parts(chunk, from, door) ?? [chunk]) {
      if (door.isClosed) return;
      const bytes = part.end - position;
      door.take(part, header, bytes, [{ name, bytes }]);
      position = part.end;
    }
  }
}
