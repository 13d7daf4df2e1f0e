/**
 * What was just committed, to whoever watches. Ingest hands over each commit and goes on; viewers are served afterwards, at most every 50 ms and
 * in slices, each as far as its client reads. With nobody watching, nothing is kept. Nothing here outlives the process: a viewer that comes
 * back to another process begins anew and is told so.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import { storeOfSites } from '../auth/site-view.ts';
import type { CommittedChange } from '../ingest/ports.ts';
import { fingerprint } from '../query/cursor.ts';
import { parseSelector } from '../query/selector.ts';
import type { StoreRead } from '../store/read.ts';
import { type Change, ChangeRing } from './change-ring.ts';
import type { Place } from './frames.ts';
import { Selection } from './selection.ts';
import { type Policy, type Sink, Viewer } from './viewer.ts';

export const feedLimits = {
  pumpEveryMs: 50,
  sliceMs: 2,
  /** A selection without viewers stays so long, for those who come back. */
  lingerMs: 60_000,
  selectionsMax: 1_000,
  /** Over all viewers. */
  seriesShownMax: 2_000_000,
} as const;

export interface FeedOptions {
  readonly store: StoreRead;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'error'>;
  readonly ringBytesMax?: number;
  /** Before anything is sent: whoever may no longer watch is gone when it returns. */
  beforeDelivery(): void;
}

export interface Question {
  /** Selectors; none = all series. */
  readonly match: readonly string[];
  readonly sites: readonly string[] | undefined;
}

export interface Watch {
  /** The series that it shows. */
  readonly series: number;
  /** Where it would go on. Undefined while it is in the middle of something. */
  place(): Place | undefined;
  /** The client has read: go on. */
  pump(): void;
  close(): void;
}

