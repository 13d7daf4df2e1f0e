/** `fogline-agent`: all its commands. */
import type { Program } from '@fogline/shared/cli';
import { ackCommand } from './local/ack-cli.ts';
import { historyCommands } from './local/history-cli.ts';
import { runCommand } from './local/run-cli.ts';
import { version } from './local/version.ts';
import { checkCommand } from './tools/check-cli.ts';
import { initCommand } from './tools/init-cli.ts';
import { schemaCommand } from './tools/schema-cli.ts';
import { tapCommand } from './tools/tap-cli.ts';
import { testCommand } from './tools/test-cli.ts';

export const program: Program = {
  name: 'fogline-agent',
  version,
  summary: 'Reads sensors, keeps everything safe while offline, syncs what matters to the hub.',
  commands: [
    runCommand,
    initCommand,
    checkCommand,
    testCommand,
    tapCommand,
    schemaCommand,
    ...historyCommands,
    ackCommand,
  ],
};
