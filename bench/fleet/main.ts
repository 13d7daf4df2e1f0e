/**
 * What the fleet simulator drives into a stock mosquitto (its defaults, no subscriber), beside mosquitto's own client in the same run: messages a
 * second, and CPU of the sender. A run counts when the broker itself has counted every message. At QoS 0 "sent" means handed to the
 * system, so the rate is taken to the moment at which the broker has them all, which it tells once a second.
 */
import { join } from 'node:path';
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { Command } from './command.ts';
import { Mosquitto } from './mosquitto.ts';

const options = {
  messages: { type: 'integer', default: 1_000_000, help: 'of each run' },
  connections: { type: 'integer', default: 50, help: 'of the fleet' },
  runs: { type: 'integer', default: 3, help: 'of each scenario' },
  scenario: {
    type: 'text',
    help: 'only these, with commas: fleet-0, fleet-1, truth-1, pub-0, pub-1, connections, devices',
  },
} as const;

type Options = ReturnType<typeof parseOptions<typeof options>>['values'];

const sim = new URL('../../simulators/src/cli.ts', import.meta.url).pathname;
const devices = 1_000;

interface Scenario {
  readonly title: string;
  run(broker: Mosquitto, values: Options, add: (figure: string, unit: string, sample: number) => void): Promise<void>;
}

interface Summary {
  readonly sent: number;
  readonly settled: number;
  readonly openMax: number;
  readonly disconnects: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly ackP50Ms: number | null;
  readonly ackP99Ms: number | null;
}

/** Flags of the fleet for `messages` of one reading each, as fast as the broker takes them. */
function flagsOf(broker: Mosquitto, { messages, connections }: Options, qos: number): string[] {
  const durationMs = Math.floor(messages / devices) * 10;
  const flags = {
    devices,
    metrics: 'temperature',
    interval: '10ms',
    duration: `${durationMs}ms`,
    speed: 0,
    inflight: 200,
  };
  return fleetArgs({ ...flags, qos, connections, mqtt: broker.url });
}

function fleetArgs(flags: Readonly<Record<string, string | number>>): string[] {
  return [sim, 'fleet', ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]), '--json'];
}

async function runFleet(args: readonly string[]): Promise<Summary> {
  const { out } = await new Command(process.execPath, args).ended;
  const summary = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Summary;
  if (summary.settled !== summary.sent) throw new Error(`${summary.sent - summary.settled} messages were not settled`);
  return summary;
}

function fleetScenario(title: string, qos: 0 | 1, hasTruth = false): Scenario {
  return {
    title,
    async run(broker, values, add) {
      const truth = hasTruth ? ['--truth', join(broker.folder, 'truth.ndjson')] : [];
      const before = broker.received;
      const startedMs = performance.now();
      const summary = await runFleet([...flagsOf(broker, values, qos), ...truth]);
      await broker.untilReceived(before + summary.sent);
      const seconds = qos === 0 ? (performance.now() - startedMs) / 1000 : summary.seconds;
      add('into the broker', 'messages/s', summary.sent / seconds);
      add('CPU of the sender', 'CPU-s/M', (summary.cpuSeconds / summary.sent) * 1e6);
      add('one core of the sender drives', 'messages/s', summary.sent / summary.cpuSeconds);
      add('RSS of the sender', 'MB', summary.rssBytes / 1e6);
      if (summary.ackP99Ms !== null) add('publish → PUBACK p99', 'ms', summary.ackP99Ms);
    },
  };
}

/** One message again and again over its one connection: with `-l` it leaves before its last messages are acked. */
function pubScenario(title: string, qos: 0 | 1): Scenario {
  return {
    title,
    async run(broker, { messages }, add) {
      const message = `-t sensors/dev-0001/climate -m '{"ts":1767225600000,"temp":21.53}'`;
      const where = `-h 127.0.0.1 -p ${broker.port} -q ${qos}`;
      const pub = `mosquitto_pub ${where} ${message} --repeat ${messages} --repeat-delay 0`;
      const before = broker.received;
      const startedMs = performance.now();
      const { error } = await new Command('bash', ['-c', `TIMEFORMAT='%U %S'; time ${pub}`]).ended;
      await broker.untilReceived(before + messages);
      const seconds = (performance.now() - startedMs) / 1000;
      const cpuSeconds = (error.trim().split('\n').at(-1) ?? '')
        .split(' ')
        .reduce((sum, text) => sum + Number(text), 0);
      add('into the broker', 'messages/s', messages / seconds);
      add('CPU of the sender', 'CPU-s/M', (cpuSeconds / messages) * 1e6);
      add('one core of the sender drives', 'messages/s', messages / cpuSeconds);
    },
  };
}

/** At a steady pace: what many connections and many devices cost. */
function pacedScenario(title: string, flags: Readonly<Record<string, string | number>>): Scenario {
  return {
    title,
    async run(broker, _values, add) {
      const summary = await runFleet(fleetArgs({ metrics: 'temperature', mqtt: broker.url, qos: 1, ...flags }));
      if (summary.disconnects > 0) throw new Error(`${summary.disconnects} connections were lost`);
      add('connections at once', '', summary.openMax);
      add('acked', 'messages/s', summary.settled / summary.seconds);
      add('publish → PUBACK p50', 'ms', summary.ackP50Ms ?? Number.NaN);
      add('publish → PUBACK p99', 'ms', summary.ackP99Ms ?? Number.NaN);
      add('RSS of the sender', 'MB', summary.rssBytes / 1e6);
      add('CPU of the sender', '% of a core', (summary.cpuSeconds / summary.seconds) * 100);
    },
  };
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'fleet-0': fleetScenario('fogline-sim fleet, QoS 0', 0),
  'pub-0': pubScenario('mosquitto_pub --repeat, QoS 0, its one connection', 0),
  'fleet-1': fleetScenario('fogline-sim fleet, QoS 1, window 200', 1),
  'pub-1': pubScenario('mosquitto_pub --repeat, QoS 1, its one connection', 1),
  'truth-1': fleetScenario('fogline-sim fleet, QoS 1, window 200, with a truth file', 1, true),
  connections: pacedScenario('10,000 devices, a connection each, one message in 10 s', {
    devices: 10_000,
    connections: 10_000,
    interval: '10s',
    duration: '30s',
  }),
  devices: pacedScenario('100,000 devices over 100 connections, one message in 10 s', {
    devices: 100_000,
    connections: 100,
    interval: '10s',
    duration: '30s',
    inflight: 200,
  }),
};

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const names = values.scenario?.split(',') ?? Object.keys(scenarios);
  const figures = new Figures();
  const broker = await Mosquitto.start();
  try {
    for (let round = 0; round < values.runs; round++) {
      for (const name of names) {
        const scenario = scenarios[name];
        if (scenario === undefined)
          throw new Error(`no scenario is called ${name}: ${Object.keys(scenarios).join(', ')}`);
        await scenario.run(broker, values, (figure, unit, sample) => figures.add(scenario.title, figure, unit, sample));
      }
    }
  } finally {
    await broker.stop();
  }
  const notes = {
    broker: `${broker.version}, its defaults, no subscriber`,
    message: 'one reading as JSON of about 34 B; the fleet computes every value, mosquitto_pub repeats one line',
    durable: 'nothing: the broker keeps messages in RAM and acks at once',
  };
  figures.print({ bench: 'fleet', command: ['npm run bench -- fleet', ...args].join(' '), notes });
}
