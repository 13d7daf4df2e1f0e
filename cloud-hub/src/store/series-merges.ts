/**
 * Series that an operator merged into others. Nothing is moved: a merged series keeps its rows, and whoever reads the other reads both. So
 * what still arrives for it, or comes again, lands where it always did.
 */
import type { Database, Statement } from '@fogline/shared/sqlite';

export class SeriesMerges {
  readonly #all: Statement<{ id: number; into: number }>;
  readonly #set: Statement<never>;
  readonly #into = new Map<number, number>();
  readonly #members = new Map<number, number[]>();

  constructor(db: Database) {
    this.#all = db.prepare('SELECT id, merged_into AS "into" FROM series WHERE merged_into > 0 ORDER BY id');
    this.#set = db.prepare('UPDATE series SET merged_into = ?1 WHERE id = ?2 OR merged_into = ?2');
    this.reset();
  }

  /** The series under which one is read. */
  resolve(series: number): number {
    return this.#into.get(series) ?? series;
  }

  /** The series itself, then what was merged into it. */
  members(series: number): readonly number[] {
    return this.#members.get(series) ?? [series];
  }

  merge(series: number, into: number): void {
    this.#set.run(into, series);
    this.reset();
  }

  reset(): void {
    this.#into.clear();
    this.#members.clear();
    for (const { id, into } of this.#all.all()) {
      this.#into.set(id, into);
      this.#members.set(into, [...this.members(into), id]);
    }
  }
}
