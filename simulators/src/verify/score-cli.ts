/** `fogline-sim score`. */
import { writeFileSync } from 'node:fs';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { parseSharePpm } from '@fogline/shared/units';
import { milliseconds } from '../fleet/expectations.ts';
import { readTransitions } from './alarm-reader.ts';
import { hubOf, hubOptions } from './hub-cli.ts';
import { type Claim, junitOf } from './junit.ts';
import { type Score, type Scores, score, spansOf } from './score.ts';
import { readTruth, type TruthFault } from './truth.ts';

export const scoreCommand = defineCommand({
  name: 'score',
  summary: 'Compares the alarms at a hub with the faults that a fleet planted: precision, recall, delay.',
  options: {
    truth: { type: 'text', placeholder: 'FILE[,FILE…]', isRequired: true, help: 'what fleet wrote' },
    ...hubOptions,
    stream: { type: 'text', default: 'alarms', help: 'where the transitions are' },
    kinds: { type: 'text', placeholder: 'KIND,…', help: 'only these faults; default all' },
    alarms: { type: 'text', placeholder: 'NAME,…', help: 'only these alarms; default all' },
    map: {
      type: 'text',
      placeholder: 'KIND=NAME,…',
      help: 'which alarm is meant for which fault; default any for any on the same device',
    },
    grace: { type: 'duration', default: 60_000, help: 'an alarm that begins this long after a fault is still right' },
    'min-precision': { type: 'text', placeholder: 'SHARE', help: 'exit code 1 below it, as 90%' },
    'min-recall': { type: 'text', placeholder: 'SHARE', help: 'exit code 1 below it, as 90%' },
    'max-delay': { type: 'duration', help: 'exit code 1 when the median is above it' },
    junit: { type: 'text', placeholder: 'FILE', help: 'write the verdict as JUnit XML' },
    json: { type: 'flag', help: 'one JSON object a line: missed faults, false alarms, scores by kind, the whole' },
  },
  async run({ options, io }) {
    const kinds = options.kinds?.split(',');
    const names = options.alarms?.split(',');
    const startedMs = systemClock.monotonic();
    const faults = readTruth(options.truth.split(',')).faults.filter(({ kind }) => kinds?.includes(kind) ?? true);
    const transitions = await readTransitions(hubOf(options), options.stream, rangeOf(faults, options.grace));
    const alarms = spansOf(transitions.filter(({ alarm }) => names?.includes(alarm) ?? true));
    const scores = score({ faults, alarms, meant: meantOf(options.map ?? ''), graceMs: options.grace });
    const claims = claimsOf(scores, options);
    const seconds = (systemClock.monotonic() - startedMs) / 1000;
    if (options.junit !== undefined) writeFileSync(options.junit, junitOf('fogline-sim score', claims, seconds));
    const isMet = claims.every(({ failure }) => failure === undefined);
    if (options.json) printJson(scores, isMet, io);
    else print(scores, claims, io);
    return isMet ? 0 : 1;
  },
});

/** What alarms can belong to these faults: a day around them. */
function rangeOf(faults: readonly TruthFault[], graceMs: number): { readonly fromMs: number; readonly toMs: number } {
  const dayMs = 86_400_000;
  const fromMs = faults.reduce((least, { from }) => Math.min(least, from), Infinity);
  const toMs = faults.reduce((most, { to }) => Math.max(most, to), -Infinity);
  return faults.length === 0 ? { fromMs: 0, toMs: 1 } : { fromMs: fromMs - dayMs, toMs: toMs + graceMs + dayMs };
}

function meantOf(text: string): Map<string, string[]> {
  const meant = new Map<string, string[]>();
  for (const pair of text.split(',').filter((part) => part !== '')) {
    const [kind = '', alarm = '', ...rest] = pair.split('=');
    if (kind === '' || alarm === '' || rest.length > 0)
      throw new FoglineError('usage', `--map: "${pair}" is not KIND=NAME`);
    meant.set(kind, [...(meant.get(kind) ?? []), alarm]);
  }
  return meant;
}

interface Bounds {
  readonly 'min-precision': string | undefined;
  readonly 'min-recall': string | undefined;
  readonly 'max-delay': number | undefined;
}

/** Without a fault or an alarm, a share is no number and meets no bound. */
function claimsOf({ precision, all }: Scores, bounds: Bounds): Claim[] {
  const claims: Claim[] = [
    all.episodes > 0
      ? { name: 'faults were planted' }
      : { name: 'faults were planted', failure: ['the truth has no such fault'] },
  ];
  const check = (name: string, isMet: boolean, got: string): void => {
    claims.push(isMet ? { name } : { name, failure: [got] });
  };
  const [minPrecision, minRecall] = [shareOf('min-precision', bounds), shareOf('min-recall', bounds)];
  const maxDelayMs = bounds['max-delay'];
  if (minPrecision !== undefined)
    check(`precision ≥ ${percent(minPrecision)}`, precision >= minPrecision, percent(precision));
  if (minRecall !== undefined) check(`recall ≥ ${percent(minRecall)}`, all.recall >= minRecall, percent(all.recall));
  if (maxDelayMs !== undefined) {
    check(`median delay ≤ ${milliseconds(maxDelayMs)}`, all.delayP50Ms <= maxDelayMs, delayText(all.delayP50Ms));
  }
  return claims;
}

function shareOf(name: 'min-precision' | 'min-recall', bounds: Bounds): number | undefined {
  const text = bounds[name];
  if (text === undefined) return undefined;
  const parsed = parseSharePpm(text);
  if ('problem' in parsed) throw new FoglineError('usage', `--${name}: ${parsed.problem}`);
  return parsed.value / 1e6;
}

function printJson(scores: Scores, isMet: boolean, io: CliIo): void {
  const { missed, false: wrong, kinds, all, alarms, right, precision } = scores;
  for (const fault of missed) io.out(JSON.stringify({ missed: fault }));
  for (const span of wrong) io.out(JSON.stringify({ false: span }));
  for (const one of kinds) io.out(JSON.stringify(one));
  io.out(JSON.stringify({ ...all, alarms, right, precision, isMet }));
}

function print(
  { missed, false: wrong, kinds, all, alarms, right, precision }: Scores,
  claims: readonly Claim[],
  io: CliIo,
): void {
  for (const { kind, device, from } of missed) io.out(`missed  ${kind} of ${device} ${new Date(from).toISOString()}`);
  for (const { alarm, device, fromMs } of wrong)
    io.out(`false   ${alarm} of ${device} ${new Date(fromMs).toISOString()}`);
  const rows = [['fault', 'episodes', 'detected', 'recall', 'delay p50', 'p99'], ...[...kinds, all].map(rowOf)];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length))) ?? [];
  for (const row of rows)
    io.out(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  io.out(`${alarms} alarms, ${right} right: precision ${percent(precision)}`);
  for (const { name, failure } of claims) if (failure !== undefined) io.out(`FAILED: ${name}: ${failure[0]}`);
}

function rowOf({ kind, episodes, detected, recall, delayP50Ms, delayP99Ms }: Score): string[] {
  return [kind, String(episodes), String(detected), percent(recall), delayText(delayP50Ms), delayText(delayP99Ms)];
}

function percent(share: number): string {
  return Number.isNaN(share) ? 'none' : `${Math.floor(share * 1e4) / 100}%`;
}

function delayText(ms: number): string {
  return Number.isNaN(ms) ? 'none' : milliseconds(ms);
}
