/** `fogline-sim link`. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { defineCommand } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError, messageOf } from '@fogline/shared/errors';
import { SeededRandom } from '@fogline/shared/random';
import { type Endpoint, openLink } from './link.ts';
import { type Action, parseScript, runRandomFaults, runScript } from './link-script.ts';

export const linkCommand = defineCommand({
  name: 'link',
  summary: 'A TCP proxy that delays, cuts, stalls and half-opens by script or seed, and counts bytes.',
  options: {
    listen: { type: 'text', placeholder: 'HOST:PORT', default: '127.0.0.1:0', help: 'where clients connect' },
    to: { type: 'text', placeholder: 'HOST:PORT', isRequired: true, help: 'where connections lead' },
    script: { type: 'text', placeholder: 'STEPS|FILE', help: 'for example "at 5s cut; every 10s±3s stall 2s"' },
    seed: { type: 'integer', help: 'random faults, the same for the same seed' },
    'stats-http': { type: 'text', placeholder: 'HOST:PORT', help: 'answers GET with the counters' },
  },
  async run({ options, io }) {
    if (options.script !== undefined && options.seed !== undefined) {
      throw new FoglineError('usage', 'give --script or --seed, not both');
    }
    const steps = options.script === undefined ? [] : parseScript(scriptText(options.script));
    const listen = endpoint('listen', options.listen);
    const link = await openLink({ listen, to: endpoint('to', options.to), clock: systemClock });
    const startedMs = systemClock.monotonic();
    const onAction = (action: Action): void => {
      io.out(JSON.stringify({ atMs: Math.round(systemClock.monotonic() - startedMs), ...action }));
    };
    const printStats = (): void => io.out(JSON.stringify(link.stats()));
    const random = new SeededRandom(options.seed ?? 0);
    await runUntilSignal(async () => {
      const stats =
        options['stats-http'] === undefined ? undefined : await serveStats(options['stats-http'], link.stats);
      const schedule =
        options.seed === undefined
          ? runScript(link, steps, systemClock, random, onAction)
          : runRandomFaults(link, systemClock, random, onAction);
      process.on('SIGUSR1', printStats);
      io.out(`ready link=${listen.host}:${link.port}${stats === undefined ? '' : ` stats=${stats.url}`}`);
      return {
        async stop() {
          schedule.stop();
          stats?.close();
          await link.close();
        },
      };
    });
    printStats();
  },
});

/** A file of that name, or the steps themselves. */
function scriptText(script: string): string {
  if (/\s/.test(script)) return script;
  try {
    return readFileSync(script, 'utf8');
  } catch (error) {
    throw new FoglineError('usage', `--script: cannot read ${script}: ${messageOf(error)}`, { cause: error });
  }
}

function endpoint(name: string, text: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new FoglineError('usage', `--${name}: "${text}" is not HOST:PORT such as 127.0.0.1:1884`);
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

async function serveStats(text: string, stats: () => object): Promise<{ readonly url: string; close(): void }> {
  const at = endpoint('stats-http', text);
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify(stats())}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new FoglineError('address_in_use', `cannot listen on ${text}: ${messageOf(error)}`)),
    );
    server.listen({ ...at }, resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : at.port;
  return { url: `http://${at.host}:${port}`, close: () => server.close() };
}
