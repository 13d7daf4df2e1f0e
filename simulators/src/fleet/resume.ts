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
  const doneToMs = new Map(before);
  const devices = new Map<string, { readonly unsettledMs: number[]; settledToMs: number }>();
  let timer: Timer | undefined;
  const save = (): void => {
    const saved: Saved = { version: 1, doneToMs: Object.fromEntries(doneToMs) };
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
      lanes: source.lanes,
      dueMs: (lane) => source.dueMs(lane),
      take(lane) {
        const message = source.take(lane);
        if (message === undefined) return undefined;
        const device = devices.get(message.device);
        if (device === undefined)
          devices.set(message.device, { unsettledMs: [message.timeMs], settledToMs: -Infinity });
        else device.unsettledMs.push(message.timeMs);
        return message;
      },
      settled(message) {
        source.settled?.(message);
        const device = devices.get(message.device);
        const at = device?.unsettledMs.indexOf(message.timeMs) ?? -1;
        if (device === undefined || at < 0) return;
        device.unsettledMs.splice(at, 1);
        device.settledToMs = Math.max(device.settledToMs, message.timeMs);
        // Acks may overtake each other: done is what lies before the oldest that is missing.
        doneToMs.set(message.device, Math.min(device.settledToMs, (device.unsettledMs[0] ?? Infinity) - 1));
      },
    },
    close() {
      timer?.cancel();
      save();
    },
  };
}
