/** `fogline-sim verify`. */
import { readFileSync } from 'node:fs';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { formatDuration } from '@fogline/shared/units';
import { type Finding, findingKinds } from './findings.ts';
import { openHubReader } from './hub-reader.ts';
import { readTruth } from './truth.ts';
import { type Verdict, verify } from './verify.ts';

export const verifyCommand = defineCommand({
  name: 'verify',
  summary:
    'Compares every reading and every roll-up bucket at a hub with what was sent; exit code 1 when anything differs.',
  options: {
    truth: { type: 'text', placeholder: 'FILE[,FILE…]', isRequired: true, help: 'what fleet or replay wrote' },
    hub: { type: 'text', placeholder: 'URL', default: 'http://127.0.0.1:8080', help: "the hub's API" },
    'token-file': {
      type: 'text',
      placeholder: 'FILE',
      help: 'file with a token for the API; beyond loopback the hub asks for one',
    },
    stream: { type: 'text', help: 'only this stream; default: the one that carries readings' },
    agent: { type: 'text', help: 'only this agent' },
    'metric-map': { type: 'text', placeholder: 'SENT=STORED,…', help: 'metrics that the agent gives another name' },
    wait: { type: 'duration', default: 0, help: 'keep looking for so long while something is missing' },
    json: { type: 'flag', help: 'one JSON object a line: findings, then the summary' },
  },
  async run({ options, io }) {
    if (!/^https?:\/\//.test(options.hub) || !URL.canParse(options.hub)) {
      throw new FoglineError('usage', `--hub: "${options.hub}" is not a URL such as http://127.0.0.1:8080`);
    }
    const token = options['token-file'] === undefined ? {} : { token: readToken(options['token-file']) };
    const verdict = await verify({
      truth: readTruth(options.truth.split(',')),
      hub: openHubReader({ url: options.hub, ...token }),
      metricMap: metricMap(options['metric-map'] ?? ''),
      waitMs: options.wait,
      clock: systemClock,
      ...(options.stream === undefined ? {} : { stream: options.stream }),
      ...(options.agent === undefined ? {} : { agent: options.agent }),
    });
    if (options.json) printJson(verdict, io);
    else print(verdict, io);
    return isClean(verdict) ? 0 : 1;
  },
});

/** A truth without a single reading proves nothing. */
function isClean(verdict: Verdict): boolean {
  return verdict.findings.isClean && verdict.sent > 0;
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new FoglineError('usage', `--token-file: cannot read ${path}: ${messageOf(error)}`, { cause: error });
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

function printJson(verdict: Verdict, io: CliIo): void {
  for (const finding of verdict.findings.examples) io.out(JSON.stringify(finding));
  const { findings, ...summary } = verdict;
  io.out(JSON.stringify({ ...summary, ...findings.counts, isClean: isClean(verdict) }));
}

function print(verdict: Verdict, io: CliIo): void {
  for (const finding of verdict.findings.examples) io.out(describe(finding));
  const { counts } = verdict.findings;
  const { series, sent, acked, atHub, buckets, undecidedBuckets } = verdict;
  const undecided = undecidedBuckets === 0 ? '' : `, ${undecidedBuckets} undecided`;
  io.out(
    `${series} series: ${sent} readings sent, ${acked} acked, ${atHub} at the hub; ${buckets} buckets compared${undecided}`,
  );
  io.out(
    `${findingKinds.map((kind) => `${kind} ${counts[kind]}`).join(', ')}: ${isClean(verdict) ? 'clean' : sent === 0 ? 'nothing to compare' : 'NOT CLEAN'}`,
  );
}

function describe({ kind, device, metric, timeMs, everyMs, field, expected, got }: Finding): string {
  const where = `${kind.padEnd(10)} ${device} ${metric} ${new Date(timeMs).toISOString()}`;
  const bucket = everyMs === undefined ? '' : ` bucket of ${formatDuration(everyMs)}, ${field ?? ''}`;
  return `${where}${bucket}: expected ${expected ?? 'nothing'}, got ${got ?? 'nothing'}`;
}
