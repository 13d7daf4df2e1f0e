/**
 * What the last commit was, beside the database: a database that knows less than this has lost commits, whatever took them. Written after
 * every COMMIT and before anything is released, in place, without fsync: it survives the process at once and a power cut as of the
 * last `sync`. It never names a commit that is not in the database. Two slots in turn, each with a checksum, so a torn or damaged one
 * leaves the one before. A second file has a line for every epoch.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { checkedBytes, withChecksum } from '@fogline/shared/checked-bytes';
import { hasCode } from '@fogline/shared/errors';
import type { EpochRow } from './stored.ts';

export interface HighWaterMark {
  readonly commit: number;
  /** With the last numbers as of this commit. */
  readonly epoch: EpochRow;
}

const slotBytes = 4096;
const slots = 2;

interface Slot extends HighWaterMark {
  readonly turn: number;
}

export class HighWater {
  readonly #slots: number;
  readonly #epochsPath: string;
  readonly #epochs: EpochRow[];
  #mark: HighWaterMark | undefined;
  #turn = 0;

  /** Makes the files where they are missing; what is damaged in them counts as missing. */
  constructor(path: string, epochsPath: string) {
    // Its room is taken at once: on a full disk it must still be written.
    if (!existsSync(path)) writeFileSync(path, Buffer.alloc(slots * slotBytes, 0xff));
    this.#slots = openSync(path, 'r+');
    this.#epochsPath = epochsPath;
    this.#epochs = readEpochs(epochsPath);
    for (let slot = 0; slot < slots; slot++) {
      const found = readSlot(this.#slots, slot);
      if (found === undefined || found.turn < this.#turn) continue;
      this.#turn = found.turn;
      this.#mark = found;
    }
  }

  get mark(): HighWaterMark | undefined {
    return this.#mark;
  }

  /** Every epoch that ever committed here, oldest first, as it was when it began. */
  get epochs(): readonly EpochRow[] {
    return this.#epochs;
  }

  note(commit: number, epoch: EpochRow): void {
    if (this.#mark?.epoch.id !== epoch.id) this.#noteEpoch(epoch);
    this.#mark = { commit, epoch };
    this.#turn++;
    const bytes = withChecksum(Buffer.from(JSON.stringify({ turn: this.#turn, commit, epoch })));
    const framed = Buffer.alloc(2 + bytes.byteLength);
    framed.writeUInt16LE(bytes.byteLength, 0);
    framed.set(bytes, 2);
    writeSync(this.#slots, framed, 0, framed.length, (this.#turn % slots) * slotBytes);
  }

  sync(): void {
    fdatasyncSync(this.#slots);
  }

  close(): void {
    closeSync(this.#slots);
  }

  #noteEpoch(epoch: EpochRow): void {
    if (this.#epochs.some(({ id }) => id === epoch.id)) return;
    this.#epochs.push(epoch);
    const bytes = withChecksum(Buffer.from(JSON.stringify(epoch)));
    // The leading newline closes a line that a crash tore off.
    appendFileSync(this.#epochsPath, `\n${Buffer.from(bytes).toString('base64')}\n`, { flush: true });
  }
}

function readSlot(file: number, slot: number): Slot | undefined {
  const bytes = Buffer.alloc(slotBytes);
  readSync(file, bytes, 0, slotBytes, slot * slotBytes);
  const found = parsed(bytes.subarray(2, 2 + bytes.readUInt16LE(0)));
  return isRecord(found) && isCount(found['turn']) && isCount(found['commit']) && isEpochRow(found['epoch'])
    ? (found as unknown as Slot)
    : undefined;
}

function readEpochs(path: string): EpochRow[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'latin1').split('\n');
  return lines.map((line) => parsed(Buffer.from(line, 'base64'))).filter(isEpochRow);
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(checkedBytes(bytes, 'high water')).toString());
  } catch (error) {
    if (hasCode(error, 'storage_corrupt') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isEpochRow(value: unknown): value is EpochRow {
  if (!isRecord(value)) return false;
  const { id, epoch, parent, parentLast, seriesBase, seriesCount, last } = value;
  return (
    isCount(id) &&
    id > 0 &&
    typeof epoch === 'string' &&
    /^[0-9a-f]{16}$/.test(epoch) &&
    (parent === null || typeof parent === 'string') &&
    [parentLast, last].every((numbers) => Array.isArray(numbers) && numbers.every(isCount)) &&
    isCount(seriesBase) &&
    isCount(seriesCount)
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
