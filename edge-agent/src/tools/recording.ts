/**
 * What `fogline-agent test` reads: recorded lines, or the rows of a CSV file as if each had been published as a JSON object. A line
 * that is not of the form ends the run with its number: a test on half of a recording would prove nothing.
 */
import { FoglineError } from '@fogline/shared/errors';
import { didYouMean } from '@fogline/shared/suggest';
import { parseSourceTime } from '../decoders/source-time.ts';

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

/** The rows of a CSV text with a header; `{column}` in the topic is replaced by that cell. */
export async function* readCsv(lines: AsyncIterable<string>, topicPattern: string): AsyncGenerator<RecordedMessage> {
  let line = 0;
  let header: readonly string[] | undefined;
  let separator = ',';
  for await (const text of lines) {
    line++;
    if (text.trim() === '') continue;
    if (header === undefined) {
      separator = separatorOf(text);
      header = namesOf(cellsOf(text.replace(/^\uFEFF/, ''), separator, line));
      checkTopic(topicPattern, header);
      continue;
    }
    const cells = cellsOf(text, separator, line);
    if (cells.length > header.length) {
      throw broken(line, `has ${cells.length} cells, the header names ${header.length}`);
    }
    const row = new Map(header.map((name, index) => [name, cells[index] ?? '']));
    const topic = topicPattern.replaceAll(/\{([^{}]*)\}/g, (_whole, name: string) => row.get(name) ?? '');
    yield { line, arrivalMs: undefined, topic, payload: Buffer.from(objectOf(row, separator === ';')) };
  }
}

/** Unix seconds, with a fraction or not, milliseconds, or ISO 8601 with a zone. */
export function arrivalOf(text: string): number | undefined {
  if (/^\d{9,10}(\.\d{1,9})?$/.test(text)) return parseSourceTime(Number(text), 's');
  return /^\d{12,13}$/.test(text) ? Number(text) : parseSourceTime(text, 'iso');
}

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

/** Columns without a name get one by their place. */
function namesOf(cells: readonly string[]): string[] {
  return cells.map((name, index) => (name === '' ? `column_${index + 1}` : name));
}

/** RFC 4180, without newlines in cells. */
function cellsOf(text: string, separator: string, line: number): string[] {
  const cells: string[] = [];
  for (let at = 0; at <= text.length; ) {
    let cell: string;
    let end: number;
    if (text[at] === '"') {
      const quoted = /"((?:[^"]|"")*)"/y;
      quoted.lastIndex = at;
      const match = quoted.exec(text);
      if (match === null) throw broken(line, 'a quote does not end');
      cell = (match[1] ?? '').replaceAll('""', '"');
      end = quoted.lastIndex;
      if (end < text.length && text[end] !== separator) throw broken(line, 'something follows a quoted cell');
    } else {
      const next = text.indexOf(separator, at);
      end = next < 0 ? text.length : next;
      cell = text.slice(at, end).trim();
    }
    cells.push(cell);
    at = end + 1;
  }
  return cells;
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
