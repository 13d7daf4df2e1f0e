/** `fogline-agent ack`: acknowledges an alarm at the running agent, through its HTTP endpoint. */
import { defineCommand } from '@fogline/shared/cli';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { loadAgentConfig } from '../config.ts';
import { configOption } from './run-cli.ts';

const patienceMs = 10_000;

export const ackCommand = defineCommand({
  name: 'ack',
  summary: 'Acknowledges an active alarm, on all devices or on one.',
  options: {
    config: configOption,
    device: { type: 'text', help: 'only on this device', placeholder: 'NAME' },
    url: {
      type: 'text',
      help: 'address of the agent, where its configuration leaves the port open',
      placeholder: 'URL',
    },
  },
  positionals: [{ name: 'ALARM', help: 'name of the alarm' }],
  async run({ options: { config, device, url }, positionals: [alarm = ''], io }) {
    const { local } = loadAgentConfig({ file: config }, io.env).value;
    if (local === undefined)
      throw new FoglineError(
        'usage',
        'the agent has no HTTP endpoint: add "local: { http: 8081 }" to its configuration',
      );
    const base = url ?? `http://${local.host.includes(':') ? `[${local.host}]` : local.host}:${local.port}`;
    const response = await fetch(`${base}/alarms/ack`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(local.token === undefined ? {} : { authorization: `Bearer ${local.token}` }),
      },
      body: JSON.stringify({ alarm, ...(device === undefined ? {} : { device }) }),
      signal: AbortSignal.timeout(patienceMs),
    }).catch((error: unknown) => {
      throw new FoglineError('unavailable', `no agent answers at ${base}: ${messageOf(error)}`, { cause: error });
    });
    const answer = (await response.json()) as { acknowledged?: string[]; detail?: string };
    if (!response.ok)
      throw new FoglineError(response.status === 404 ? 'not_found' : 'unavailable', answer.detail ?? '');
    for (const acknowledged of answer.acknowledged ?? []) io.out(`acknowledged ${alarm} on ${acknowledged}`);
  },
});
