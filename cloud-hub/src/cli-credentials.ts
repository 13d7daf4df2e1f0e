/** Commands about who may: agents, tokens of the API, and the audit log. All of them work while the hub runs. */
import { defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { didYouMean } from '@fogline/shared/suggest';
import { scopes } from './auth/access.ts';
import { configOf, place, withAudit, withCredentials, withDatabase } from './cli-place.ts';
import { openDataFolder, openExisting } from './data-folder.ts';
import { AgentRegistry } from './fleet/agents.ts';
import { ApiTokens } from './fleet/tokens.ts';
import { isoOf } from './query/time.ts';
import { HubStore } from './store/hub-store.ts';
import { StoreReader } from './store/reader.ts';

const agentId = { name: 'ID', help: 'agent id' };

const agentAdd = defineCommand({
  name: 'agent add',
  summary: 'Enrols an agent and prints its token, once.',
  options: {
    ...place,
    site: { type: 'text', help: 'where it stands: what tokens of the API may be limited to', placeholder: 'SITE' },
    rotate: { type: 'flag', help: 'a new token for an agent that exists; the old one stops working' },
  },
  positionals: [{ name: 'ID', help: 'letters, digits, ".", "_", "-"' }],
  run({ options, positionals: [id = ''], io }) {
    const { site } = options;
    const what = options.rotate ? 'agent add --rotate' : 'agent add';
    const target = `agent=${id}${site === undefined ? '' : ` site=${site}`}`;
    const token = withCredentials(openDataFolder, { options, env: io.env, what, target }, (db) => {
      const registry = new AgentRegistry(db, systemClock);
      const issued = options.rotate ? registry.rotate(id) : registry.create(id);
      if (site !== undefined) registry.setSite(id, site);
      return issued;
    });
    io.out(token);
    io.err(`this is the token of agent "${id}"; it is not shown again`);
  },
});

const agentSite = defineCommand({
  name: 'agent site',
  summary: 'Says where an agent stands; "" takes it away.',
  options: place,
  positionals: [agentId, { name: 'SITE', help: 'letters, digits, ".", "_", "-"' }],
  run({ options, positionals: [id = '', site = ''], io }) {
    const target = `agent=${id} site=${site}`;
    withCredentials(openExisting, { options, env: io.env, what: 'agent site', target }, (db) =>
      new AgentRegistry(db, systemClock).setSite(id, site),
    );
    io.err(site === '' ? `agent "${id}" belongs to no site` : `agent "${id}" belongs to site ${site}`);
  },
});

const agentList = defineCommand({
  name: 'agent list',
  summary: 'Lists the agents and whether they may connect.',
  options: place,
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      for (const info of new StoreReader(new HubStore(db)).listAgents()) {
        const { agent, site, hasCredential, isRevoked, lastSeenMs } = info;
        const access = isRevoked ? 'revoked' : hasCredential ? 'enrolled' : 'not enrolled';
        const seen = lastSeenMs === undefined ? 'never seen' : `seen ${isoOf(lastSeenMs)}`;
        io.out([agent, access, seen, ...(site === '' ? [] : [`site ${site}`])].join('\t'));
      }
    });
  },
});

const agentRevoke = defineCommand({
  name: 'agent revoke',
  summary: 'Takes the token of an agent away; its data stays.',
  options: place,
  positionals: [agentId],
  run({ options, positionals: [id = ''], io }) {
    withCredentials(openExisting, { options, env: io.env, what: 'agent revoke', target: `agent=${id}` }, (db) =>
      new AgentRegistry(db, systemClock).revoke(id),
    );
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
    site: { type: 'text', help: 'only with agents of this site, or of several with commas', placeholder: 'SITE' },
  },
  positionals: [{ name: 'NAME', help: 'whom it is for' }],
  run({ options, positionals: [name = ''], io }) {
    const asked = listOf(options.scope);
    const sites = options.site === undefined ? undefined : listOf(options.site);
    for (const scope of asked) {
      if (scopes.some((known) => known === scope)) continue;
      throw new FoglineError(
        'usage',
        `--scope: "${scope}" is none of ${scopes.join(', ')}${didYouMean(scope, scopes)}`,
      );
    }
    const limit = sites === undefined ? '' : `, at ${sites.join(', ')}`;
    const target = `name=${name} scopes=${asked.join(',')}${sites === undefined ? '' : ` sites=${sites.join(',')}`}`;
    io.out(
      withCredentials(openDataFolder, { options, env: io.env, what: 'token add', target }, (db) =>
        new ApiTokens(db, systemClock).create(name, { scopes: asked, sites }),
      ),
    );
    io.err(`this is the token "${name}" with scope ${asked.join(', ')}${limit}; it is not shown again`);
  },
});

function listOf(text: string): string[] {
  return [...new Set(text.split(',').map((part) => part.trim()))];
}

const tokenList = defineCommand({
  name: 'token list',
  summary: 'Lists the tokens of the API.',
  options: place,
  run({ options, io }) {
    withDatabase(openExisting, options, io.env, (db) => {
      for (const { name, scopes: may, sites, createdMs, revokedMs } of new ApiTokens(db, systemClock).list()) {
        const state = revokedMs === undefined ? 'in force' : `revoked ${isoOf(revokedMs)}`;
        io.out([name, may.join(','), sites?.join(',') ?? 'all sites', state, `made ${isoOf(createdMs)}`].join('\t'));
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
    withCredentials(openExisting, { options, env: io.env, what: 'token revoke', target: `name=${name}` }, (db) =>
      new ApiTokens(db, systemClock).revoke(name),
    );
    io.err(`token "${name}" is revoked`);
  },
});

const audit = defineCommand({
  name: 'audit',
  summary: 'Lists who did what and who was refused, newest first.',
  options: { ...place, limit: { type: 'integer', help: 'most lines', placeholder: 'N', default: 100, min: 1 } },
  run({ options, io }) {
    const { dataFolder } = configOf(options, io.env).value;
    openExisting(dataFolder).close();
    const lines = withAudit(dataFolder, (log) => log.list({ limit: options.limit }));
    for (const { atMs, who, from, what, target, outcome, times } of lines) {
      io.out([isoOf(atMs), who, from, what, target, outcome, `${times}x`].join('\t'));
    }
    if (lines.length === 0) io.err('nothing was noted yet');
  },
});

export const credentialCommands = [
  agentAdd,
  agentSite,
  agentList,
  agentRevoke,
  tokenAdd,
  tokenList,
  tokenRevoke,
  audit,
];
