/** The commands of `fogline-hub`: run the hub, manage its credentials, backups and quarantine; all but `run` work while it runs. */
import { resolve } from 'node:path';
import { defineCommand, type Program } from '@fogline/shared/cli';
import type { OptionSpecs } from '@fogline/shared/cli-options';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { listenAddress } from '@fogline/shared/config/fields';
import { FoglineError } from '@fogline/shared/errors';
import { createLogger, logLevels } from '@fogline/shared/log';
import { systemRandom } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import { didYouMean } from '@fogline/shared/suggest';
import { scopes } from './auth/access.ts';
import { type HubConfig, type HubListener, loadHubConfig, noHubFile } from './config.ts';
import { backupTo, copyCredentials, openDataFolder, openExisting } from './data-folder.ts';
import { AgentRegistry } from './fleet/agents.ts';
import { ApiTokens } from './fleet/tokens.ts';
import { isoOf } from './query/time.ts';
import { HubStore } from './store/hub-store.ts';
import { StoreReader } from './store/reader.ts';
import { version } from './version.ts';

const place = {
  config: { type: 'text', help: 'the configuration', placeholder: 'FILE' },
  data: { type: 'text', help: 'folder of the database; overrides the file', placeholder: 'DIR' },
} as const satisfies OptionSpecs;

interface PlaceOptions {
  readonly config: string | undefined;
  readonly data: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

function configOf(options: PlaceOptions, env: Env): { value: HubConfig; warnings: readonly string[] } {
  const source = options.config === undefined ? noHubFile(process.cwd()) : { file: options.config };
  const { value, warnings } = loadHubConfig(source, env);
  return { value: options.data === undefined ? value : { ...value, dataFolder: resolve(options.data) }, warnings };
}

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
      io.out(`ready http=${hub.httpUrl} mqtt=${hub.mqttAddress}`);
      return { stop: () => hub.close(), failed: hub.failed };
    });
  },
});

function withDatabase<Result>(
  open: (folder: string) => Database,
  options: PlaceOptions,
  env: Env,
  work: (db: Database) => Result,
): Result {
  const db = open(configOf(options, env).value.dataFolder);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** For what changes credentials: their copy changes with them. */
function withCredentials<Result>(
  open: (folder: string) => Database,
  options: PlaceOptions,
  env: Env,
  work: (db: Database) => Result,
): Result {
  return withDatabase(open, options, env, (db) => {
    const result = work(db);
    copyCredentials(configOf(options, env).value.dataFolder, db);
    return result;
  });
}

const agentAdd = defineCommand({
  name: 'agent add',
  summary: 'Enrols an agent and prints its token, once.',
  options: {
    ...place,
    rotate: { type: 'flag', help: 'a new token for an agent that exists; the old one stops working' },
  },
  positionals: [{ name: 'ID', help: 'letters, digits, ".", "_", "-"' }],
  run({ options, positionals: [id = ''], io }) {
    const token = withCredentials(openDataFolder, options, io.env, (db) => {
      const registry = new AgentRegistry(db, systemClock);
      return options.rotate ? registry.rotate(id) : registry.create(id);
    });
    io.out(token);
    io.err(`this is the token of agent "${id}"; it is not shown again`);
  },
});

const agentList = defineCommand({
  name: 'agent list',
  summary: 'Lists the agents and whether they may connect.',
  options: place,
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      for (const { agent, hasCredential, isRevoked, lastSeenMs } of new StoreReader(new HubStore(db)).listAgents()) {
        const access = isRevoked ? 'revoked' : hasCredential ? 'enrolled' : 'not enrolled';
        io.out([agent, access, lastSeenMs === undefined ? 'never seen' : `seen ${isoOf(lastSeenMs)}`].join('\t'));
      }
    });
  },
});

const agentRevoke = defineCommand({
  name: 'agent revoke',
  summary: 'Takes the token of an agent away; its data stays.',
  options: place,
  positionals: [{ name: 'ID', help: 'agent id' }],
  run({ options, positionals: [id = ''], io }) {
    withCredentials(openExisting, options, io.env, (db) => new AgentRegistry(db, systemClock).revoke(id));
    io.err(`agent "${id}" can no longer connect`);
  },
});

const tokenAdd = defineCommand({
  name: 'token add',
  summary: 'Makes a token for the API and prints it, once.',
  options: {
    ...place,
    scope: {
      type: 'text',
      help: `what it may do: ${scopes.join(', ')}, or several with commas`,
      placeholder: 'SCOPE',
      isRequired: true,
    },
  },
  positionals: [{ name: 'NAME', help: 'whom it is for' }],
  run({ options, positionals: [name = ''], io }) {
    const asked = options.scope.split(',').map((scope) => scope.trim());
    for (const scope of asked) {
      if (!scopes.some((known) => known === scope)) {
        throw new FoglineError(
          'usage',
          `--scope: "${scope}" is none of ${scopes.join(', ')}${didYouMean(scope, scopes)}`,
        );
      }
    }
    io.out(
      withCredentials(openDataFolder, options, io.env, (db) =>
        new ApiTokens(db, systemClock).create(name, [...new Set(asked)]),
      ),
    );
    io.err(`this is the token "${name}" with scope ${asked.join(', ')}; it is not shown again`);
  },
});

const tokenList = defineCommand({
  name: 'token list',
  summary: 'Lists the tokens of the API.',
  options: place,
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      for (const token of new ApiTokens(db, systemClock).list()) {
        io.out(
          [
            token.name,
            token.scopes.join(','),
            token.isRevoked ? 'revoked' : 'in force',
            `made ${isoOf(token.createdMs)}`,
          ].join('\t'),
        );
      }
    });
  },
});

const tokenRevoke = defineCommand({
  name: 'token revoke',
  summary: 'Takes a token of the API out of force, at once.',
  options: place,
  positionals: [{ name: 'NAME', help: 'as given to token add' }],
  run({ options, positionals: [name = ''], io }) {
    withCredentials(openExisting, options, io.env, (db) => new ApiTokens(db, systemClock).revoke(name));
    io.err(`token "${name}" is revoked`);
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

const quarantine = defineCommand({
  name: 'quarantine',
  summary: 'Lists messages that were acked but could not be applied, newest first.',
  options: { ...place, agent: { type: 'text', help: 'only of this agent', placeholder: 'ID' } },
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      const { agent } = options;
      const rows = new StoreReader(new HubStore(db)).quarantine(agent === undefined ? {} : { agent });
      for (const row of rows) {
        io.out(
          [
            row.id,
            isoOf(row.receivedMs),
            row.agent,
            row.kind,
            row.reason,
            `${row.times}x`,
            `${row.bytes}B`,
            row.detail,
          ].join('\t'),
        );
      }
      if (rows.length === 0) io.err('nothing is quarantined');
    });
  },
});

export const program: Program = {
  name: 'fogline-hub',
  version,
  summary: 'Takes what agents send, keeps exact aggregates, answers queries.',
  commands: [run, agentAdd, agentList, agentRevoke, tokenAdd, tokenList, tokenRevoke, backup, quarantine],
};
