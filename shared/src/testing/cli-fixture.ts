/** A small real program for cli.test.ts: one command for each way in which a command can end. */
import { defineCommand, main } from '../cli.ts';
import { runUntilSignal } from '../cli-signals.ts';
import { FoglineError } from '../errors.ts';

const fail = defineCommand({
  name: 'fail',
  summary: 'fails in the way it is told to',
  options: { code: { type: 'text', help: 'error code', choices: ['config_invalid', 'storage_io'], isRequired: true } },
  run({ options }) {
    throw new FoglineError(
      options.code,
      options.code === 'config_invalid' ? 'a.yaml:1:1: wrong\na.yaml:2:1: bad' : 'disk',
    );
  },
});

const bug = defineCommand({
  name: 'bug',
  summary: 'has a bug',
  run() {
    throw new TypeError('x is not a function');
  },
});

/** Prints more than a pipe holds, all at once. */
const flood = defineCommand({
  name: 'flood',
  summary: 'prints 50000 lines',
  run({ io }) {
    for (let line = 0; line < 50_000; line++) io.out(`line ${line} of many`);
  },
});

/** Prints `ready`, waits for a signal, prints `stopped`; leaves a handle open on purpose. */
const serve = defineCommand({
  name: 'serve',
  summary: 'runs until a signal',
  async run({ io }) {
    setInterval(() => {}, 1_000);
    await runUntilSignal(async () => {
      io.out('ready');
      return { stop: async () => io.out('stopped') };
    });
  },
});

await main({ name: 'fixture', version: '1.2.3', summary: 'a program for tests', commands: [fail, bug, flood, serve] });
