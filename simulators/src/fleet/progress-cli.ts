/** Progress of a long run: one line that is written over on a terminal, a plain line now and then where there is none. */
import type { CliIo } from '@fogline/shared/cli';
import type { Clock } from '@fogline/shared/clock';

const terminalMs = 500;
const plainMs = 10_000;

export interface Progress {
  /** Takes the line away, for what is printed next. */
  clear(): void;
  stop(): void;
}

/** `line` is asked for what to show. */
export function showProgress(io: CliIo, clock: Clock, line: () => string): Progress {
  const isTerminal = process.stderr.isTTY;
  const everyMs = isTerminal ? terminalMs : plainMs;
  let isShown = false;
  const show = (): void => {
    timer = clock.after('progress', everyMs, show);
    if (!isTerminal) {
      io.err(line());
      return;
    }
    isShown = true;
    process.stderr.write(`\r\x1b[K${line().slice(0, process.stderr.columns - 1)}`);
  };
  let timer = clock.after('progress', everyMs, show);
  const clear = (): void => {
    if (isShown) process.stderr.write('\r\x1b[K');
    isShown = false;
  };
  return {
    clear,
    stop() {
      timer.cancel();
      clear();
    },
  };
}
