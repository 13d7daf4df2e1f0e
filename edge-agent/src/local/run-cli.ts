/** `fogline-agent run`: reads the configuration and goes on as the service. */
import { defineCommand } from '@fogline/shared/cli';
import { handOver } from '@fogline/shared/cli-launch';
import { logLevels } from '@fogline/shared/log';
import { loadAgentConfig } from '../config.ts';
import { type ServiceWork, serve } from '../service.ts';

export const configOption = { type: 'text', help: 'the configuration', placeholder: 'FILE', isRequired: true } as const;

/** Many times what an agent needs, so small that the heap grows in small steps. */
const heapMib = 512;

export const runCommand = defineCommand({
  name: 'run',
  summary: 'Runs the agent until SIGINT or SIGTERM.',
  options: {
    config: configOption,
    'log-level': { type: 'text', help: 'least severe lines to log', choices: logLevels, default: 'info' },
  },
  async run({ options, io }) {
    const { value: config, warnings } = loadAgentConfig({ file: options.config }, io.env);
    const work: ServiceWork = { config, warnings, logLevel: options['log-level'] };
    handOver(new URL('../service.ts', import.meta.url), work, { heapMib });
    await serve(work, io);
  },
});
