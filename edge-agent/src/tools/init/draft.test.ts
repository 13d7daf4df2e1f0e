import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../../config.ts';
import { DryRun } from '../dry-run.ts';
import type { OutputLine } from '../output-lines.ts';
import { draftConfig } from './draft.ts';
import { Observations } from './observations.ts';

const broker = { url: 'mqtt://127.0.0.1:1883', username: undefined };
const start = Date.UTC(2026, 0, 1);

type Message = readonly [topic: string, payload: string, atMs: number, isRetained?: boolean];

function draft(messages: readonly Message[], address: Parameters<typeof draftConfig>[1] = broker): string | undefined {
  const seen = new Observations();
  for (const [topic, payload, atMs, isRetained] of messages) seen.take(topic, Buffer.from(payload), atMs, isRetained);
  return draftConfig(seen, address, 60_000);
}

function load(text: string) {
  return loadAgentConfig({ text, name: 'draft.yaml', folder: '/' }, {});
}

/** What the drafted configuration makes of the messages that it was drafted from. */
function tried(text: string, messages: readonly Message[]): OutputLine[] {
  const out: OutputLine[] = [];
  const run = new DryRun(load(text).value, start, (line) => out.push(line));
  for (const [index, [topic, payload, arrivalMs]] of messages.entries()) {
    run.take({ line: index + 1, arrivalMs, topic, payload: Buffer.from(payload) }, arrivalMs);
  }
  run.finish();
  run.close();
  return out;
}

function fleet(
  devices: number,
  messages: number,
  payload: (device: number, index: number, atMs: number) => [string, unknown],
): Message[] {
  return Array.from({ length: devices * messages }, (_, row): Message => {
    const [device, index] = [row % devices, Math.floor(row / devices)];
    const atMs = start + index * 1_000 + device;
    const [topic, value] = payload(device, index, atMs);
    return [topic, typeof value === 'string' ? value : JSON.stringify(value), atMs];
  });
}

describe('of a fleet', () => {
  const messages = [
    ...fleet(3, 40, (device, index, atMs) => [
      `sensors/d${device}/climate`,
      {
        ts: atMs - 20,
        temp: Math.round((20 + 0.1 * Math.sin(index)) * 100) / 100,
        hum: 40 + (index % 2),
        on: index % 3 === 0,
        mode: 'eco',
        nested: { wifi: -60, list: [1] },
      },
    ]),
    ...fleet(2, 40, (device, index, atMs) => [
      `meters/m${device}`,
      { time: Math.floor(atMs / 1_000), kwh: index, watts: 5 },
    ]),
    ...fleet(4, 5, (device, index) => [
      `home/${device % 2 === 0 ? 'hall' : 'attic'}/${device < 2 ? 'temperature' : 'humidity'}`,
      `${20 + index}.5`,
    ]),
    ...fleet(2, 3, (device) => [`relay/r${device}`, 'ON']),
    ['junk', '\u0001\u0002', start] as Message,
  ];
  const text = draft(messages) ?? '';

  it('finds patterns, types, the time and its unit, counters, and deadbands from the noise', () => {
    expect(load(text).value.sources.map(({ name, topics, parse }) => [name, topics, parse])).toEqual([
      ['home', ['home/{device}/{metric}'], { format: 'value', metrics: 'auto' }],
      [
        'meters',
        ['meters/{device}'],
        {
          format: 'json',
          metrics: [
            { name: 'kwh', field: 'kwh', unit: '', type: 'number' },
            { name: 'watts', field: 'watts', unit: '', type: 'number' },
          ],
          time: { fields: ['time'], unit: 's', maxSkewMs: 600_000 },
        },
      ],
      [
        'relay',
        ['relay/{device}'],
        { format: 'value', metrics: [{ name: 'relay', field: 'relay', unit: '', type: 'text' }] },
      ],
      [
        'climate',
        ['sensors/{device}/climate'],
        {
          format: 'json',
          metrics: [
            { name: 'temp', field: 'temp', unit: '', type: 'number' },
            { name: 'hum', field: 'hum', unit: '', type: 'number' },
            { name: 'on', field: 'on', unit: '', type: 'boolean' },
            { name: 'mode', field: 'mode', unit: '', type: 'text' },
            { name: 'wifi', field: 'nested.wifi', unit: '', type: 'number' },
          ],
          time: { fields: ['ts'], unit: 'ms', maxSkewMs: 600_000 },
        },
      ],
    ]);
    expect(load(text).value.pipelines.find(({ name }) => name === 'climate_changes')?.deadband?.thresholds).toEqual({
      temp: 0.1,
      hum: 1,
    });
    expect(text).toContain('kwh: {} # 0 to 39, always growing');
    expect(text).toContain('# not taken: nested.list, ');
    expect(text).toContain('# left out: junk: its payload is neither JSON nor a plain value');
  });

  it('reads everything that it was drafted from', () => {
    const lines = tried(text, messages);
    expect(lines.filter(({ kind }) => kind === 'rejected')).toEqual([
      { kind: 'rejected', line: messages.length, reason: 'topic_unmatched', topic: 'junk' },
    ]);
  });
});

