/**
 * Lets a fleet go on where it stopped: a small file says for each device up to which source time everything was settled. It is replaced
 * in one step (write aside, rename), once a second and at the end. After a kill the readings of the last second are sent again,
 * byte for byte the same.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import type { Source } from './source.ts';

const saveEveryMs = 1_000;

interface Saved {
  readonly version: 1;
  readonly doneToMs: Readonly<Record<string, number>>;
}

/** Empty when there is no file yet. Throws `storage_corrupt` when there is one that this did not write. */
export function readResume(path: string): Map<string, number> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new FoglineError('storage_io', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    const saved = JSON.parse(text) as Saved;
    if (saved.version !== 1) throw new Error(`unknown version ${String(saved.version)}`);
    return new Map(Object.entries(saved.doneToMs));
  } catch (error) {
    throw new FoglineError('storage_corrupt', `${path} is not a state file of fogline-sim: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export interface Resume {
  /** The source, watched. */
  readonly source: Source;
  close(): void;
}

/** `before` is what an earlier run left: it stays true for devices that send nothing now. */
export function watchResume(source: Source, path: string, before: ReadonlyMap<string, number>, clock: Clock): Resume {
  const doneToMs = new Float64Array(source.devices).fill(-Infinity);
  let timer: Timer | undefined;
  const save = (): void => {
    const done = new Map(before);
    for (let device = 0; device < source.devices; device++) {
      const toMs = doneToMs[device] as number;
      if (toMs !== -Infinity) done.set(source.nameOf(device), toMs);
    }
    const saved: Saved = { version: 1, doneToMs: Object.fromEntries(done) };
    writeFileSync(`${path}.new`, JSON.stringify(saved));
    renameSync(`${path}.new`, path);
  };
  const saveLater = (): void => {
    timer = clock.after('fleet state', saveEveryMs, () => {
      save();
      saveLater();
    });
  };
  saveLater();
  return {
    source: {
      ...source,
      settled(device, position) {
        source.settled?.(device, position);
        doneToMs[device] = position;
      },
    },
    close() {
      timer?.cancel();
      save();
    },
  };
}
