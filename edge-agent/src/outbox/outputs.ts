/** From the items of streams to blocks of a commit, cut so that every block fits well into one envelope. */
import { encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { encodeReadings } from '@fogline/shared/codec/readings';
import type { WindowColumns } from '@fogline/shared/reading';
import type { CommitOutput } from '../journal/commit-record.ts';
import type { StreamItems } from '../pipeline/branch.ts';
import { hoursOf } from '../pipeline/columns.ts';

/** An output that has no sequence numbers yet. */
export type PendingOutput = Omit<CommitOutput, 'first' | 'last'> & { readonly count: number };

/** Partials in one block; with sketches they take up to a few hundred bytes each. */
const windowBytesPerBlockMax = 192 * 1024;

/** Of all that one commit made: of its inputs, by their index, and by timers. */
export function outputsOfCommit(results: {
  readonly ofInputs: readonly (readonly StreamItems[])[];
  readonly further: readonly StreamItems[];
}): PendingOutput[] {
  const { ofInputs, further } = results;
  return [...ofInputs.flatMap((streams, index) => outputsOf(streams, index)), ...outputsOf(further)];
}

/** Of the streams that leave the agent. `input` is the index of the commit input that unchanged columns are. */
function outputsOf(streams: readonly StreamItems[], input = -1): PendingOutput[] {
  return streams.flatMap((stream): PendingOutput[] => {
    const { lane, isSent } = stream;
    if (!isSent) return [];
    if (stream.kind === 'readings') {
      const { count, time } = stream.columns;
      const place = stream.isInput
        ? { input, bytes: null }
        : { input: -1, bytes: encodeReadings(stream.columns, 'fast') };
      return [{ lane, kind: 'readings', count, hours: hoursOf(time, count), ...place }];
    }
    return cut(stream.columns).map((columns) => ({
      lane,
      kind: 'windows',
      count: columns.count,
      hours: hoursOf(columns.start, columns.count),
      input: -1,
      bytes: encodeWindows(columns),
    }));
  });
}

function cut(columns: WindowColumns): WindowColumns[] {
  const out: WindowColumns[] = [];
  for (let from = 0; from < columns.count; ) {
    let to = from;
    for (let bytes = 0; to < columns.count && (to === from || bytes < windowBytesPerBlockMax); to++)
      bytes += columns.partial[to]?.byteLength ?? 0;
    out.push({
      count: to - from,
      series: columns.series.slice(from, to),
      start: columns.start.slice(from, to),
      delta: columns.delta.slice(from, to),
      partial: columns.partial.slice(from, to),
    });
    from = to;
  }
  return out;
}
