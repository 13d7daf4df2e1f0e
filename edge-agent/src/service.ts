/** The agent as a service: what `fogline-agent run` is once its configuration is read. Loads nothing that only reading one needs. */
import { type CliIo, mainService } from '@fogline/shared/cli';
import { takeHandedOver } from '@fogline/shared/cli-launch';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { createLogger, type LogLevel } from '@fogline/shared/log';
import { systemRandom } from '@fogline/shared/random';
import { openAgent } from './agent.ts';
import type { AgentConfig } from './agent-config.ts';
import { version } from './local/version.ts';

export interface ServiceWork {
  readonly config: AgentConfig;
  /** Of the configuration, to be logged. */
  readonly warnings: readonly string[];
  readonly logLevel: LogLevel;
}

/** Runs until SIGINT or SIGTERM. */
export async function serve({ config, warnings, logLevel }: ServiceWork, io: CliIo): Promise<void> {
  const log = createLogger({ name: 'agent', level: logLevel });
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
}

if (import.meta.main) await mainService('fogline-agent', (io) => serve(takeHandedOver() as ServiceWork, io));
