/** `fogline-sim replay`. */
import { defineCommand } from '@fogline/shared/cli';
import { systemClock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { instantMs } from '../devices/fleet-config.ts';
import { openCsvSource } from './csv-source.ts';
import { createMqttWire } from './mqtt-connection.ts';
import { keepaliveSeconds, parseSpeed, runSender, senderOptions } from './sender-cli.ts';
import type { Qos } from './wire.ts';

const inflightMax = 30_000;
const nothingExpected = {
  acked: undefined,
  rate: undefined,
  latencyP50Ms: undefined,
  latencyP99Ms: undefined,
  reconnects: undefined,
};

export const replayCommand = defineCommand({
  name: 'replay',
  summary: 'Publishes a CSV file as if its devices were alive.',
  positionals: [{ name: 'FILE', help: 'CSV with a header: one column of times, the others devices or metrics' }],
  options: {
    'wide-devices': { type: 'flag', help: 'columns are devices (default: columns are metrics of one device)' },
    metric: { type: 'text', default: 'temperature', help: 'with --wide-devices: what they measure' },
    device: { type: 'text', default: 'replay', help: 'without --wide-devices: the device that all metrics belong to' },
    'time-column': { type: 'text', default: 'time', help: 'name of the column of times' },
    'time-unit': { type: 'text', choices: ['s', 'ms', 'iso'], default: 'ms', help: 'how times are written' },
    start: { type: 'text', placeholder: 'TIME', help: 'move all times so that the first row falls here' },
    topic: { type: 'text', default: 'sensors/{device}/climate', help: 'MQTT topic' },
    qos: { type: 'text', choices: ['0', '1', '2'], default: '1', help: 'MQTT quality of service' },
    speed: {
      type: 'text',
      placeholder: 'FACTOR',
      default: '0',
      help: 'seconds of source time per second; 0 = as fast as acks allow',
    },
    rows: { type: 'integer', help: 'stop after so many rows' },
    ...senderOptions,
    connections: { type: 'integer', default: 10, help: 'MQTT connections' },
  },
  async run({ options, positionals, io }) {
    const { connections, inflight = 20, username, mqtt: url = 'mqtt://127.0.0.1:1883' } = options;
    const password = options.password ?? io.env['FOGLINE_MQTT_PASSWORD'];
    if (connections < 1) throw new FoglineError('usage', '--connections: at least 1');
    if (inflight < 1 || inflight > inflightMax) {
      throw new FoglineError('usage', `--inflight: ${inflight} is not from 1 to ${inflightMax}`);
    }
    const source = openCsvSource({
      path: positionals[0] ?? '',
      timeColumn: options['time-column'],
      timeUnit: options['time-unit'],
      layout: options['wide-devices'] ? { wideMetric: options.metric } : { device: options.device },
      topic: options.topic,
      lanes: options['wide-devices'] ? connections : 1,
      qos: Number(options.qos) as Qos,
      rowsMax: options.rows ?? Infinity,
      ...(options.start === undefined ? {} : { startMs: startOption(options.start) }),
    });
    const wire = createMqttWire({
      url,
      keepaliveSeconds,
      clock: systemClock,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    return runSender(
      {
        source,
        wire,
        window: inflight,
        truth: options.truth,
        clientPrefix: options['client-prefix'],
        startMs: source.firstMs,
        durationMs: Infinity,
        speed: parseSpeed(options.speed),
        seed: 0,
        expect: nothingExpected,
        isJson: options.json,
        close: () => source.close(),
      },
      io,
    );
  },
});

function startOption(text: string): number {
  const ms = instantMs(text);
  if (ms === undefined) throw new FoglineError('usage', `--start: "${text}" is not a time: write 2026-01-01T00:00:00Z`);
  return ms;
}
