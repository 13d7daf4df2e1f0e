/** Tables for people at a terminal: aligned, numbers to the right, nothing that a program should read. */
import type { Cell } from './output.ts';

const cellCharactersMax = 60;

/** Lines, each with its end. `rows` is gone through twice. */
export function* prettyTable(columns: readonly string[], rows: Iterable<readonly Cell[]>): Generator<string> {
  const widths = columns.map((column) => column.length);
  const isNumeric = columns.map(() => true);
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, shown(cell).length);
      if (typeof cell === 'string') isNumeric[index] = false;
    });
  }
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((text, index) =>
      isNumeric[index] === true ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0),
    );
    return `${padded.join('  ').trimEnd()}\n`;
  };
  yield line(columns);
  for (const row of rows) yield line(row.map(shown));
}

function shown(cell: Cell): string {
  if (cell === null) return '-';
  // A line break within a cell would break the table.
  const text = String(cell).replaceAll(/\p{Cc}/gu, ' ');
  return text.length <= cellCharactersMax ? text : `${text.slice(0, cellCharactersMax - 1)}…`;
}

export function prettyEnd({ complete, next }: { readonly complete: boolean; readonly next: string | null }): string {
  if (next !== null) return `more: repeat the question with cursor=${next}\n`;
  return complete ? 'complete\n' : 'not complete: format=json says in meta what is missing\n';
}
