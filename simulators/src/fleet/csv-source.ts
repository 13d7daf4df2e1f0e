/**
 * A CSV file as a source of messages: a header, one column of times, and one column per device (`wide`) or per metric of one
 * device. Read in pieces; rows go out in the order of the file. Empty cells are no readings; a cell that is no
 * number is an error with its line, because a replay that leaves things out proves nothing.
 */
import { FoglineError } from '@fogline/shared/errors';
import { type Lines, openLines } from './lines.ts';
import type { Outgoing, Source } from './source.ts';
import { topicFor } from './topics.ts';
import type { Qos } from './wire.ts';

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
  readonly qos: Qos;
  /** Rows to read at most. */
  readonly rowsMax: number;
}

interface Message {
  readonly device: number;
  readonly timeMs: number;
  readonly payload: string;
  /** Metric → value, as a JSON object. */
  readonly values: string;
}

/** Messages that may wait for a lane while the others go on. */
const waitingMax = 4_096;

/** Throws `usage` for a file that cannot be read or has no such columns. */
export function openCsvSource(options: CsvOptions): Source & { readonly firstMs: number; close(): void } {
  const file = openLines(options.path);
  const reader = new RowReader(file, options);
  const queues = Array.from({ length: options.lanes }, () => ({ messages: [] as Message[], head: 0 }));
  const laneOf = (device: number): number => device % options.lanes;
  /** Reads on until the lane has a message; false when it cannot. */
  const fill = (lane: number): boolean => {
    const own = queues[lane];
    while (own !== undefined && own.head >= own.messages.length) {
      own.messages = [];
      own.head = 0;
      if (queues.some((queue) => queue.messages.length - queue.head > waitingMax)) return false;
      const row = reader.next();
      if (row === undefined) return false;
      for (const message of row) queues[laneOf(message.device)]?.messages.push(message);
    }
    return own !== undefined;
  };
  const peek = (lane: number): Message | undefined => {
    const queue = fill(lane) ? queues[lane] : undefined;
    return queue?.messages[queue.head];
  };
  const names = reader.devices.map((name) => JSON.stringify(name).slice(1, -1));
  const topics = reader.devices.map((name) => topicFor(options.topic, name));
  return {
    lanes: options.lanes,
    devices: names.length,
    nameOf: (device) => reader.devices[device] ?? '',
    firstMs: peek(0)?.timeMs ?? 0,
    dueMs: (lane) => peek(lane)?.timeMs ?? (reader.isAtEnd ? Infinity : -Infinity),
    take(lane, out) {
      const message = peek(lane);
      const queue = queues[lane];
      if (message === undefined || queue === undefined) return false;
      queue.head++;
      write(out, message, topics[message.device] ?? '', names[message.device] ?? '', options.qos);
      return true;
    },
    writeName: (out, device) => out.text(names[device] ?? ''),
    close: () => file.close(),
  };
}

function write(out: Outgoing, message: Message, topic: string, name: string, qos: Qos): void {
  const { device, timeMs, payload, values } = message;
  out.device = device;
  out.timeMs = timeMs;
  out.position = timeMs;
  out.isReading = true;
  out.begin(qos);
  out.frames.text(topic);
  out.payload();
  out.frames.text(payload);
  out.end();
  out.truth?.text(`{"s":"${name}","t":${timeMs},"v":${values},"q":${qos}}\n`);
}

/** Rows as messages. */
class RowReader {
  isAtEnd = false;
  /** Names of all that a row can hold; in a wide file by column. */
  readonly devices: readonly string[];
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
    this.devices = 'device' in options.layout ? [options.layout.device] : this.#names;
  }

  next(): Message[] | undefined {
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
    return 'device' in layout ? this.#asMetrics(timeMs, cells) : this.#asDevices(layout.wideMetric, timeMs, cells);
  }

  #asDevices(metric: string, timeMs: number, cells: readonly string[]): Message[] {
    const row: Message[] = [];
    for (const column of this.#names.keys()) {
      const values = column === this.#timeAt ? undefined : this.#value(metric, cells[column] ?? '');
      if (values !== undefined) row.push(messageOf(column, timeMs, values));
    }
    return row;
  }

  #asMetrics(timeMs: number, cells: readonly string[]): Message[] {
    const values = this.#names
      .map((name, column) => (column === this.#timeAt ? undefined : this.#value(name, cells[column] ?? '')))
      .filter((value) => value !== undefined);
    return values.length === 0 ? [] : [messageOf(0, timeMs, values.join(','))];
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

function messageOf(device: number, timeMs: number, values: string): Message {
  return { device, timeMs, payload: `{"ts":${timeMs},${values}}`, values: `{${values}}` };
}
