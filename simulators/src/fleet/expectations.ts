/** What a run must reach, and whether it did: the rows of a table, and the exit code. */
import { formatDuration } from '@fogline/shared/units';
import type { Expectations } from '../devices/fleet-plan.ts';

export interface Reached {
  readonly sent: number;
  readonly settled: number;
  readonly seconds: number;
  readonly disconnects: number;
  /** NaN when nothing was acked. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
}

export interface Judgement {
  readonly what: string;
  readonly wanted: string;
  readonly got: string;
  readonly isMet: boolean;
}

export function judge(expect: Expectations, reached: Reached): Judgement[] {
  const { sent, settled, seconds, disconnects, ackP50Ms, ackP99Ms } = reached;
  const rows: Judgement[] = [];
  const check = (
    what: string,
    bound: number | undefined,
    sense: '≥' | '≤',
    value: number,
    show: (x: number) => string,
  ) => {
    if (bound === undefined) return;
    const isMet = sense === '≥' ? value >= bound : value <= bound;
    rows.push({ what, wanted: `${sense} ${show(bound)}`, got: Number.isNaN(value) ? 'nothing' : show(value), isMet });
  };
  check('acked', expect.acked, '≥', sent === 0 ? Number.NaN : settled / sent, percent);
  check('rate', expect.rate, '≥', settled / seconds, (x) => `${Math.floor(x)}/s`);
  check('latency p50', expect.latencyP50Ms, '≤', ackP50Ms, milliseconds);
  check('latency p99', expect.latencyP99Ms, '≤', ackP99Ms, milliseconds);
  check('reconnects', expect.reconnects, '≤', disconnects, String);
  return rows;
}

/** Aligned lines, the header first. */
export function tableOf(rows: readonly Judgement[]): string[] {
  const cells = [
    ['expected', 'wanted', 'got', ''],
    ...rows.map((row) => [row.what, row.wanted, row.got, row.isMet ? 'ok' : 'FAILED']),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Never rounded up to the whole. */
function percent(share: number): string {
  return `${Math.floor(share * 1e5) / 1e3}%`;
}

export function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(2)}ms` : formatDuration(Math.round(ms));
}
