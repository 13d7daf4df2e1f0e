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
    lanes: source.lanes,
    dueMs: (lane) => source.dueMs(lane),
    take(lane) {
      const message = source.take(lane);
      if (message !== undefined && message.timeMs < startMs) taken++;
      return message;
    },
    settled(message) {
      source.settled?.(message);
      if (message.timeMs < startMs) settled++;
      look();
    },
  };
}
