/** `fogline-sim replay`. */
import { defineCommand } from '@fogline/shared/cli';
import { FoglineError } from '@fogline/shared/errors';
import { openCsvSource } from './csv-source.ts';
import { parseInstant, parseSpeed, runSender, senderOptions } from './sender-cli.ts';

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
    speed: {
      type: 'text',
      placeholder: 'FACTOR',
      default: '0',
      help: 'seconds of source time per second; 0 = as fast as acks allow',
    },
    clients: { type: 'integer', default: 10, help: 'MQTT connections' },
    rows: { type: 'integer', help: 'stop after so many rows' },
    ...senderOptions,
  },
  async run({ options, positionals, io }) {
    if (options.clients < 1) throw new FoglineError('usage', '--clients: at least 1');
    const source = openCsvSource({
      path: positionals[0] ?? '',
      timeColumn: options['time-column'],
      timeUnit: options['time-unit'],
      layout: options['wide-devices'] ? { wideMetric: options.metric } : { device: options.device },
      topic: options.topic,
      lanes: options['wide-devices'] ? options.clients : 1,
      rowsMax: options.rows ?? Infinity,
      ...(options.start === undefined ? {} : { startMs: parseInstant('start', options.start) }),
    });
    const run = {
      source,
      startMs: source.firstMs,
      speed: parseSpeed(options.speed),
      seed: 0,
      close: () => source.close(),
    };
    return runSender(run, options, io);
  },
});
