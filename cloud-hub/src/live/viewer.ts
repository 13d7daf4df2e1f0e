/**
 * One viewer of one selection: first the series with their current values, then what is committed. It holds a position, no queue, so one that
 * is not read costs nothing. What happens when the position is too old is its policy: `complete` begins anew and says so, `latest`
 * tells the current value of each series that changed and how many items it skipped; then items shown + skipped = items committed.
 */
import type { LatestValue, StoreRead } from '../store/read.ts';
import type { Change, ChangeRing, Chunk } from './change-ring.ts';
import { chunkText, currentText, type Frame, type Place } from './frames.ts';
import { grown, type Selection } from './selection.ts';

/** Where frames go. */
export interface Sink {
  /** The client has not read what it was sent: nothing more is sent until it has. */
  readonly isFull: boolean;
  send(frame: Frame): void;
  /** Nothing more will come. */
  end(reason: string): void;
}

export type Policy = 'complete' | 'latest';

const valuesPerFrame = 250;
const rowsPerFrame = 2_000;

interface Piece {
  readonly series: number;
  readonly index: number;
  readonly chunk: Chunk;
}

export class Viewer {
  readonly selection: Selection;
  readonly #ring: ChangeRing;
  readonly #store: Pick<StoreRead, 'latest'>;
  readonly #policy: Policy;
  readonly #sink: Sink;
  /** Changes up to this one were seen. */
  #seq: number;
  /** Series of the selection that were told. */
  #told = 0;
  #isLive = false;
  #hasSkipped = false;
  /** What is left of the change after `#seq`. */
  #pieces: readonly Piece[] = [];
  #at = 0;
  /** By index: what `selection.totalOf` was when everything so far had been shown or skipped. */
  #seen: Float64Array<ArrayBuffer>;

  /** `resumeAt`: where it was told to go on; undefined = from the beginning. */
  constructor(
    selection: Selection,
    parts: { ring: ChangeRing; store: Pick<StoreRead, 'latest'>; policy: Policy; sink: Sink },
    resumeAt: Place | undefined,
  ) {
    this.selection = selection;
    this.#ring = parts.ring;
    this.#store = parts.store;
    this.#policy = parts.policy;
    this.#sink = parts.sink;
    this.#seen = new Float64Array(selection.size);
    this.#seq = resumeAt?.seq ?? 0;
    this.#told = resumeAt?.told ?? 0;
    if (resumeAt === undefined) this.#begin();
  }

  /** Where it would go on; undefined in the middle of something. */
  get place(): Place | undefined {
    return this.#isLive && this.#at >= this.#pieces.length ? { seq: this.#seq, told: this.#told } : undefined;
  }

