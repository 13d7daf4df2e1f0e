/**
 * What an operator asked the hub to do to its data, by a command in another process: written to the database there, carried out by the hub that
 * runs, in one transaction with its answer. One that ends the hub is not tried again at the next start. Bounded: beyond `ordersMax` the oldest
 * answers leave.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { Database, Statement } from '@fogline/shared/sqlite';

export type Order =
  | { readonly kind: 'quarantine_retry'; readonly id: number }
  | { readonly kind: 'quarantine_drop'; readonly id: number }
  | { readonly kind: 'series_rename'; readonly series: number; readonly names: SeriesNames }
  | { readonly kind: 'series_merge'; readonly series: number; readonly into: number }
  | { readonly kind: 'series_delete'; readonly series: number; readonly fromMs: number; readonly toMs: number };

/** What a series is called; what is absent stays. */
export interface SeriesNames {
  readonly stream?: string;
  readonly device?: string;
  readonly metric?: string;
  readonly unit?: string;
}

export type OrderState = 'open' | 'done' | 'refused';

export interface OrderRow {
  readonly id: number;
  readonly state: OrderState;
  /** JSON of the order. */
  readonly body: string;
  /** What was done, or why it was refused; of an open one `begun` or nothing. */
  readonly answer: string;
}

const ordersMax = 1000;
const begun = 'begun';

export class OrderTable {
  readonly #insert: Statement<never>;
  readonly #open: Statement<OrderRow>;
  readonly #get: Statement<OrderRow>;
  readonly #answer: Statement<never>;
  readonly #trim: Statement<never>;

  constructor(db: Database) {
    this.#insert = db.prepare("INSERT INTO orders (at, state, body, answer) VALUES (?, 'open', ?, '')");
    this.#open = db.prepare("SELECT id, state, body, answer FROM orders WHERE state = 'open' ORDER BY id LIMIT 1");
    this.#get = db.prepare('SELECT id, state, body, answer FROM orders WHERE id = ?');
    this.#answer = db.prepare('UPDATE orders SET state = ?, answer = ? WHERE id = ?');
    this.#trim = db.prepare("DELETE FROM orders WHERE id <= ? AND state <> 'open'");
  }

  add(order: Order, atMs: number): number {
    const { lastInsertRowid: id } = this.#insert.run(atMs, JSON.stringify(order));
    this.#trim.run(id - ordersMax);
    return id;
  }

  nextOpen(): OrderRow | undefined {
    return this.#open.get();
  }

  /** In a transaction before the one that carries it out. False where that was done before, so that it ended the hub. */
  begin({ id, answer }: OrderRow): boolean {
    if (answer === begun) return false;
    this.#answer.run('open', begun, id);
    return true;
  }

  answer(id: number, state: Exclude<OrderState, 'open'>, answer: string): void {
    this.#answer.run(state, answer, id);
  }

  /** Throws `not_found`. */
  get(id: number): OrderRow {
    const row = this.#get.get(id);
    if (row === undefined) throw new FoglineError('not_found', `no order ${id}`);
    return row;
  }
}
