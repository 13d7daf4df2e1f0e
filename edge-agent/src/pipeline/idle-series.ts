/**
 * Which of many series have brought nothing for `idleMs` of processing time. When the first of them is due is never later than the truth
 * and may be earlier: whoever finds it reached looks at all of them. So a commit does not have to look at each.
 *
 * Processing time is the wall clock of commits, which may be set back, also while the agent is not running. A series that was seen later
 * than now counts as seen now: nothing stays open for as long as the clock was off.
 */
import type { SeriesTable } from './series-table.ts';

export class IdleSeries {
  readonly #table: SeriesTable;
  /** The column of the table with `now` of the commit that brought the series' last reading. */
  readonly #seenAt: number;
  readonly #idleMs: number;
  /** When the first and the last of the series that may become idle were seen. */
  #earliest = Number.POSITIVE_INFINITY;
  #latest = Number.NEGATIVE_INFINITY;

  constructor(table: SeriesTable, seenAt: number, idleMs: number) {
    this.#table = table;
    this.#seenAt = seenAt;
    this.#idleMs = idleMs;
  }

  /** A series was seen at `now`. */
  note(now: number): void {
    if (now < this.#earliest) this.#earliest = now;
    if (now > this.#latest) this.#latest = now;
  }

  /** As `note`, for the saved series at this place of the table. */
  restore(at: number): void {
    this.note(this.#table.values[at + this.#seenAt] ?? 0);
  }

  /** Hands on each series that is idle; `isOpen` says whether anything of one waits for that. */
  tick(now: number, isOpen: (at: number) => boolean, onIdle: (at: number, id: number) => void): void {
    if (now < (this.dueAt(now) ?? Number.POSITIVE_INFINITY)) return;
    this.#earliest = Number.POSITIVE_INFINITY;
    this.#latest = Number.NEGATIVE_INFINITY;
    const { values, width, count } = this.#table;
    for (let row = 0; row < count; row++) {
      const at = row * width;
      if (!isOpen(at)) continue;
      const seenAt = Math.min(values[at + this.#seenAt] ?? 0, now);
      values[at + this.#seenAt] = seenAt;
      if (seenAt + this.#idleMs <= now) onIdle(at, this.#table.idAt(row));
      else this.note(seenAt);
    }
  }

  /** When `tick` has something to do, ms of wall time: at once where the clock was set back. Undefined when never. */
  dueAt(now: number): number | undefined {
    if (this.#earliest === Number.POSITIVE_INFINITY) return undefined;
    return this.#latest > now ? now : this.#earliest + this.#idleMs;
  }
}
