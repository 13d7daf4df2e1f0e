/** `fogline-sim verify`. */
import { writeFileSync } from 'node:fs';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { formatDuration } from '@fogline/shared/units';
import { milliseconds } from '../fleet/expectations.ts';
import { type Finding, findingKinds } from './findings.ts';
import { hubOf, hubOptions } from './hub-cli.ts';
import { openHubReader } from './hub-reader.ts';
import { junitOf } from './junit.ts';
import { type Latencies, untilQuiet, watchLatency } from './latency.ts';
import { readTruth } from './truth.ts';
import { type Verdict, verify } from './verify.ts';

export const verifyCommand = defineCommand({
  name: 'verify',
  summary:
    'Compares every reading and every roll-up bucket at a hub with what was sent; exit code 1 when anything differs.',
  options: {
    truth: { type: 'text', placeholder: 'FILE[,FILE…]', isRequired: true, help: 'what fleet or replay wrote' },
    ...hubOptions,
    stream: { type: 'text', help: 'only this stream; default: the one that carries readings' },
    agent: { type: 'text', help: 'only this agent' },
    'metric-map': { type: 'text', placeholder: 'SENT=STORED,…', help: 'metrics that the agent gives another name' },
    wait: { type: 'duration', default: 0, help: 'keep looking for so long while something is missing' },
    damaged: {
      type: 'text',
      placeholder: 'MS[,MS…]',
      help: "wall times at which the agent's database was damaged: what waited for its ack then may be there once more",
    },
    'no-loss': { type: 'flag', help: 'what was declared lost is a finding as well' },
    watch: {
      type: 'duration',
      default: 0,
      help: 'first measure for so long how soon what is being sent can be queried; the verdict waits for the end of the fleet',
    },
    'latency-p99': { type: 'duration', help: 'at most, from publish to queryable; needs --watch' },
    junit: { type: 'text', placeholder: 'FILE', help: 'write the verdict as JUnit XML' },
    json: { type: 'flag', help: 'one JSON object a line: findings, then the summary' },
  },
  async run({ options, io }) {
    if (options['latency-p99'] !== undefined && options.watch === 0) {
      throw new FoglineError('usage', '--latency-p99 needs --watch');
    }
    const hub = hubOf(options);
    const startedMs = systemClock.monotonic();
    const files = options.truth.split(',');
    const queryableMs = options.watch === 0 ? undefined : await watchLatency(files, hub, options.watch, systemClock);
    // What was sent after the truth was read would be at the hub without being in it.
    if (options.watch > 0) await untilQuiet(files, options.wait, systemClock);
    const truth = readTruth(files, momentsOf(options.damaged));
    const verdict = await verify({
      truth: truth.series,
      hub: openHubReader(hub),
      metricMap: metricMap(options['metric-map'] ?? ''),
      waitMs: options.wait,
      clock: systemClock,
      ...(options.stream === undefined ? {} : { stream: options.stream }),
      ...(options.agent === undefined ? {} : { agent: options.agent }),
    });
    const whole: Whole = {
      verdict,
      ack: { p50Ms: truth.ackMs.quantile(0.5), p99Ms: truth.ackMs.quantile(0.99), count: truth.ackMs.count },
      queryable: queryableMs,
      queryableMsMax: options['latency-p99'],
      isLossAllowed: !options['no-loss'],
    };
    const seconds = (systemClock.monotonic() - startedMs) / 1000;
    if (options.junit !== undefined)
      writeReport(options.junit, junitOf('fogline-sim verify', claimsOf(whole), seconds));
    if (options.json) printJson(whole, io);
    else print(whole, io);
    return isClean(whole) ? 0 : 1;
  },
});

interface Whole {
  readonly verdict: Verdict;
  /** From publish to ack, where the truth file knows the wall time. */
  readonly ack: Latencies;
  /** From publish to queryable, where it was watched. */
  readonly queryable: Latencies | undefined;
  readonly queryableMsMax: number | undefined;
  readonly isLossAllowed: boolean;
}

/** A truth without a single reading proves nothing, nor does a latency that was never seen. */
function isClean(whole: Whole): boolean {
  return claimsOf(whole).every(({ failure }) => failure === undefined);
}

