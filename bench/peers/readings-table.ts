/**
 * What a reasonable user writes behind a message broker: a row a reading, transactions of many, synchronous=FULL. The caller acks what
 * it added when `commit` returned.
 */
import Database from 'better-sqlite3';
import type { Stored } from './system.ts';

interface Message {
  readonly device: string;
  readonly temperature: number;
  readonly ts: number;
}

export class ReadingsTable {
  readonly #database: Database.Database;
  readonly #insert: Database.Statement<[string, number, number]>;
  #rows = 0;
  #isOpen = false;

  constructor(file: string) {
    this.#database = new Database(file);
    this.#database.pragma('journal_mode = WAL');
    this.#database.pragma('synchronous = FULL');
    this.#database.exec('CREATE TABLE IF NOT EXISTS readings (device TEXT, time INTEGER, value REAL)');
    this.#insert = this.#database.prepare('INSERT INTO readings VALUES (?, ?, ?)');
  }

  /** Committed. */
  get rows(): number {
    return this.#rows;
  }

  /** Rows that the next commit brings. */
  pending = 0;

  /** `payload` is JSON with device, temperature and ts. */
  add(payload: string): void {
    if (!this.#isOpen) this.#database.exec('BEGIN');
    this.#isOpen = true;
    const { device, temperature, ts } = JSON.parse(payload) as Message;
    this.#insert.run(device, ts, temperature);
    this.pending++;
  }

  commit(): void {
    if (!this.#isOpen) return;
    this.#database.exec('COMMIT');
    this.#isOpen = false;
    this.#rows += this.pending;
    this.pending = 0;
  }

  stored(): Stored {
    const one = (sql: string): number => this.#database.prepare(sql).pluck().get() as number;
    return {
      rows: one('SELECT count(*) FROM readings'),
      distinct: one('SELECT count(*) FROM (SELECT DISTINCT device, time FROM readings)'),
      sumHundredths: one('SELECT total(CAST(round(value * 100) AS INTEGER)) FROM readings'),
    };
  }

  close(): void {
    this.#database.close();
  }
}