export class LiveFeed {
  readonly #options: FeedOptions;
  readonly #ring: ChangeRing;
  /** Of this process. */
  readonly #run: string;
  readonly #selections = new Map<string, { readonly selection: Selection; readonly filled: Promise<Selection> }>();
  readonly #filled = new Set<Selection>();
  readonly #viewers = new Map<Viewer, Sink>();
  readonly #lingering = new Map<Selection, Timer>();
  #filling: Promise<unknown> = Promise.resolve();
  #seriesShown = 0;
  #newestSeries = 0;
  /** Counts up when sites or labels of agents may have changed. */
  #generation = 0;
  #isDue = false;
  #isPumping = false;
  #pumpedMs = Number.NEGATIVE_INFINITY;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#ring = new ChangeRing(options.ringBytesMax);
    this.#run = Buffer.from(options.random.bytes(6)).toString('hex');
  }

  /** Whether anybody is told of commits, or may come back for them. */
  get isWatched(): boolean {
    return this.#filled.size > 0;
  }

  get viewerCount(): number {
    return this.#viewers.size;
  }

  /** After COMMIT. Costs nothing while nobody watches. */
  committed(change: Pick<CommittedChange, 'atMs' | 'batches'>): void {
    if (!this.isWatched || change.batches.length === 0) return;
    const pushed = this.#ring.push(change);
    this.#noticeSeries(pushed);
    for (const selection of this.#filled) count(selection, pushed);
    this.#wake();
  }

  /** As `Last-Event-ID`: worth something with the same question, in this process. */
  idOf(question: Question, { seq, told }: Place): string {
    return [this.#run, seq, told, this.#markOf(question)].join('.');
  }

  /**
   * Begins to send to `sink`, at once what is there. `lastId`: what the client saw last. Throws `query_invalid` for what cannot be
   * selected, `limit_exceeded` when there is no room.
   */
  async watch(question: Question, policy: Policy, sink: Sink, lastId?: string): Promise<Watch> {
    const selection = await this.#selectionOf(question);
    const resumeAt = lastId === undefined ? undefined : this.#placeOf(lastId, question, selection);
    if (this.#seriesShown + selection.size > feedLimits.seriesShownMax)
      throw new FoglineError('limit_exceeded', 'seriesShownMax: too much is watched already; watch fewer series');
    if (lastId !== undefined && resumeAt === undefined)
      sink.send({ type: 'reset', fields: '"reason":"what came after Last-Event-ID is no longer here"' });
    const shown = selection.size;
    this.#seriesShown += shown;
    selection.viewers++;
    const parts = { ring: this.#ring, store: this.#options.store, policy, sink };
    const viewer = new Viewer(selection, parts, resumeAt);
    this.#viewers.set(viewer, sink);
    // The question may be of before a token was revoked.
    this.#options.beforeDelivery();
    this.#pump(viewer, sink);
    return {
      series: selection.size,
      place: () => viewer.place,
      pump: () => {
        this.#options.beforeDelivery();
        if (this.#viewers.has(viewer)) this.#pump(viewer, sink);
      },
      close: () => {
        if (!this.#viewers.delete(viewer)) return;
        this.#seriesShown -= shown;
        if (--selection.viewers === 0) this.#linger(selection);
      },
    };
  }

  /** Agents may have moved to other sites: what was selected by them is selected anew by whoever comes back. */
  sitesChanged(): void {
    this.#generation++;
    for (const selection of this.#filled) if (selection.viewers === 0) this.#forget(selection);
    this.#selections.clear();
  }

  #selectionOf({ match, sites }: Question): Promise<Selection> {
    const key = JSON.stringify([match, sites ?? null]);
    const known = this.#selections.get(key);
    if (known !== undefined) return known.filled;
    if (this.#selections.size >= feedLimits.selectionsMax) this.#forgetIdle();
    const selection = new Selection(key, match.map(parseSelector), sites);
    const { store } = this.#options;
    const filled = this.#filling.then(async () => {
      const work = selection.fill(sites === undefined ? store : storeOfSites(store, sites));
      while (work.next().done !== true) await nextTurn();
      if (this.#filled.size === 0) this.#newestSeries = store.newestSeries();
      this.#filled.add(selection);
      return selection;
    });
    this.#filling = filled.catch(() => undefined);
    this.#selections.set(key, { selection, filled });
    filled.catch(() => this.#forget(selection));
    return filled;
  }

  #forgetIdle(): void {
    for (const selection of this.#filled) if (selection.viewers === 0) this.#forget(selection);
    if (this.#selections.size >= feedLimits.selectionsMax)
      throw new FoglineError('limit_exceeded', 'selectionsMax: too many different selections are watched');
  }

  #linger(selection: Selection): void {
    this.#lingering.get(selection)?.cancel();
    const timer = this.#options.clock.after('live.linger', feedLimits.lingerMs, () => {
      this.#lingering.delete(selection);
      if (selection.viewers === 0) this.#forget(selection);
    });
    this.#lingering.set(selection, timer);
  }

  #forget(selection: Selection): void {
    this.#filled.delete(selection);
    this.#lingering.get(selection)?.cancel();
    this.#lingering.delete(selection);
    if (this.#selections.get(selection.key)?.selection === selection) this.#selections.delete(selection.key);
    if (this.#filled.size === 0) this.#ring.clear();
  }

  #markOf({ match, sites }: Question): string {
    return fingerprint([match, sites ?? null, this.#generation]);
  }

  /** Series of a selection ascend by id, so the first `told` are the same ones, whoever made it. */
  #placeOf(lastId: string, question: Question, selection: Selection): Place | undefined {
    const [run, seq, told, mark] = lastId.split('.');
    const place = { seq: Number(seq), told: Number(told) };
    if (run !== this.#run || mark !== this.#markOf(question)) return undefined;
    if (!Number.isSafeInteger(place.seq) || !(place.told >= 0 && place.told <= selection.size)) return undefined;
    return this.#ring.after(place.seq) === 'gone' ? undefined : place;
  }

  #noticeSeries({ bySeries }: Change): void {
    let newest = 0;
    for (const series of bySeries.keys()) newest = Math.max(newest, series);
    while (this.#newestSeries < newest) {
      const infos = this.#options.store.listSeries({ after: this.#newestSeries });
      for (const info of infos) for (const selection of this.#filled) selection.offer(info);
      this.#newestSeries = infos.at(-1)?.id ?? newest;
    }
  }

  #wake(): void {
    if (this.#isDue || this.#viewers.size === 0) return;
    this.#isDue = true;
    if (this.#isPumping) return;
    const waitMs = this.#pumpedMs + feedLimits.pumpEveryMs - this.#options.clock.monotonic();
    this.#options.clock.after('live.pump', Math.max(0, waitMs), () => void this.#pumpAll());
  }

  async #pumpAll(): Promise<void> {
    const { clock, beforeDelivery } = this.#options;
    this.#isDue = false;
    this.#isPumping = true;
    this.#pumpedMs = clock.monotonic();
    beforeDelivery();
    let sliceStartMs = this.#pumpedMs;
    for (const [viewer, sink] of this.#viewers) {
      this.#pump(viewer, sink);
      if (clock.monotonic() - sliceStartMs < feedLimits.sliceMs) continue;
      await nextTurn();
      beforeDelivery();
      sliceStartMs = clock.monotonic();
    }
    this.#isPumping = false;
    if (!this.#isDue) return;
    this.#isDue = false;
    this.#wake();
  }

  #pump(viewer: Viewer, sink: Sink): void {
    try {
      viewer.pump();
    } catch (error) {
      this.#options.log.error({ error }, 'a viewer could not be served');
      sink.end('the hub failed');
    }
  }
}

function count(selection: Selection, { bySeries }: Change): void {
  const add = (index: number | undefined, chunks: readonly { from: number; to: number }[]): void => {
    if (index === undefined) return;
    let items = 0;
    for (const { from, to } of chunks) items += to - from;
    selection.count(index, items);
  };
  if (selection.size < bySeries.size) {
    for (const [series, index] of selection.ids) add(index, bySeries.get(series) ?? []);
  } else {
    for (const [series, chunks] of bySeries) add(selection.indexOf(series), chunks);
  }
}
