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
      const at = (scheme: string): string[] =>
        agent.mqttUrls.filter((url) => url.startsWith(scheme)).map((url) => url.slice(scheme.length));
      const open = [
        ['mqtt', at('mqtt://')],
        ['mqtts', at('mqtts://')],
        ['write', agent.writeUrls],
        ['http', agent.httpUrl === undefined ? [] : [agent.httpUrl]],
      ] as const;
      const where = open.flatMap(([what, addresses]) =>
        addresses.length === 0 ? [] : [`${what}=${addresses.join(',')}`],
      );
      io.out([`ready agent=${config.agent}`, ...where].join(' '));
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
