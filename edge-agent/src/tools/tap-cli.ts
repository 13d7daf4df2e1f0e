/** `fogline-agent tap`: what each step of a running agent passes or drops, and why. */
import { defineCommand } from '@fogline/shared/cli';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { loadAgentConfig } from '../config.ts';
import { configOption } from '../local/run-cli.ts';

export const tapCommand = defineCommand({
  name: 'tap',
  summary: 'Watches live what each step of the pipelines passes or drops, and why, as NDJSON; ends with Ctrl-C.',
  details: [
    'Asks a running agent over its own HTTP endpoint, which "local: { http: 8081 }" in the configuration opens. A watcher that is too slow loses ' +
      'lines and is told how many: {"lost":12}.',
  ],
  options: {
    config: configOption,
    pipeline: { type: 'text', help: 'only this pipeline', placeholder: 'NAME' },
    device: { type: 'text', help: 'only this device', placeholder: 'NAME' },
    metric: { type: 'text', help: 'only this metric', placeholder: 'NAME' },
    lines: { type: 'integer', help: 'end after so many lines' },
  },
  async run({ options, io }) {
    const { value } = loadAgentConfig({ file: options.config }, io.env);
    const { local } = value;
    if (local === undefined || local.port === 0) {
      const why = local === undefined ? 'the agent has no HTTP endpoint' : 'its HTTP endpoint has no fixed port';
      throw new FoglineError(
        'config_invalid',
        `${options.config}: ${why}: add "local: { http: 8081 }" and start the agent again`,
      );
    }
    const host = ['0.0.0.0', '::'].includes(local.host) ? '127.0.0.1' : local.host;
    const url = new URL(`http://${host.includes(':') ? `[${host}]` : host}:${local.port}/tap`);
    for (const name of ['pipeline', 'device', 'metric'] as const) {
      const wanted = options[name];
      if (wanted !== undefined) url.searchParams.set(name, wanted);
    }
    await follow(url, local.token, options.lines ?? Number.POSITIVE_INFINITY, (line) => io.out(line));
  },
});

async function follow(url: URL, token: string | undefined, linesMax: number, out: (line: string) => void) {
  let response: Response;
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    response = await fetch(url, { headers });
  } catch (error) {
    const why = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    throw new FoglineError('unavailable', `no agent answers at ${url.origin}: ${why}`, { cause: error });
  }
  if (!response.ok || response.body === null) {
    throw new FoglineError(
      'unavailable',
      `the agent at ${url.origin} refuses: ${response.status} ${await response.text()}`,
    );
  }
  let lines = 0;
  let rest = '';
  // Leaving the loop ends the request.
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + text).split('\n');
    rest = whole.pop() ?? '';
    for (const line of whole) {
      out(line);
      if (++lines >= linesMax) return;
    }
  }
}
