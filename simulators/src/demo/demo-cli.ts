/** `fogline-sim demo`, which is what `npm start` runs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type CliIo, defineCommand } from '@fogline/shared/cli';
import { runUntilSignal } from '@fogline/shared/cli-signals';
import { systemClock } from '@fogline/shared/clock';
import { type Demo, startDemo } from './demo.ts';

export const demoCommand = defineCommand({
  name: 'demo',
  summary: 'Runs a hub, an agent and simulated devices on this machine, with a day of readings already there.',
  options: {
    port: { type: 'port', help: "of the hub's API; default 8080, or any free one" },
    'hub-mqtt-port': { type: 'port', help: 'that agents connect to; default 1884, or any free one' },
    'mqtt-port': { type: 'port', help: 'that devices publish to; default 1883, or any free one' },
    data: {
      type: 'text',
      placeholder: 'DIR',
      help: 'keep data here and go on with it at the next start; default: a folder that is removed at the end',
    },
    devices: { type: 'integer', default: 25, help: 'how many' },
    seed: { type: 'integer', default: 1, help: 'decides what they measure' },
    verbose: { type: 'flag', help: 'show the log lines of all processes' },
  },
  async run({ options, io }) {
    const kept = options.data === undefined ? undefined : resolve(options.data);
    const folder = kept ?? mkdtempSync(join(tmpdir(), 'fogline-demo-'));
    const startedMs = systemClock.monotonic();
    try {
      await runUntilSignal(async (stopping) => {
        io.out(`Starting a hub, an agent and ${options.devices} devices …`);
        const demo = await startDemo(
          {
            folder,
            httpPort: options.port,
            hubMqttPort: options['hub-mqtt-port'],
            mqttPort: options['mqtt-port'],
            devices: options.devices,
            seed: options.seed,
            clock: systemClock,
            onLog: (name, line) => {
              if (options.verbose) io.err(`${name}: ${line}`);
            },
          },
          stopping,
        );
        greet(
          demo,
          {
            seconds: (systemClock.monotonic() - startedMs) / 1000,
            devices: options.devices,
            folder,
            isKept: kept !== undefined,
          },
          io,
        );
        return { failed: demo.failed, stop: () => stop(demo, io) };
      });
    } finally {
      if (kept === undefined) rmSync(folder, { recursive: true, force: true });
    }
  },
});

interface Setting {
  readonly seconds: number;
  readonly devices: number;
  readonly folder: string;
  readonly isKept: boolean;
}

function greet(demo: Demo, { seconds, devices, folder, isKept }: Setting, io: CliIo): void {
  const [host, port] = demo.mqtt.split(':');
  const history = demo.isBackfillVisible
    ? `${demo.backfilled} earlier messages are at the hub already`
    : `${demo.backfilled} earlier messages are on their way to the hub`;
  io.out(`
Fogline is up after ${seconds.toFixed(1)} s: ${devices} devices → agent → hub, one message a second each.
${history}.

  Hub API     ${demo.httpUrl}/api/v1/series        also …/latest, …/data, …/agents, …/gaps, …/ledger
  Hub health  ${demo.httpUrl}/readyz               metrics: ${demo.httpUrl}/metrics
  Agent       ${demo.agentUrl}/status              metrics: ${demo.agentUrl}/metrics
  MQTT        devices publish to ${demo.mqtt}, agents connect to ${demo.hubMqtt}

The last hour of one device, by the minute:

  curl -sG ${demo.httpUrl}/api/v1/data --data-urlencode 'match=temperature{device="dev-0001"}' -d from=now-1h -d every=1m -d format=csv

A reading of your own, and what became of it:

  mosquitto_pub -h ${host} -p ${port} -q 1 -t sensors/my-desk/climate -m '{"ts":'$(date +%s000)',"temp":22.5,"hum":41}'
  curl -sG ${demo.httpUrl}/api/v1/latest --data-urlencode 'match={device="my-desk"}'

Data is in ${folder}${isKept ? '; the next start with this --data goes on with it' : ' and removed at the end; keep it with: npm start -- --data DIR'}.
Stop with Ctrl-C.`);
}

async function stop(demo: Demo, io: CliIo): Promise<void> {
  io.out('\nStopping: devices, then agent, then hub …');
  const startedMs = systemClock.monotonic();
  const { devices, killed } = await demo.stop();
  if (devices !== '') io.out(`Devices: ${devices}.`);
  const seconds = ((systemClock.monotonic() - startedMs) / 1000).toFixed(1);
  io.out(
    killed.length === 0
      ? `All stopped in order after ${seconds} s.`
      : `Stopped after ${seconds} s; ${killed.join(' and ')} did not stop and had to be killed.`,
  );
}
