import type { Source } from './source.ts';

/** The same source; `onDone` is called once when every message from before `startMs` is settled, at once if there is none. */
export function watchBackfill(source: Source, startMs: number, onDone: (messages: number) => void): Source {
  let taken = 0;
  let settled = 0;
  let isDone = false;
  const look = (): void => {
    if (isDone || settled < taken) return;
    for (let lane = 0; lane < source.lanes; lane++) if (source.dueMs(lane) < startMs) return;
    isDone = true;
    onDone(settled);
  };
  look();
  return {
    ...source,
    take(lane, out) {
      const isTaken = source.take(lane, out);
      if (isTaken && out.isReading && out.position < startMs) taken++;
      return isTaken;
    },
    settled(device, position) {
      source.settled?.(device, position);
      if (position < startMs) settled++;
      look();
    },
  };
}
