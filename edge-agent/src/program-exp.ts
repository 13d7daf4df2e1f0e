/** `fogline-agent`: all its commands. */
import { main, type Program } from '@fogline/shared/cli';
import { runCommand } from './local/run-cli-exp.ts';
import { version } from './local/version.ts';

const program: Program = {
  name: 'fogline-agent',
  version,
  summary: 'Reads sensors, keeps everything safe while offline, syncs what matters to the hub.',
  commands: [runCommand, ],
};

export const run = (): Promise<never> => main(program);

if (import.meta.main) await run();