it('one source reads topics that one pattern takes, whatever fields each has', () => {
  const text = draft([
    ['zigbee/lamp_1', '{"state":"ON","brightness":100}', start],
    ['zigbee/lamp_2', '{"state":"ON","brightness":90}', start],
    ['zigbee/door_1', '{"contact":true,"battery":90}', start],
    ['zigbee/door_2', '{"contact":true,"battery":80}', start],
  ]);
  expect(load(text ?? '').value.sources.map(({ name, topics }) => [name, topics])).toEqual([
    ['zigbee', ['zigbee/{device}']],
  ]);
});

it('what the broker had kept tells nothing of the time; a time without a zone is taken for UTC, with doubt', () => {
  const old = '{"at":"2026-01-01T00:00:01","v":1}';
  const text = draft([
    ['a/x', '{"at":"2020-01-01T00:00:00","v":1}', start, true],
    ['a/x', old, start],
  ]);
  expect(text).toContain('time: { field: at, unit: iso, zone: UTC } # at most 1s from the arrival; it tells no zone');
  expect(draft([['a/x', old, start, true]])).not.toContain('time:');
});

it('credentials stay out of the draft', () => {
  const text = draft([['a/x', '{"v":1}', start]], { url: 'mqtt://h:1883', username: 'me' });
  expect(text).toContain('username: me\n      password: "${MQTT_PASSWORD:-put-the-password-here}"');
  expect(load(text ?? '').value.joins[0]).toMatchObject({ username: 'me', host: 'h' });
});

it('of nothing that can be read there is no draft', () => {
  expect(draft([])).toBe(undefined);
  expect(draft([['a', '[1, 2]', start]])).toBe(undefined);
});

it('whatever is published, the draft is a configuration without errors', () => {
  const level = fc.oneof(
    fc.constantFrom(
      'a',
      'b',
      'c',
      'sensors',
      'true',
      'on',
      '',
      '${X}',
      '{device}',
      '{x',
      "it's",
      '#5',
      'a: b',
      '№',
      'local',
      'heartbeat',
    ),
    fc.string({ maxLength: 6, unit: 'binary' }).map((text) => text.replaceAll('/', '')),
  );
  const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
  const scalar = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.string({ maxLength: 9, unit: 'binary' }),
    fc.constant(null),
  );
  const key = fc.oneof(level, fc.constantFrom('ts', 'time', 'a.b', '__proto__', 'heartbeat', 'x'.repeat(200)));
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
  })).value;
  const payload = fc.oneof(
    json.map((value) => JSON.stringify(value)),
    fc.string({ maxLength: 20 }),
  );
  let drafted = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(topic, payload), { minLength: 1, maxLength: 12 }), (published) => {
      const text = draft(published.map(([name, value], index): Message => [name, value, start + index]));
      if (text === undefined) return;
      drafted++;
      expect(() => load(text), text).not.toThrow();
    }),
    { numRuns: 200 },
  );
  expect(drafted).toBeGreaterThan(100);
});
