/**
 * A CSV file as a source of messages: a header, one column of times, and one column per device (`wide`) or per metric of one
 * device. Read in pieces; rows go out in the order of the file. Empty cells are no readings; a cell that is no
 * number is an error with its line, because a replay that leaves things out proves nothing.
 */
import { FoglineError } from '@fogline/shared/errors';
import { type Lines, openLines } from './lines.ts';
import { type Message, type Source, topicFor } from './source.ts';

export type TimeUnit = 's' | 'ms' | 'iso';

export interface CsvOptions {
  readonly path: string;
  readonly timeColumn: string;
  readonly timeUnit: TimeUnit;
  /** Moves all times so that the first row falls on this one. */
  readonly startMs?: number;
  /** Columns are devices that all measure this metric; otherwise they are the metrics of `device`. */
  readonly layout: { readonly wideMetric: string } | { readonly device: string };
  /** MQTT topic with `{device}`. */
  readonly topic: string;
  readonly lanes: number;
  /** Rows to read at most. */
  readonly rowsMax: number;
}

/** Messages that may wait for a lane while the others go on. */
const waitingMax = 4_096;

/** Throws `usage` for a file that cannot be read or has no such columns. */
export function openCsvSource(options: CsvOptions): Source & { readonly firstMs: number; close(): void } {
  const file = openLines(options.path);
  const reader = new RowReader(file, options);
  const queues = Array.from({ length: options.lanes }, () => ({ messages: [] as Message[], head: 0 }));
  const laneOf = (column: number): number => column % options.lanes;
  /** Reads on until the lane has a message; false when it cannot. */
  const fill = (lane: number): boolean => {
    const own = queues[lane];
    while (own !== undefined && own.head >= own.messages.length) {
      own.messages = [];
      own.head = 0;
      if (queues.some((queue) => queue.messages.length - queue.head > waitingMax)) return false;
      const row = reader.next();
      if (row === undefined) return false;
      for (const { column, message } of row) queues[laneOf(column)]?.messages.push(message);
    }
    return own !== undefined;
  };
  const peek = (lane: number): Message | undefined => {
    const queue = fill(lane) ? queues[lane] : undefined;
    return queue?.messages[queue.head];
  };
  return {
    lanes: options.lanes,
    firstMs: peek(0)?.timeMs ?? 0,
    dueMs: (lane) => peek(lane)?.timeMs ?? (reader.isAtEnd ? Infinity : -Infinity),
    take(lane) {
      const message = peek(lane);
      const queue = queues[lane];
      if (message !== undefined && queue !== undefined) queue.head++;
      return message;
    },
    close: () => file.close(),
  };
}

interface Cell {
  readonly column: number;
  readonly message: Message;
}

/** Rows as messages. */
class RowReader {
  isAtEnd = false;
  readonly #lines: Lines;
  readonly #options: CsvOptions;
  readonly #names: readonly string[];
  readonly #timeAt: number;
  #line = 1;
  #shiftMs: number | undefined;

  constructor(lines: Lines, options: CsvOptions) {
    this.#lines = lines;
    this.#options = options;
    this.#names = splitRow(lines.next() ?? '');
    this.#timeAt = this.#names.indexOf(options.timeColumn);
    if (this.#timeAt < 0) {
      throw new FoglineError(
        'usage',
        `${options.path} has no column "${options.timeColumn}": it has ${this.#names.slice(0, 8).join(', ')}`,
      );
    }
    if (this.#names.length < 2) throw new FoglineError('usage', `${options.path} has no column of values`);
  }

  next(): Cell[] | undefined {
    const text = this.#line > this.#options.rowsMax ? undefined : this.#lines.next();
    if (text === undefined) {
      this.isAtEnd = true;
      return undefined;
    }
    this.#line++;
    if (text.trim() === '') return [];
    const cells = splitRow(text);
    if (cells.length !== this.#names.length)
      throw this.#wrong(`${cells.length} cells, the header has ${this.#names.length}`);
    const timeMs = this.#shifted(this.#timeOf(cells[this.#timeAt] ?? ''));
    const { layout } = this.#options;
    return 'device' in layout
      ? this.#asMetrics(layout.device, timeMs, cells)
      : this.#asDevices(layout.wideMetric, timeMs, cells);
  }

  #asDevices(metric: string, timeMs: number, cells: readonly string[]): Cell[] {
    const row: Cell[] = [];
    for (const [column, name] of this.#names.entries()) {
      const values = column === this.#timeAt ? undefined : this.#value(metric, cells[column] ?? '');
      if (values !== undefined) row.push({ column, message: this.#message(name, timeMs, values) });
    }
    return row;
  }

  #asMetrics(device: string, timeMs: number, cells: readonly string[]): Cell[] {
    const values = this.#names
      .map((name, column) => (column === this.#timeAt ? undefined : this.#value(name, cells[column] ?? '')))
      .filter((value) => value !== undefined);
    return values.length === 0 ? [] : [{ column: 0, message: this.#message(device, timeMs, values.join(',')) }];
  }

  #message(device: string, timeMs: number, values: string): Message {
    const topic = topicFor(this.#options.topic, device);
    return { device, timeMs, topic, payload: `{"ts":${timeMs},${values}}`, values: `{${values}}` };
  }

  #value(name: string, cell: string): string | undefined {
    const text = cell.trim();
    if (text === '') return undefined;
    const value = Number(text);
    if (!Number.isFinite(value)) throw this.#wrong(`"${text}" is no number`);
    return `${JSON.stringify(name)}:${value}`;
  }

  #timeOf(cell: string): number {
    const { timeUnit } = this.#options;
    const timeMs =
      timeUnit === 'iso' ? Date.parse(cell) : Number(cell === '' ? Number.NaN : cell) * (timeUnit === 's' ? 1000 : 1);
    if (!Number.isFinite(timeMs)) throw this.#wrong(`"${cell}" is no time in ${timeUnit}`);
    return Math.round(timeMs);
  }

  #shifted(timeMs: number): number {
    this.#shiftMs ??= this.#options.startMs === undefined ? 0 : this.#options.startMs - timeMs;
    return timeMs + this.#shiftMs;
  }

  #wrong(what: string): FoglineError {
    return new FoglineError('usage', `${this.#options.path}, line ${this.#line}: ${what}`);
  }
}

function splitRow(line: string): string[] {
  return line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
}
