/** `fogline-agent run`: the agent as a service. */
import { defineCommand } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { createLogger, logLevels } from '@fogline/shared/log';
import { systemRandom } from '@fogline/shared/random';
import { openAgent } from '../agent.ts';
import { loadAgentConfig } from '../config.ts';
import { version } from './version.ts';

export const configOption = { type: 'text', help: 'the configuration', placeholder: 'FILE', isRequired: true } as const;

export const runCommand = defineCommand({
  name: 'run',
  summary: 'Runs the agent until SIGINT or SIGTERM.',
  options: {
    config: configOption,
    'log-level': { type: 'text', help: 'least severe lines to log', choices: logLevels, default: 'info' },
  },
  async run({ options, io }) {
    const log = createLogger({ name: 'agent', level: options['log-level'] });
    const { value: config, warnings } = loadAgentConfig({ file: options.config }, io.env);
    for (const warning of warnings) log.warn({}, warning);
    await runUntilSignal(async () => {
      const agent = await openAgent(config, {
        clock: systemClock,
        random: systemRandom,
        log,
        software: `fogline-agent ${version}`,
      });
      const http = agent.httpUrl === undefined ? '' : ` http=${agent.httpUrl}`;
      const write = agent.writeUrls.length === 0 ? '' : ` write=${agent.writeUrls.join(',')}`;
      io.out(`ready mqtt=${agent.mqttAddresses.join(',')}${write}${http}`);
      return {
        failed: agent.failed,
        async stop() {
          await agent.close();
          log.info({}, 'stopped; everything that was acked is on disk');
        },
      };
    });
  },
});
