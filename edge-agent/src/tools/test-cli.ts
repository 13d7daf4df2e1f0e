/** `fogline-agent test FILE`: what a configuration makes of recorded messages. */
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import type { AgentConfig } from '../agent-config.ts';
import { loadAgentConfig } from '../config.ts';
import { DryRun, Peek } from './dry-run.ts';
import { arrivalOf, type CsvRecording, lineFormat, type RecordedMessage, readCsv, readLines } from './recording.ts';

const startDefault = '2026-01-01T00:00:00Z';

export const testCommand = defineCommand({
  name: 'test',
  summary:
    'Runs a configuration on recorded messages from standard input, in virtual time; prints all outputs as NDJSON.',
  details: [
    lineFormat,
    'Time is that of the lines; else --every; else the time that the payloads tell. It never goes back. Nothing is listened to or sent.',
    'Kinds of lines: reading, window, action, rejected, and a summary at the end; streams that stay on the agent have "local": true. The same ' +
      'input always prints the same.',
  ],
  positionals: [{ name: 'FILE', help: 'the configuration' }],
  options: {
    csv: {
      type: 'text',
      placeholder: 'FILE',
      help: 'read the rows of this file instead; those whose source reads no CSV become JSON objects, named by the header',
    },
    topic: {
      type: 'text',
      placeholder: 'TOPIC',
      help: 'of the rows of --csv; {column} is replaced; not needed for a file that is a source of the configuration',
    },
    every: { type: 'duration', help: 'a message comes every so often, whatever times payloads tell' },
    start: { type: 'text', placeholder: 'TIME', help: `with --every: when the first comes [default: ${startDefault}]` },
  },
  async run({ options, positionals: [file = ''], io }) {
    const { value: config, warnings } = loadAgentConfig({ file }, io.env, 'skip');
    for (const warning of warnings) io.err(`warning: ${warning}`);
    const { csv, topic, every, start } = options;
    if (start !== undefined && every === undefined) throw new FoglineError('usage', '--start needs --every');
    const startMs = arrivalOf(start ?? startDefault);
    if (startMs === undefined) throw new FoglineError('usage', `--start: "${start}" is no time: write ${startDefault}`);
    if (csv === undefined && topic !== undefined) throw new FoglineError('usage', '--topic needs --csv');
    const peek = new Peek(config);
    const messages =
      csv === undefined ? readLines(inputLines()) : readCsv(inputLines(csv), csvRecording(config, peek, csv, topic));
    await testOn(messages, { config, peek, everyMs: every, startMs }, io);
  },
});

function csvRecording(config: AgentConfig, peek: Peek, file: string, topic: string | undefined): CsvRecording {
  const name = basename(file);
  const isSource = config.files.some(({ path }) => basename(path) === name);
  if (topic === undefined && !isSource) {
    throw new FoglineError('usage', `no source of the configuration reads a file ${name}: say --topic TOPIC`);
  }
  return {
    topic: topic ?? name,
    csvFormOf(of) {
      const parse = peek.parseOf(of);
      return parse?.format === 'csv' ? parse : undefined;
    },
  };
}

interface TestRun {
  readonly config: AgentConfig;
  readonly peek: Peek;
  readonly everyMs: number | undefined;
  readonly startMs: number;
}

async function testOn(
  messages: AsyncIterable<RecordedMessage>,
  { config, peek, everyMs, startMs }: TestRun,
  io: CliIo,
) {
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
async function* inputLines(file?: string): AsyncGenerator<string> {
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
