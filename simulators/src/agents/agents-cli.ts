/** `fogline-sim agents`. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { AgentRegistry } from '@fogline/cloud-hub/fleet/agents';
import { openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { defineCommand } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { createLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { Crowd } from './crowd.ts';

const statusEveryMs = 1_000;
const agentsMax = 10_000;
/** Linux. */
const memoryFolder = '/dev/shm';

export const agentsCommand = defineCommand({
  name: 'agents',
  summary:
    'Many real agents in one process against a hub, for load and reconnect storms; tells every second how many are connected and what is queued.',
  options: {
    count: { type: 'integer', default: 1_000, help: 'how many agents' },
    hub: { type: 'text', placeholder: 'HOST:PORT', default: '127.0.0.1:1884', help: 'where agents connect' },
    'hub-data': { type: 'text', placeholder: 'DIR', isRequired: true, help: "the hub's data folder, to enrol them" },
    data: {
      type: 'text',
      placeholder: 'DIR',
      help: 'keep their databases and tokens here; default a folder that goes away, in memory where there is one',
    },
    interval: { type: 'duration', default: 10_000, help: 'mean time between two readings of an agent' },
    seed: { type: 'integer', default: 1, help: 'decides values and moments' },
  },
  async run({ options, io }) {
    const { count } = options;
    if (count < 1 || count > agentsMax) throw new FoglineError('usage', `--count: 1 to ${agentsMax}`);
    const [host = '', port = ''] = options.hub.split(':');
    if (host === '' || !/^\d+$/.test(port)) throw new FoglineError('usage', `--hub: "${options.hub}" is not HOST:PORT`);
    const folder = options.data === undefined ? mkdtempSync(join(home(), 'fogline-agents-')) : resolve(options.data);
    mkdirSync(folder, { recursive: true });
    const tokens = enrol(count, options['hub-data'], join(folder, 'tokens.json'));
    await runUntilSignal(async () => {
      const { promise: failed, reject } = Promise.withResolvers<never>();
      const crowd = new Crowd({
        tokens,
        hub: { host, port: Number(port) },
        folder,
        intervalMs: options.interval,
        clock: systemClock,
        random: new SeededRandom(options.seed),
        log: createLogger({ name: 'agents', level: 'error' }),
        onFatal: (agent, error) => reject(new FoglineError('storage_io', `${agent} failed`, { cause: error })),
      });
      const startedMs = systemClock.monotonic();
      const tell = (): void => {
        const atMs = Math.round(systemClock.monotonic() - startedMs);
        io.out(
          JSON.stringify({ atMs, wallMs: systemClock.now(), ...crowd.status(), rssBytes: process.memoryUsage().rss }),
        );
        timer = systemClock.after('crowd status', statusEveryMs, tell);
      };
      let timer = systemClock.after('crowd status', 0, tell);
      io.out(`ready agents=${count}`);
      // A line `rest` ends the readings and leaves the rest to drain.
      createInterface({ input: process.stdin }).on('line', (line) => {
        if (line === 'rest') crowd.rest();
      });
      return {
        failed,
        async stop() {
          timer.cancel();
          crowd.stop();
          if (options.data === undefined) rmSync(folder, { recursive: true, force: true });
        },
      };
    });
  },
});

/**
 * In memory: many agents have as many disks, and on one disk, in one process, they would wait for each other's fsyncs, so that what is
 * measured were that disk. What they do to be durable is the same there.
 */
function home(): string {
  return existsSync(memoryFolder) ? memoryFolder : tmpdir();
}

/** Tokens of earlier runs in this folder stay good. */
function enrol(count: number, hubData: string, file: string): Map<string, string> {
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {};
  const tokens = new Map<string, string>();
  const db = openHubDatabase(join(hubData, 'hub.db'));
  const registry = new AgentRegistry(db, systemClock);
  for (let index = 1; index <= count; index++) {
    const name = `crowd-${String(index).padStart(5, '0')}`;
    tokens.set(name, known[name] ?? registry.create(name));
  }
  db.close();
  writeFileSync(file, JSON.stringify(Object.fromEntries(tokens)), { mode: 0o600 });
  return tokens;
}
