/**
 * The acks that one connection is owed, first in first out: an ack that comes early is held until every earlier publish of
 * the connection was acked. Rows live in ring buffers that grow by doubling; nothing is allocated per publish. How many
 * rows there can be is bounded by the gate's budget of pending bytes.
 */

const rowsMin = 16;
const ackedBit = 0x80;
/** Taken by the fast lane: the broker's acks are none of its business. */
const laneBit = 0x40;

export class AckQueue {
  #ids = new Uint16Array(rowsMin);
  /** QoS of the publish, with `laneBit`, and with `ackedBit` once its ack came. */
  #states = new Uint8Array(rowsMin);
  /** What the publish is booked with at the gate; of those of the fast lane. */
  #bytes = new Uint32Array(rowsMin);
  #mask = rowsMin - 1;
  #head = 0;
  #tail = 0;
  /** Per QoS the earliest row that may be unacked: acks of one kind come nearly in order, so a search starts there. */
  readonly #cursor: [never: number, qos1: number, qos2: number] = [0, 0, 0];

  get length(): number {
    return this.#tail - this.#head;
  }

  /** The next ack may leave. */
  get isReady(): boolean {
    return this.#head < this.#tail && ((this.#states[this.#head & this.#mask] as number) & ackedBit) !== 0;
  }

  /** A publish that the broker will ack. */
  push(qos: 1 | 2, packetId: number): void {
    this.#push(qos, packetId, 0);
  }

  /** A QoS 1 publish that the fast lane takes. Returns the ticket to settle it with. */
  pushLane(packetId: number, bookedBytes: number): number {
    return this.#push(1 | laneBit, packetId, bookedBytes);
  }

  /** The broker's ack of its earliest unacked publish with this QoS and id has come. False when there is none. */
  ack(qos: 1 | 2, packetId: number): boolean {
    let row = Math.max(this.#cursor[qos], this.#head);
    while (row < this.#tail && this.#states[row & this.#mask] !== qos) row++;
    this.#cursor[qos] = row;
    for (; row < this.#tail; row++) {
      const slot = row & this.#mask;
      if (this.#states[slot] === qos && this.#ids[slot] === packetId) {
        this.#states[slot] = qos | ackedBit;
        return true;
      }
    }
    return false;
  }

  /** The publish of this ticket may be acked. Returns the bytes it was booked with. */
  settle(ticket: number): number {
    const slot = ticket & this.#mask;
    this.#states[slot] = 1 | laneBit | ackedBit;
    return this.#bytes[slot] as number;
  }

  /** Takes the next ack that may leave: `qos << 16 | packetId`, or 0 when the earliest publish still waits. */
  shift(): number {
    if (!this.isReady) return 0;
    const slot = this.#head++ & this.#mask;
    return (((this.#states[slot] as number) & 3) << 16) | (this.#ids[slot] as number);
  }

  #push(state: number, packetId: number, bookedBytes: number): number {
    if (this.length > this.#mask) this.#grow();
    const row = this.#tail++;
    const slot = row & this.#mask;
    this.#ids[slot] = packetId;
    this.#states[slot] = state;
    this.#bytes[slot] = bookedBytes;
    return row;
  }

  /** Rows keep their numbers: tickets are out. */
  #grow(): void {
    const rows = this.length * 2;
    const [ids, states, bytes] = [new Uint16Array(rows), new Uint8Array(rows), new Uint32Array(rows)];
    for (let row = this.#head; row < this.#tail; row++) {
      const [from, to] = [row & this.#mask, row & (rows - 1)];
      ids[to] = this.#ids[from] as number;
      states[to] = this.#states[from] as number;
      bytes[to] = this.#bytes[from] as number;
    }
    this.#ids = ids;
    this.#states = states;
    this.#bytes = bytes;
    this.#mask = rows - 1;
  }
}