  /** Sends what there is until the sink is full. */
  pump(): void {
    if (this.#sink.isFull) {
      this.#hasSkipped ||= this.#policy === 'latest' && this.#isLive;
      return;
    }
    if (this.#isLive && this.#policy === 'latest' && (this.#hasSkipped || this.#ring.after(this.#seq) === 'gone')) {
      this.#skip();
      if (this.#hasSkipped) return;
    }
    if (!this.#tellSeries()) return;
    if (!this.#isLive) {
      this.#isLive = true;
      this.#sink.send({ type: 'live', fields: `"series":${this.selection.size}`, ...this.#where() });
    }
    this.#follow();
  }

  #begin(): void {
    this.#seq = this.#ring.head;
    this.#told = 0;
    this.#isLive = false;
    this.#pieces = [];
    this.#at = 0;
    this.#widen();
    for (let index = 0; index < this.selection.size; index++) this.#seen[index] = this.selection.totalOf(index);
  }

  /** False when the sink was full before the end. */
  #tellSeries(): boolean {
    while (this.#told < this.selection.size) {
      if (this.#sink.isFull) return false;
      const infos = this.selection.infos.slice(this.#told, this.#told + valuesPerFrame);
      const latest = this.#latest(infos.map(({ id }) => id));
      const values = infos.map((info) => currentText(info, latest.get(info.id)));
      this.#told += infos.length;
      this.#sink.send({ type: 'current', fields: `"values":[${values.join(',')}]` });
    }
    return true;
  }

  #follow(): void {
    for (;;) {
      while (this.#at < this.#pieces.length) {
        if (this.#sink.isFull) {
          this.#hasSkipped ||= this.#policy === 'latest';
          return;
        }
        this.#sendPieces();
      }
      const next = this.#ring.after(this.#seq);
      if (next === 'gone') return this.#fallBehind();
      if (next === 'none') return;
      this.#pieces = this.#piecesOf(next);
      this.#at = 0;
      if (this.#pieces.length === 0) this.#seq = next.seq;
    }
  }

  #sendPieces(): void {
    const texts: string[] = [];
    this.#widen();
    for (let rows = 0; this.#at < this.#pieces.length && rows < rowsPerFrame; this.#at++) {
      const { series, index, chunk } = this.#pieces[this.#at] as Piece;
      texts.push(chunkText(series, chunk));
      rows += chunk.to - chunk.from;
      this.#seen[index] = (this.#seen[index] ?? 0) + chunk.to - chunk.from;
    }
    const isEnd = this.#at >= this.#pieces.length;
    if (isEnd) this.#seq++;
    this.#sink.send({ type: 'committed', fields: `"rows":[${texts.join(',')}]`, ...this.#where() });
  }

  #where(): { at?: Place } {
    return this.place === undefined ? {} : { at: this.place };
  }

  /** Only `complete` comes here: `latest` was asked before. */
  #fallBehind(): void {
    this.#sink.send({ type: 'reset', fields: '"reason":"the client was too slow, or came back too late"' });
    this.#begin();
    this.pump();
  }

  #piecesOf({ bySeries }: Change): Piece[] {
    const pieces: Piece[] = [];
    const take = (series: number, index: number | undefined, chunks: readonly Chunk[] | undefined): void => {
      if (index !== undefined) for (const chunk of chunks ?? []) pieces.push({ series, index, chunk });
    };
    const { selection } = this;
    if (selection.size < bySeries.size) {
      for (const [series, index] of selection.ids) take(series, index, bySeries.get(series));
    } else {
      for (const [series, chunks] of bySeries) take(series, selection.indexOf(series), chunks);
    }
    return pieces;
  }

  /** Every series that has changed, as it is now. What is shown again by `#follow` afterwards came later. */
  #skip(): void {
    this.#hasSkipped = true;
    this.#pieces = [];
    this.#at = 0;
    this.#widen();
    const { selection } = this;
    for (let index = 0; index < selection.size; ) {
      if (this.#sink.isFull) return;
      const behind: number[] = [];
      for (; index < selection.size && behind.length < valuesPerFrame; index++)
        if (selection.totalOf(index) > (this.#seen[index] ?? 0)) behind.push(index);
      if (behind.length > 0) this.#sendSkipped(behind);
    }
    this.#told = selection.size;
    this.#seq = this.#ring.head;
    this.#hasSkipped = false;
  }

  #sendSkipped(indices: readonly number[]): void {
    const { selection } = this;
    const latest = this.#latest(indices.map((index) => selection.infos[index]?.id ?? 0));
    const values = indices.flatMap((index) => {
      const info = selection.infos[index];
      const total = selection.totalOf(index);
      const skipped = total - (this.#seen[index] ?? 0);
      this.#seen[index] = total;
      return info === undefined ? [] : [currentText(info, latest.get(info.id), skipped)];
    });
    this.#sink.send({ type: 'skipped', fields: `"values":[${values.join(',')}]` });
  }

  #latest(ids: readonly number[]): Map<number, LatestValue> {
    return new Map(this.#store.latest(ids).map((value) => [value.series, value]));
  }

  #widen(): void {
    if (this.#seen.length < this.selection.size) this.#seen = grown(this.#seen, this.selection.size);
  }
}
