/** One connection over a link: two sockets and a queue in each direction. */
import type { Socket } from 'node:net';
import type { Timer } from '@fogline/shared/clock';
import type { CutMode, Direction, LinkWeather } from './link-weather.ts';
import { PacketHold, type PacketName } from './packet-hold.ts';

export interface ConnectionEvents {
  onCut(): void;
  onClosed(): void;
}

/** Bytes a direction may hold before it stops reading. */
const heldBytesMax = 256 * 1024;

export class LinkConnection {
  readonly #sockets: readonly [Socket, Socket];
  readonly #pipes: readonly [Pipe, Pipe];
  readonly #events: ConnectionEvents;
  #isSilent = false;
  #open = 2;

  constructor(client: Socket, target: Socket, weather: LinkWeather, events: ConnectionEvents) {
    this.#events = events;
    this.#sockets = [client, target];
    const onCut = (mode: CutMode): void => this.cut(mode);
    this.#pipes = [new Pipe(client, target, 'up', weather, onCut), new Pipe(target, client, 'down', weather, onCut)];
    this.#watch(client, target);
    this.#watch(target, client);
  }

  cut(mode: CutMode): void {
    this.#events.onCut();
    this.#stop();
    for (const socket of this.#sockets) {
      if (mode === 'rst') socket.resetAndDestroy();
      else socket.end(() => socket.destroy());
    }
  }

  /** From now on everything that arrives is swallowed and neither side hears of the other again. */
  silence(): void {
    this.#isSilent = true;
    this.#stop();
    for (const socket of this.#sockets) socket.resume();
  }

  destroy(): void {
    this.#stop();
    for (const socket of this.#sockets) socket.destroy();
  }

  #stop(): void {
    for (const pipe of this.#pipes) pipe.stop();
  }

  /** A reset or failure of one side reaches the other as a reset; an orderly end travels through the pipe. */
  #watch(socket: Socket, other: Socket): void {
    let hasFailed = false;
    socket.on('error', () => {
      hasFailed = true;
    });
    // The side that was not silenced itself may close for good; nobody tells the other.
    socket.on('end', () => {
      if (this.#isSilent) socket.end();
    });
    socket.on('close', () => {
      if (hasFailed && !this.#isSilent && !other.destroyed) other.resetAndDestroy();
      if (--this.#open === 0) {
        this.#stop();
        this.#events.onClosed();
      }
    });
  }
}

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
  /** Set on the beginning of a packet. */
  readonly packet: PacketName | undefined;
}

/** One direction: reads, holds as long as the weather says, hands over. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #direction: Direction;
  readonly #weather: LinkWeather;
  readonly #onCut: (mode: CutMode) => void;
  readonly #hold: PacketHold;
  #queue: Piece[] = [];
  #heldBytes = 0;
  #hasEnded = false;
  #isStopped = false;
  #isWaiting = false;
  #timer: Timer | undefined;

  constructor(from: Socket, to: Socket, direction: Direction, weather: LinkWeather, onCut: (mode: CutMode) => void) {
    this.#from = from;
    this.#to = to;
    this.#direction = direction;
    this.#weather = weather;
    this.#onCut = onCut;
    this.#hold = new PacketHold(direction);
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => {
      const rest = this.#hold.rest();
      if (!this.#isStopped && rest.length > 0) this.#enqueue(rest, undefined);
      this.#hasEnded = true;
      this.#forward();
    });
    to.on('drain', () => {
      this.#isWaiting = false;
      this.#forward();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#queue = [];
    this.#heldBytes = 0;
  }

  #take(bytes: Buffer): void {
    if (this.#isStopped) return;
    for (const packet of this.#hold.take(bytes)) this.#enqueue(packet.bytes, packet.name);
    if (this.#heldBytes > heldBytesMax) this.#from.pause();
    this.#forward();
  }

  #enqueue(bytes: Buffer, packet: PacketName | undefined): void {
    this.#queue.push({ bytes, dueMs: this.#weather.dueMs(), packet });
    this.#heldBytes += bytes.length;
  }

  #forward(): void {
    while (!this.#isStopped && !this.#isWaiting) {
      const piece = this.#queue[0];
      if (piece === undefined) {
        if (this.#hasEnded) this.#to.end();
        return;
      }
      if (this.#weather.isStalled) return this.#wait((resume) => this.#weather.afterStall(resume));
      const waitMs = this.#weather.waitMs(this.#direction, piece.dueMs);
      if (waitMs > 0) {
        return this.#wait((resume) => {
          this.#timer = this.#weather.after(waitMs, resume);
        });
      }
      this.#send(piece);
    }
  }

  /** Sends as much of the first piece as may pass at once. */
  #send(piece: Piece): void {
    if (piece.packet !== undefined) this.#weather.packetStarts(this.#direction, piece.packet, piece.bytes.length);
    const length = Math.min(piece.bytes.length, this.#weather.pieceBytes, this.#weather.untilCut(this.#direction));
    const now = piece.bytes.subarray(0, length);
    if (length === piece.bytes.length) this.#queue.shift();
    else this.#queue[0] = { bytes: piece.bytes.subarray(length), dueMs: piece.dueMs, packet: undefined };
    this.#heldBytes -= length;
    if (this.#heldBytes <= heldBytesMax / 2 && this.#from.isPaused()) this.#from.resume();
    const cutMode = this.#weather.count(this.#direction, length);
    if (cutMode === undefined) {
      this.#isWaiting = !this.#to.write(now);
      if (this.#weather.isSliced && !this.#isWaiting) {
        this.#wait((resume) => {
          this.#timer = this.#weather.after(0, resume);
        });
      }
      return;
    }
    // A reset discards what the system has not sent yet, and this byte is to arrive.
    this.#isWaiting = true;
    this.#to.write(now, () => this.#onCut(cutMode));
  }

  #wait(until: (resume: () => void) => void): void {
    this.#isWaiting = true;
    until(() => {
      this.#isWaiting = false;
      this.#forward();
    });
  }
}