function claimsOf({ verdict, queryable, queryableMsMax, isLossAllowed }: Whole) {
  const { findings, sent } = verdict;
  const examples = findings.examples.map((finding) => describe(finding));
  const claim = (name: string, isMet: boolean, ...failure: readonly string[]) => (isMet ? { name } : { name, failure });
  return [
    claim('something was sent', sent > 0, 'the truth has no reading'),
    ...findingKinds.map((kind) => {
      const count = findings.counts[kind];
      return claim(
        `no reading or bucket is ${kind}`,
        count === 0,
        `${count} ${kind}`,
        ...examples.filter((line) => line.startsWith(`${kind} `)),
      );
    }),
    ...(isLossAllowed
      ? []
      : [claim('nothing is declared lost', findings.declared === 0, `${findings.declared} declared`)]),
    ...(queryable === undefined || queryableMsMax === undefined
      ? []
      : [
          claim(
            'latency p99',
            queryable.p99Ms <= queryableMsMax,
            `${milliseconds(queryable.p99Ms)} of ${queryable.count} probes`,
          ),
        ]),
  ];
}

function writeReport(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new FoglineError('storage_io', `--junit: cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function metricMap(text: string): Map<string, string> {
  const pairs = text.split(',').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [sent = '', stored = '', ...rest] = pair.split('=');
      if (sent !== '' && stored !== '' && rest.length === 0) return [sent, stored];
      throw new FoglineError('usage', `--metric-map: "${pair}" is not SENT=STORED`);
    }),
  );
}

function momentsOf(text: string | undefined): number[] {
  return (text ?? '')
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      if (!/^\d{1,15}$/.test(part)) throw new FoglineError('usage', `--damaged: "${part}" is no time in ms since 1970`);
      return Number(part);
    });
}

function printJson(whole: Whole, io: CliIo): void {
  const { verdict, ack, queryable } = whole;
  for (const finding of verdict.findings.examples) io.out(JSON.stringify(finding));
  const { findings, ...summary } = verdict;
  io.out(
    JSON.stringify({
      ...summary,
      ...findings.counts,
      declared: findings.declared,
      thinned: findings.thinned,
      resent: findings.resent,
      ackMs: ack.count === 0 ? null : ack,
      queryableMs: queryable ?? null,
      isClean: isClean(whole),
    }),
  );
}

function print(whole: Whole, io: CliIo): void {
  const { verdict, ack, queryable } = whole;
  for (const finding of verdict.findings.examples) io.out(describe(finding));
  const { counts, declared, thinned, resent } = verdict.findings;
  const { series, sent, acked, atHub, buckets, undecidedBuckets } = verdict;
  const again = resent === 0 ? '' : `, there again after damage ${resent}`;
  const undecided = undecidedBuckets === 0 ? '' : `, ${undecidedBuckets} undecided`;
  io.out(
    `${series} series: ${sent} readings sent, ${acked} acked, ${atHub} at the hub; ${buckets} buckets compared${undecided}`,
  );
  if (ack.count > 0) io.out(`publish to ack: ${latencyText(ack)}`);
  if (queryable !== undefined) io.out(`publish to queryable: ${latencyText(queryable)}`);
  io.out(
    `${findingKinds.map((kind) => `${kind} ${counts[kind]}`).join(', ')}; declared lost ${declared}, as minutes ${thinned}${again}: ` +
      (isClean(whole) ? 'clean' : sent === 0 ? 'nothing to compare' : 'NOT CLEAN'),
  );
}

function latencyText({ p50Ms, p99Ms, count }: Latencies): string {
  return `p50 ${milliseconds(p50Ms)}, p99 ${milliseconds(p99Ms)} of ${count}`;
}

function describe({ kind, device, metric, timeMs, everyMs, field, expected, got }: Finding): string {
  const where = `${kind.padEnd(12)} ${device} ${metric} ${new Date(timeMs).toISOString()}`;
  const bucket = everyMs === undefined ? '' : ` bucket of ${formatDuration(everyMs)}, ${field ?? ''}`;
  return `${where}${bucket}: expected ${expected ?? 'nothing'}, got ${got ?? 'nothing'}`;
}
