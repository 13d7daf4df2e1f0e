#!/usr/bin/env node
import { main } from '@fogline/shared/cli';
import { historyCommands } from './local/history-cli.ts';
import { runCommand } from './local/run-cli.ts';
import { version } from './local/version.ts';

await main({
  name: 'fogline-agent',
  version,
  summary: 'Reads sensors, keeps everything safe while offline, syncs what matters to the hub.',
  commands: [runCommand, ...historyCommands],
});
