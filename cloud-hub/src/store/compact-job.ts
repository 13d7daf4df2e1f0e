/**
 * Merges small batches of one (epoch, lane) whose ranges follow each other into dense ones. Read, merged and compared outside of any
 * transaction; one short transaction then puts the merged batch in their place, under the id of the first. Items, hours, ranges and the
 * account stay as they were; what is lost is which bytes came as one message, so a repeat of one is known by its range alone. Batches of
 * which nothing was merged are not decoded again as long as they are the same.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import { decodeBatch, isThinned } from '@fogline/shared/protocol/messages';
import { type BatchContent, decodeContent } from './batch-content.ts';
import type { BatchRange, SizedRange } from './batch-log.ts';
import type { BatchHours, HubStore } from './hub-store.ts';
import { type BatchToMerge, mergingBatches, textBytesMax } from './merge-batches.ts';
import type { UpkeepPorts } from './upkeep.ts';

/** Of one merged batch; reached, no more are added. */
const itemsMin = 32_768;
const bytesMax = 512 * 1024;
/** A batch with more items is dense enough. */
const smallItemsMax = itemsMin / 4;
const batchesMin = 4;
/** Batches of one merge, and of one look. */
const batchesMax = 512;
/** What came since may have a repeat on its way, whose bytes are then still compared. */
const restMs = 3_600_000;
/** A run that nothing followed for so long is merged as short as it is. */
const endedMs = 86_400_000;
const decodedPerStep = 16;
/** Runs that are remembered; the oldest is forgotten, and looked at again. */
const keptRunsMax = 10_000;

/** Runs of which nothing could be merged, in this process. */
export class KeptRuns {
  readonly #runs = new Set<string>();

  has(run: string): boolean {
    return this.#runs.has(run);
  }

