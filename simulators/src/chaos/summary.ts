/** What a chaos run comes down to, and the sum of many: the table of docs/reliability.md. Pure. */
import { formatDuration } from '@fogline/shared/units';
import type { SiteVerdict } from './cli-verdict.ts';
import type { FaultName } from './plan.ts';

export interface RunResult {
  /** Empty = passed. */
  readonly objections: readonly string[];
  readonly verdicts: readonly SiteVerdict[];
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  readonly starts: number;
  /** Ends that a failing storage caused. */
  readonly ownEnds: number;
  /** Processes that did not come up by themselves. */
  readonly helpless: number;
}

const counted = [
  'sent',
  'acked',
  'atHub',
  'lost',
  'declared',
  'resent',
  'duplicated',
  'wrong',
  'unexpected',
  'bucket',
] as const;

export type Counts = Readonly<Record<(typeof counted)[number], number>>;

export interface RunSummary extends Counts {
  readonly seed: number;
  readonly durationMs: number;
  readonly isPassed: boolean;
  readonly faults: RunResult['faults'];
  readonly starts: number;
  readonly ownEnds: number;
  readonly helpless: number;
}

export interface Total extends Counts {
  readonly runs: number;
  readonly failedSeeds: readonly number[];
  /** Of the faults, over all runs. */
  readonly durationMs: number;
  readonly faults: RunResult['faults'];
  readonly starts: number;
  readonly ownEnds: number;
  readonly helpless: number;
}

export function summaryOf(seed: number, durationMs: number, result: RunResult): RunSummary {
  const { objections, verdicts, faults, starts, ownEnds, helpless } = result;
  const isPassed = objections.length === 0;
  return { seed, durationMs, isPassed, faults, starts, ownEnds, helpless, ...sumOf(verdicts) };
}

export function totalOf(runs: readonly RunSummary[]): Total {
  const faults: Partial<Record<FaultName, number>> = {};
  for (const run of runs)
    for (const [name, times] of Object.entries(run.faults) as [FaultName, number][])
      faults[name] = (faults[name] ?? 0) + times;
  const sum = (pick: (run: RunSummary) => number): number => runs.reduce((total, run) => total + pick(run), 0);
  return {
    runs: runs.length,
    failedSeeds: runs.filter(({ isPassed }) => !isPassed).map(({ seed }) => seed),
    durationMs: sum(({ durationMs }) => durationMs),
    faults,
    starts: sum(({ starts }) => starts),
    ownEnds: sum(({ ownEnds }) => ownEnds),
    helpless: sum(({ helpless }) => helpless),
    ...sumOf(runs),
  };
}

function sumOf(parts: readonly Counts[]): Counts {
  const sums = counted.map((name) => [name, parts.reduce((sum, part) => sum + part[name], 0)]);
  return Object.fromEntries(sums) as Counts;
}

/** Markdown. */
export function tableOf(total: Total): string[] {
  const { runs, failedSeeds, faults, starts, ownEnds, helpless } = total;
  const times = (name: FaultName): string => number(faults[name] ?? 0);
  const passed = runs - failedSeeds.length;
  const rows = [
    ['faults', `${formatDuration(total.durationMs)} in ${number(runs)} runs, ${number(passed)} of them passed`],
    ['kill -9 of hub or agent, also while starting', `${times('kill')} (${number(starts)} starts)`],
    ['link: cut at a byte, inside a PUBACK or PUBLISH, stall, half-open, refuse, delay, slices', times('link')],
    ['database or log damaged: flipped bits, missing end', times('damage')],
    ['hub restored from a backup', `${times('restore')} (${times('backup')} backups)`],
    ["agent's wall clock set by up to 2 h", times('clock')],
    ['disk full for 2 to 12 s', times('full disk')],
    ['readings sent / acked / at the hub', [total.sent, total.acked, total.atHub].map(number).join(' / ')],
    ['acked and not at the hub', `${number(total.lost)}; declared ${number(total.declared)}`],
    ['not acked when a database was damaged, sent again by the device, and twice at the hub', number(total.resent)],
    [
      'otherwise twice at the hub, wrong, unexpected, or a bucket off by a bit',
      number(total.duplicated + total.wrong + total.unexpected + total.bucket),
    ],
    ['processes that needed a human', `${number(helpless)}; ${number(ownEnds)} ended by themselves and came back`],
  ];
  const seeds = failedSeeds.length === 0 ? [] : ['', `Not passed: seeds ${failedSeeds.join(', ')}`];
  return ['| | |', '|---|---|', ...rows.map((cells) => `| ${cells.join(' | ')} |`), ...seeds];
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
