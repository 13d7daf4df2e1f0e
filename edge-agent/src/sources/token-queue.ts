/**
 * Who waits for the batches of one source, by token. Tokens count up and come back nearly in that order, so that a ring holds them:
 * nothing is allocated per message. Grows by doubling; bounded by what each door lets in.
 */
import type { Token } from './batch-port.ts';

/** Called once, with the ticket that was given with it. */
export type Waiter = (ticket: number) => void;

const rowsMin = 64;

export class TokenQueue {
  #waiters: (Waiter | undefined)[] = new Array<Waiter | undefined>(rowsMin).fill(undefined);
  #tickets = new Float64Array(rowsMin);
  #mask = rowsMin - 1;
  /** Earliest token that is out, and the next one. */
  #first: Token = 1;
  #next: Token = 1;

  /** Tokens that are out. */
  get size(): number {
    let size = 0;
    for (let token = this.#first; token < this.#next; token++) {
      if (this.#waiters[token & this.#mask] !== undefined) size++;
    }
    return size;
  }

  add(waiter: Waiter, ticket: number): Token {
    if (this.#next - this.#first > this.#mask) this.#grow();
    const token = this.#next++;
    this.#waiters[token & this.#mask] = waiter;
    this.#tickets[token & this.#mask] = ticket;
    return token;
  }

  /** Calls who waits with this token; a token that is not out is nobody's. */
  release(token: Token): void {
    if (token < this.#first || token >= this.#next) return;
    const slot = token & this.#mask;
    const waiter = this.#waiters[slot];
    const ticket = this.#tickets[slot] as number;
    this.#waiters[slot] = undefined;
    while (this.#first < this.#next && this.#waiters[this.#first & this.#mask] === undefined) this.#first++;
    waiter?.(ticket);
  }

  #grow(): void {
    const rows = this.#waiters.length * 2;
    const waiters = new Array<Waiter | undefined>(rows).fill(undefined);
    const tickets = new Float64Array(rows);
    for (let token = this.#first; token < this.#next; token++) {
      waiters[token & (rows - 1)] = this.#waiters[token & this.#mask];
      tickets[token & (rows - 1)] = this.#tickets[token & this.#mask] as number;
    }
    this.#waiters = waiters;
    this.#tickets = tickets;
    this.#mask = rows - 1;
  }
}
