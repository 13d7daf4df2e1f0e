/**
 * What `fogline-agent test` reads: recorded lines, or the rows of a CSV file as if each had been published as a JSON object. A line
 * that is not of the form ends the run with its number: a test on half of a recording would prove nothing.
 */
import { FoglineError } from '@fogline/shared/errors';
import { didYouMean } from '@fogline/shared/suggest';
import { CsvRow } from '../decoders/csv-row.ts';
import { compileTime, type ReadTime } from '../decoders/source-time.ts';

export interface RecordedMessage {
  /** In the recording, from 1. */
  readonly line: number;
  /** Undefined when the recording does not tell. */
  readonly arrivalMs: number | undefined;
  readonly topic: string;
  readonly payload: Uint8Array;
}

export const lineFormat =
  'One message a line: [TIME ]TOPIC PAYLOAD, as from mosquitto_sub -v or -F "%U %t %p"; TIME in seconds or ms since 1970, or ISO 8601 ' +
  'with a zone, on every line or on none. Empty lines and lines that begin with # are skipped.';

/** The messages of recorded lines. */
export async function* readLines(lines: AsyncIterable<string>): AsyncGenerator<RecordedMessage> {
  let line = 0;
  let isTimed: boolean | undefined;
  for await (const text of lines) {
    line++;
    if (text.trim() === '' || text.startsWith('#')) continue;
    const [first, rest] = cutAtSpace(text);
    const arrivalMs = arrivalOf(first);
    isTimed ??= arrivalMs !== undefined;
    if (isTimed && arrivalMs === undefined) {
      throw broken(line, `"${shown(first)}" is no time, but the first line begins with one`);
    }
    const [topic, payload] = isTimed ? cutAtSpace(rest) : [first, rest];
    if (topic === '' || payload === '') throw broken(line, 'there is no payload: write TOPIC PAYLOAD');
    yield { line, arrivalMs: isTimed ? arrivalMs : undefined, topic, payload: Buffer.from(payload) };
  }
}

export interface CsvRecording {
  /** `{column}` is replaced by that cell. */
  readonly topic: string;
  /** How the source of a topic reads CSV; undefined when it reads something else, and gets JSON. */
  csvFormOf(topic: string): { readonly hasHeader: boolean } | undefined;
}

/** The rows of a CSV text, as its source reads CSV; for all other sources as JSON objects named by the header. */
export async function* readCsv(
  lines: AsyncIterable<string>,
  { topic: pattern, csvFormOf }: CsvRecording,
): AsyncGenerator<RecordedMessage> {
  let line = 0;
  let table: CsvTable | undefined;
  const isHeaderless = csvFormOf(pattern)?.hasHeader === false;
  for await (const raw of lines) {
    line++;
    const text = line === 1 ? raw.replace(/^\uFEFF/, '') : raw;
    if (text.trim() === '') continue;
    if (isHeaderless) {
      yield { line, arrivalMs: undefined, topic: pattern, payload: Buffer.from(text) };
    } else if (table === undefined) {
      table = new CsvTable(text);
      checkTopic(pattern, table.header);
    } else {
      const row = table.rowOf(text, line);
      const topic = pattern.replaceAll(/\{([^{}]*)\}/g, (_whole, name: string) => row.get(name) ?? '');
      const form = csvFormOf(topic);
      const withHeader = form?.hasHeader === true ? `${table.headerText}\n${text}` : text;
      const payload = form === undefined ? objectOf(row, table.hasDecimalComma) : withHeader;
      yield { line, arrivalMs: undefined, topic, payload: Buffer.from(payload) };
    }
  }
}

class CsvTable {
  readonly headerText: string;
  readonly header: readonly string[];
  readonly #row: CsvRow;
  /** As is the custom where semicolons part the cells. */
  readonly hasDecimalComma: boolean;

  constructor(headerText: string) {
    this.headerText = headerText;
    const separator = separatorOf(headerText);
    this.hasDecimalComma = separator === ';';
    this.#row = new CsvRow(separator);
    // Columns without a name get one by their place.
    this.header = this.#cells(headerText, 1).map((name, index) => (name === '' ? `column_${index + 1}` : name));
  }

  rowOf(text: string, line: number): Map<string, string> {
    const cells = this.#cells(text, line);
    const { header } = this;
    if (cells.length > header.length) {
      throw broken(line, `has ${cells.length} cells, the header names ${header.length}`);
    }
    return new Map(header.map((name, index) => [name, cells[index] ?? '']));
  }

  #cells(text: string, line: number): string[] {
    const bytes = Buffer.from(text);
    if (!this.#row.split(bytes, 0, bytes.length)) throw broken(line, 'is no row of CSV: a quote does not end');
    return Array.from({ length: this.#row.cells }, (_, cell) => this.#row.text(bytes, cell));
  }
}

/** Unix seconds, with a fraction or not, milliseconds, or ISO 8601 with a zone. */
export function arrivalOf(text: string): number | undefined {
  const seconds = /^(\d{9,10})(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds !== null) return Number(seconds[1]) * 1_000 + Number((seconds[2] ?? '').padEnd(3, '0').slice(0, 3));
  return /^\d{12,13}$/.test(text) ? Number(text) : isoTime(text);
}

const isoTime = compileTime({ unit: 'iso' }) as ReadTime;

function cutAtSpace(text: string): [first: string, rest: string] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function checkTopic(pattern: string, header: readonly string[]): void {
  for (const [, name = ''] of pattern.matchAll(/\{([^{}]*)\}/g)) {
    if (header.includes(name)) continue;
    throw new FoglineError('usage', `--topic: the CSV file has no column "${name}"${didYouMean(name, header)}`);
  }
}

/** That of `, ; tab` which the header has most of. */
function separatorOf(header: string): string {
  const count = (separator: string) => header.split(separator).length;
  return [',', ';', '\t'].toSorted((a, b) => count(b) - count(a))[0] as string;
}

/** Numbers and booleans as such, everything else as text; an empty cell is absent. */
function objectOf(row: ReadonlyMap<string, string>, hasDecimalComma: boolean): string {
  const fields = [...row]
    .filter(([, cell]) => cell !== '')
    .map(([name, cell]) => {
      const plain = hasDecimalComma ? cell.replace(',', '.') : cell;
      const isLiteral = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false)$/.test(plain);
      return `${JSON.stringify(name)}:${isLiteral ? plain : JSON.stringify(cell)}`;
    });
  return `{${fields.join(',')}}`;
}

function broken(line: number, what: string): FoglineError {
  return new FoglineError('usage', `line ${line}: ${what}. ${lineFormat}`);
}

function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}…` : text;
}