  add(run: string): void {
    this.#runs.add(run);
    const [oldest] = this.#runs;
    if (this.#runs.size > keptRunsMax && oldest !== undefined) this.#runs.delete(oldest);
  }
}

/** One round over everything that can be merged. Yields between steps. */
export function* compactRound(store: HubStore, kept: KeptRuns, ports: UpkeepPorts): Generator<void, void> {
  let at = { epoch: 0, lane: 0, last: 0 };
  for (;;) {
    const found = store.log.rangeAfter(at.epoch, at.lane, at.last);
    yield;
    if (found === undefined) return;
    const { epoch, lane } = found;
    at = { epoch, lane, last: found.first - 1 };
    let run: SizedRange[] | undefined;
    while ((run = nextRun(store, at, ports.nowMs())) !== undefined) {
      at = { ...at, last: run.at(-1)?.last ?? at.last };
      yield;
      const name = [epoch, lane, run[0]?.first, at.last, run.length].join();
      if (run.length < batchesMin || kept.has(name)) continue;
      if (!(yield* mergeRun(store, epoch, lane, run, ports))) kept.add(name);
    }
    at = { epoch, lane, last: Number.MAX_SAFE_INTEGER };
  }
}

/** The next small batches in a row, as many as make a merged one; undefined at the end of the lane, or of what may be merged yet. */
function nextRun(
  store: HubStore,
  { epoch, lane, last }: { readonly epoch: number; readonly lane: number; readonly last: number },
  nowMs: number,
): SizedRange[] | undefined {
  const rolled = store.rolledTo();
  const run: SizedRange[] = [];
  let dense: SizedRange | undefined;
  let items = 0;
  let bytes = 0;
  for (const range of store.log.rangesAfter(epoch, lane, last, batchesMax)) {
    if (range.receivedMs > nowMs - restMs || range.batch > rolled) break;
    const before = run.at(-1);
    const own = range.last - range.first + 1;
    const isFollowing = before === undefined || before.last + 1 === range.first;
    const isDense = own > smallItemsMax || range.bytes > bytesMax;
    // What was merged before is passed by in one look.
    if (isDense && before === undefined) {
      dense = range;
      continue;
    }
    if (!isFollowing || isDense || bytes + range.bytes > bytesMax) return run;
    run.push(range);
    items += own;
    bytes += range.bytes;
    if (items >= itemsMin || run.length === batchesMax) return run;
  }
  const end = run.at(-1);
  if (end === undefined && dense !== undefined) return [dense];
  return end !== undefined && end.receivedMs < nowMs - endedMs ? run : undefined;
}

/** Series of one metric and unit carry like values. */
function groupsOf(store: HubStore, epochId: number): (local: number) => number {
  const epoch = store.epochs.byId(epochId);
  const ids = epoch === undefined ? [] : store.series.of(epoch).ids;
  const groups = new Map<string, number>();
  const known = new Map<number, number>();
  return (local) => {
    let group = known.get(local);
    if (group !== undefined) return group;
    const { metric = '', unit = '' } = store.series.find(ids[local] ?? 0) ?? {};
    const name = JSON.stringify([metric, unit]);
    group = groups.get(name) ?? groups.size;
    groups.set(name, group);
    known.set(local, group);
    return group;
  };
}

/** What goes into one merged batch. */
interface Segment {
  readonly parts: BatchHours[];
  readonly batches: BatchToMerge[];
  receivedMs: number;
  bytes: number;
  textBytes: number;
}

const emptySegment = (): Segment => ({ parts: [], batches: [], receivedMs: 0, bytes: 0, textBytes: 0 });

/** False where all of it had better stay as it is. */
function* mergeRun(
  store: HubStore,
  epoch: number,
  lane: Lane,
  run: readonly BatchRange[],
  ports: UpkeepPorts,
): Generator<void, boolean> {
  let isKept = true;
  let segment = emptySegment();
  for (const [index, { batch }] of run.entries()) {
    if (store.scans.isOpen(store.epochs.byId(epoch)?.agent ?? 0)) return true;
    const stored = store.log.get(batch);
    if (stored === undefined) return true;
    const message = decodeBatch(stored.payload);
    // Minutes are dense as they come, and not to be taken for items.
    const content = isThinned(message) ? undefined : decodeContent(message);
    const textBytes = content === undefined ? 0 : textBytesOf(content);
    if (content === undefined || segment.textBytes + textBytes > textBytesMax) {
      if (yield* mergeSegment(store, epoch, lane, segment, ports)) isKept = false;
      segment = emptySegment();
    }
    if (content !== undefined) {
      segment.batches.push({ message, readings: content.readings });
      segment.parts.push({ id: batch, hours: [...content.hours.keys()] });
      segment.receivedMs = Math.max(segment.receivedMs, stored.receivedMs);
      segment.bytes += stored.payload.byteLength;
      segment.textBytes += textBytes;
    }
    if (index % decodedPerStep === decodedPerStep - 1) yield;
  }
  if (yield* mergeSegment(store, epoch, lane, segment, ports)) isKept = false;
  return !isKept;
}

function textBytesOf({ readings }: BatchContent): number {
  let bytes = 0;
  for (const { strings } of readings) for (const text of strings) bytes += text.length;
  return bytes;
}

/** False where nothing would be saved. */
function* mergeSegment(
  store: HubStore,
  epoch: number,
  lane: Lane,
  { parts, batches, receivedMs, bytes }: Segment,
  ports: UpkeepPorts,
): Generator<void, boolean> {
  if (parts.length < batchesMin) return false;
  yield;
  const payload = yield* mergingBatches(batches, groupsOf(store, epoch));
  if (payload === undefined || payload.byteLength >= bytes) return false;
  yield;
  const [first, last] = [batches[0]?.message.first ?? 0, batches.at(-1)?.message.last ?? 0];
  ports.transaction(() => store.replaceBatches({ epoch, lane, first, last, receivedMs, payload }, parts));
  return true;
}
