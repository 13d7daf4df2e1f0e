/** The commands of `fogline-hub`: run the hub, manage its credentials, backups, alarms and quarantine; all but `run` work while it runs. */
import { defineCommand, type Program } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { listenAddress } from '@fogline/shared/config/fields';
import { FoglineError } from '@fogline/shared/errors';
import { createLogger, logLevels } from '@fogline/shared/log';
import { systemRandom } from '@fogline/shared/random';
import { alarmCommands } from './cli-alarms.ts';
import { credentialCommands } from './cli-credentials.ts';
import { configOf, place, withDatabase } from './cli-place.ts';
import { quarantineCommands } from './cli-quarantine.ts';
import { seriesCommands } from './cli-series.ts';
import type { HubListener } from './config.ts';
import { backupTo, openExisting } from './data-folder.ts';
import { version } from './version.ts';

function withListener(name: string, listener: HubListener, text: string | undefined): HubListener {
  if (text === undefined) return listener;
  const parsed = listenAddress('').safeParse(text);
  if (!parsed.success) throw new FoglineError('usage', `--${name}: ${parsed.error.issues[0]?.message ?? ''}`);
  return { ...listener, host: parsed.data.host ?? listener.host, port: parsed.data.port };
}

const run = defineCommand({
  name: 'run',
  summary: 'Runs the hub until SIGINT or SIGTERM.',
  options: {
    ...place,
    http: { type: 'text', help: 'address of the API', placeholder: 'HOST:PORT' },
    mqtt: { type: 'text', help: 'address that agents connect to', placeholder: 'HOST:PORT' },
    'log-level': { type: 'text', help: 'least severe lines to log', choices: logLevels, default: 'info' },
  },
  async run({ options, io }) {
    const { value, warnings } = configOf(options, io.env);
    const config = {
      ...value,
      http: withListener('http', value.http, options.http),
      mqtt: withListener('mqtt', value.mqtt, options.mqtt),
    };
    // Only this command needs the servers; the others start faster without.
    const { openHub } = await import('./hub.ts');
    const log = createLogger({ name: 'hub', level: options['log-level'] });
    for (const warning of warnings) log.warn({}, warning);
    await runUntilSignal(async () => {
      const hub = await openHub(config, { clock: systemClock, random: systemRandom, log });
      if (hub.firstToken !== undefined) {
        io.err(`first start: this is the admin token of the API; it is not shown again: ${hub.firstToken}`);
      }
      io.out(`ready http=${hub.httpUrl} mqtt=${hub.mqttAddress}`);
      return { stop: () => hub.close(), failed: hub.failed };
    });
  },
});

const backup = defineCommand({
  name: 'backup',
  summary: 'Writes a consistent copy of the database, while the hub runs.',
  options: place,
  positionals: [{ name: 'FILE', help: 'the copy; must not exist' }],
  run({ options, positionals: [file = ''], io }) {
    withDatabase(openExisting, options, io.env, (db) => backupTo(db, file));
    io.err(`${file} is a complete hub.db; to restore, put it into an empty data folder under that name`);
  },
});

export const program: Program = {
  name: 'fogline-hub',
  version,
  summary: 'Takes what agents send, keeps exact aggregates, answers queries.',
  commands: [run, ...credentialCommands, backup, ...alarmCommands, ...seriesCommands, ...quarantineCommands],
};
