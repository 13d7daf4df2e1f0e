/**
 * The acks that one connection is owed, first in first out: an ack that comes early is held until every earlier publish of
 * the connection was acked. Rows live in ring buffers that grow by doubling; nothing is allocated per publish. How many
 * rows there can be is bounded by the gate's budget of pending bytes.
 */

const rowsMin = 16;
const ackedBit = 0x80;

export class AckQueue {
  #ids = new Uint16Array(rowsMin);
  /** QoS of the publish, with `ackedBit` once its ack came. */
  #states = new Uint8Array(rowsMin);
  #mask = rowsMin - 1;
  #head = 0;
  #tail = 0;
  /** Per QoS the earliest row that may be unacked: acks of one kind come nearly in order, so a search starts there. */
  readonly #cursor: [never: number, qos1: number, qos2: number] = [0, 0, 0];

  get length(): number {
    return this.#tail - this.#head;
  }

  push(qos: 1 | 2, packetId: number): void {
    if (this.length > this.#mask) this.#grow();
    const slot = this.#tail++ & this.#mask;
    this.#ids[slot] = packetId;
    this.#states[slot] = qos;
  }

  /** The ack of the earliest unacked publish with this QoS and id has come. False when there is none. */
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

  /** Takes the next ack that may leave: `qos << 16 | packetId`, or 0 when the earliest publish still waits. */
  shift(): number {
    if (this.#head === this.#tail) return 0;
    const slot = this.#head & this.#mask;
    const state = this.#states[slot] as number;
    if ((state & ackedBit) === 0) return 0;
    this.#head++;
    return ((state & 3) << 16) | (this.#ids[slot] as number);
  }

  #grow(): void {
    const rows = this.length;
    const ids = new Uint16Array(rows * 2);
    const states = new Uint8Array(rows * 2);
    for (let i = 0; i < rows; i++) {
      ids[i] = this.#ids[(this.#head + i) & this.#mask] as number;
      states[i] = this.#states[(this.#head + i) & this.#mask] as number;
    }
    for (const qos of [1, 2] as const) this.#cursor[qos] = Math.max(0, this.#cursor[qos] - this.#head);
    this.#ids = ids;
    this.#states = states;
    this.#mask = rows * 2 - 1;
    this.#head = 0;
    this.#tail = rows;
  }
}
