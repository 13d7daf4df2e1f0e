/** `fogline-agent check FILE`: what is wrong with a configuration, or else what it does. */
import { defineCommand } from '@fogline/shared/cli';
import { FoglineError } from '@fogline/shared/errors';
import { loadAgentConfig } from '../config.ts';
import { summaryOf } from './summary.ts';

export const checkCommand = defineCommand({
  name: 'check',
  summary: 'Checks a configuration and says what it does; every problem as file:line:column, exit code 78.',
  positionals: [{ name: 'FILE', help: 'the configuration' }],
  options: {
    strict: { type: 'flag', help: 'warnings are errors' },
    'skip-files': { type: 'flag', help: 'do not read secrets and certificates: for a check away from the gateway' },
    quiet: { type: 'flag', help: 'say nothing when all is well' },
  },
  run({ options, positionals: [file = ''], io }) {
    const { value, warnings } = loadAgentConfig({ file }, io.env, options['skip-files'] ? 'skip' : 'read');
    if (options.strict && warnings.length > 0) throw new FoglineError('config_invalid', warnings.join('\n'));
    for (const warning of warnings) io.err(`warning: ${warning}`);
    if (!options.quiet) for (const sentence of summaryOf(value)) io.out(sentence);
  },
});
