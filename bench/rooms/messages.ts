/** Readings as senders send them: bytes of sockets and bodies of requests, made before any clock starts. */
import { DeviceClock } from '../load/device-clock.ts';
import { connectFrame, FrameRing } from '../load/frames.ts';
import { readValues, threeDataSets } from '../load/values.ts';

const devices = 50;
const linesPerRequest = 1_000;
/** As much as a socket gives at once under load. */
const framesPerChunk = 20;

export interface Messages {
  readonly kind: 'mqtt' | 'lines';
  /** What their reception is called. */
  readonly room: string;
  readonly readings: number;
  /** What one commit gathers: chunks, each of one sender. */
  commits(readings: number): Iterable<readonly Chunk[]>;
}

export interface Chunk {
  readonly sender: number;
  readonly bytes: Buffer;
}

export const names = Array.from({ length: devices }, (_, index) => `mote-${String(index).padStart(4, '0')}`);
export const hello = connectFrame('sender');
export const beginMs = Date.UTC(2026, 0, 1);

class Walk {
  readonly #clock: DeviceClock;
  readonly #column: Int32Array;
  #row: number;
  timeMs = 0;
  hundredths = 0;

  constructor(device: number, columns: readonly Int32Array[]) {
    this.#clock = new DeviceClock(device * 97);
    this.#column = columns[device % columns.length] ?? new Int32Array(1);
    this.#row = device * 97;
  }

  next(): void {
    this.timeMs = this.#clock.next(beginMs);
    this.#row++;
    this.hundredths = this.#column[this.#row % this.#column.length] as number;
  }
}

function walks(): Walk[] {
  const { columns } = readValues(threeDataSets);
  return names.map((_, device) => new Walk(device, columns));
}

/** Every device over a connection of its own. */
export function publishesOf(readings: number): Messages {
  const all = walks();
  const rings = names.map((name) => new FrameRing([name], framesPerChunk));
  let id = 0;
  const chunks = Array.from({ length: Math.floor(readings / framesPerChunk) }, (_, index): Chunk => {
    const sender = index % devices;
    const [walk, ring] = [all[sender] as Walk, rings[sender] as FrameRing];
    for (let slot = 0; slot < framesPerChunk; slot++) {
      walk.next();
      ring.patch(slot, (id++ % 65_535) + 1, walk.hundredths, walk.timeMs);
    }
    return { sender, bytes: Buffer.from(ring.span(0, framesPerChunk)) };
  });
  const room = 'frame gate, fast lane, JSON';
  const total = chunks.length * framesPerChunk;
  return { kind: 'mqtt', room, readings: total, commits: (count) => grouped(chunks, count / framesPerChunk) };
}

/** All devices in turn in every request. */
export function linesOf(readings: number): Messages {
  const all = walks();
  const chunks = Array.from({ length: Math.floor(readings / linesPerRequest) }, (): Chunk => {
    const lines = Array.from({ length: linesPerRequest }, (_, line) => {
      const walk = all[line % devices] as Walk;
      walk.next();
      const value = (walk.hundredths / 100).toFixed(2);
      return `climate,device=${names[line % devices]} temperature=${value} ${walk.timeMs}000000\n`;
    });
    return { sender: 0, bytes: Buffer.from(lines.join('')) };
  });
  const total = chunks.length * linesPerRequest;
  return {
    kind: 'lines',
    room: 'line protocol',
    readings: total,
    commits: (count) => grouped(chunks, count / linesPerRequest),
  };
}

function* grouped(chunks: readonly Chunk[], perCommit: number): Generator<readonly Chunk[]> {
  const size = Math.max(1, Math.floor(perCommit));
  for (let from = 0; from < chunks.length; from += size) yield chunks.slice(from, from + size);
}
