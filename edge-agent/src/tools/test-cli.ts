/** `fogline-agent test FILE`: what a configuration makes of recorded messages. */
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { loadAgentConfig } from '../config.ts';
import { DryRun, TimePeek } from './dry-run.ts';
import { arrivalOf, lineFormat, type RecordedMessage, readCsv, readLines } from './recording.ts';

const startDefault = '2026-01-01T00:00:00Z';

export const testCommand = defineCommand({
  name: 'test',
  summary:
    'Runs a configuration on recorded messages from standard input, in virtual time; prints all outputs as NDJSON.',
  details: [
    lineFormat,
    'Time is that of the lines; else --every; else the time that the payloads tell. It never goes back. Nothing is listened to or sent.',
    'Kinds of lines: reading, window, rejected, and a summary at the end. The same input always prints the same.',
  ],
  positionals: [{ name: 'FILE', help: 'the configuration' }],
  options: {
    csv: {
      type: 'text',
      placeholder: 'FILE',
      help: 'read this CSV file with a header instead: each row is a JSON object',
    },
    topic: { type: 'text', placeholder: 'TOPIC', help: 'with --csv: where rows are published; {column} is replaced' },
    every: { type: 'duration', help: 'a message comes every so often, whatever times payloads tell' },
    start: { type: 'text', placeholder: 'TIME', help: `with --every: when the first comes [default: ${startDefault}]` },
  },
  async run({ options, positionals: [file = ''], io }) {
    const { value: config, warnings } = loadAgentConfig({ file }, io.env, 'skip');
    for (const warning of warnings) io.err(`warning: ${warning}`);
    const { csv, topic, every, start } = options;
    if ((csv === undefined) !== (topic === undefined)) throw new FoglineError('usage', '--csv and --topic go together');
    if (start !== undefined && every === undefined) throw new FoglineError('usage', '--start needs --every');
    const startMs = arrivalOf(start ?? startDefault);
    if (startMs === undefined) throw new FoglineError('usage', `--start: "${start}" is no time: write ${startDefault}`);
    const messages = topic === undefined ? readLines(inputLines(csv)) : readCsv(inputLines(csv), topic);
    await testOn(messages, { config, everyMs: every, startMs }, io);
  },
});

interface TestRun {
  readonly config: ReturnType<typeof loadAgentConfig>['value'];
  readonly everyMs: number | undefined;
  readonly startMs: number;
}

async function testOn(messages: AsyncIterable<RecordedMessage>, { config, everyMs, startMs }: TestRun, io: CliIo) {
  const peek = new TimePeek(config);
  let run: DryRun | undefined;
  let index = 0;
  let nowMs = 0;
  try {
    for await (const message of messages) {
      const given = message.arrivalMs ?? (everyMs === undefined ? peek.timeOf(message) : startMs + everyMs * index);
      index++;
      if (given === undefined && run === undefined) {
        const why = 'neither the line nor its payload tells when it came';
        throw new FoglineError('usage', `line ${message.line}: ${why}: give --every 1s, or begin lines with a time`);
      }
      nowMs = Math.max(nowMs, given ?? nowMs);
      run ??= new DryRun(config, nowMs, (line) => io.out(JSON.stringify(line)));
      run.take(message, nowMs);
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
    }
    if (run === undefined) throw new FoglineError('usage', 'the recording is empty');
    run.finish();
  } finally {
    run?.close();
  }
}

/** Of standard input, or of a file. */
async function* inputLines(file: string | undefined): AsyncGenerator<string> {
  if (file === undefined) {
    yield* createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
    return;
  }
  try {
    const handle = await open(file);
    yield* handle.readLines();
  } catch (error) {
    throw new FoglineError('not_found', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
