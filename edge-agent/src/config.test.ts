import { hasCode } from '@fogline/shared/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filtersOverlap } from './config/topics.ts';
import { agentJsonSchema, loadAgentConfig } from './config.ts';

const fiveLines = `version: 1
agent: { id: cellar-pi }
sources: { climate: { mqtt: { topics: ["sensors/{device}/climate"] } } }
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1:1884" }, token: t0ken } }
`;

/** The shape of issue 4, as far as this version goes. */
const full = `version: 1
agent: { id: cellar-pi, site: lyon }
sources:
  climate:
    mqtt: { listen: 1883, topics: ["sensors/{device}/climate"], users: { pi: { password: pw } } }
    parse:
      json:
        temperature: { field: temp, unit: °C, range: [-40, 125] }
        humidity: { field: hum, unit: "%" }
        door: { type: text }
      time: { field: ts, unit: ms, max_skew: 5m }
  power:
    mqtt: { topics: ["meters/{device}"] }
pipelines:
  live:  { from: climate, deadband: { temperature: 0.2, humidity: 1, heartbeat: 2m }, send: { to: hub, priority: low } }
  stats: { from: power, window: { every: 10s, compute: [mean, p95, min, max, count], lateness: 3s }, send: { to: hub, priority: high } }
buffer: { path: ./buf, commit: prompt, flash_per_day: 2GiB, limit: { size: 64MiB, age: 1d }, when_full: { normal: drop_oldest, high: keep } }
uplinks: { hub: { mqtt: { url: "mqtts://hub.example.org" }, token: t0ken, window: 8 } }
local: { http: 8081 }
`;

function load(text: string, env: Record<string, string> = {}) {
  return loadAgentConfig({ text, name: 'a.yaml', folder: '/etc/fogline' }, env);
}

function problemOf(text: string): string {
  try {
    return `no problem, warnings: ${load(text).warnings.join('; ')}`;
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return error.message;
    throw error;
  }
}

it('five lines are enough to run, on loopback, everything passed on', () => {
  expect(load(fiveLines)).toEqual({
    value: {
      agent: 'cellar-pi',
      site: '',
      listeners: [{ host: '127.0.0.1', port: 1883, users: {}, anonymous: 'loopback', sources: ['climate'] }],
      sources: [{ name: 'climate', topics: ['sensors/{device}/climate'], parse: { format: 'json', metrics: 'auto' } }],
      httpListeners: [],
      joins: [],
      files: [],
      pipelines: [{ name: 'climate', from: 'climate', lane: 2 }],
      computed: {},
      alarms: [],
      buffer: {
        path: '/etc/fogline/data',
        commit: 'flash',
        flashBytesPerDay: 2 ** 30,
        sizeBytesMax: 512 * 2 ** 20,
        ageMsMax: 7 * 86_400_000,
        whenFull: { low: 'drop_oldest', normal: 'drop_oldest', high: 'drop_oldest', alarm: 'keep' },
      },
      uplink: { name: 'hub', host: '127.0.0.1', port: 1884, isTls: false, token: 't0ken', window: 32, lingerMs: 1_000 },
    },
    warnings: [],
  });
});

it('resolves every key to exact numbers and names', () => {
  const { value, warnings } = load(full);
  expect(warnings).toEqual([]);
  expect(value).toEqual({
    agent: 'cellar-pi',
    site: 'lyon',
    // One listener for both sources: somebody may come with a password, so it is open to other machines.
    listeners: [
      { host: '0.0.0.0', port: 1883, users: { pi: 'pw' }, anonymous: 'nobody', sources: ['climate', 'power'] },
    ],
    sources: [
      {
        name: 'climate',
        topics: ['sensors/{device}/climate'],
        parse: {
          format: 'json',
          metrics: [
            { name: 'temperature', field: 'temp', unit: '°C', type: 'number', range: { min: -40, max: 125 } },
            { name: 'humidity', field: 'hum', unit: '%', type: 'number' },
            { name: 'door', field: 'door', unit: '', type: 'text' },
          ],
          time: { fields: ['ts'], unit: 'ms', maxSkewMs: 300_000 },
        },
      },
      { name: 'power', topics: ['meters/{device}'], parse: { format: 'json', metrics: 'auto' } },
    ],
    httpListeners: [],
    joins: [],
    files: [],
    computed: { stats: ['mean', 'p95', 'min', 'max', 'count'] },
    pipelines: [
      {
        name: 'live',
        from: 'climate',
        deadband: { thresholds: { temperature: 0.2, humidity: 1 }, heartbeatMs: 120_000 },
        lane: 3,
      },
      { name: 'stats', from: 'power', window: { everyMs: 10_000, latenessMs: 3_000, hasSketch: true }, lane: 1 },
    ],
    alarms: [],
    buffer: {
      path: '/etc/fogline/buf',
      commit: 'prompt',
      flashBytesPerDay: 2 * 2 ** 30,
      sizeBytesMax: 64 * 2 ** 20,
      ageMsMax: 86_400_000,
      whenFull: { low: 'drop_oldest', normal: 'drop_oldest', high: 'keep', alarm: 'keep' },
    },
    uplink: { name: 'hub', host: 'hub.example.org', port: 8883, isTls: true, token: 't0ken', window: 8, lingerMs: 20 },
    local: { host: '127.0.0.1', port: 8081 },
  });
});

it('takes overrides from the environment', () => {
  const { value } = load(fiveLines, {
    FOGLINE__BUFFER__FLASH_PER_DAY: '3GiB',
    FOGLINE__UPLINKS__HUB__WINDOW: '5',
    FOGLINE__AGENT__ID: '42',
  });
  expect(value).toMatchObject({ agent: '42', buffer: { flashBytesPerDay: 3 * 2 ** 30 }, uplink: { window: 5 } });
});

describe('a name that leads nowhere, or a value that cannot work, is refused where it stands:', () => {
  const table: [what: string, find: string, replace: string, message: string][] = [
    [
      'a source',
      'from: climate',
      'from: climat',
      'a.yaml:15:18: pipelines.live.from: no source or pipeline is called "climat" (did you mean "climate"?)',
    ],
    [
      'a circle of pipelines',
      'from: climate',
      'from: live',
      'a.yaml:15:18: pipelines.live.from: takes from itself, by way of live → live: begin with a source',
    ],
    [
      'windows of windows',
      'from: climate',
      'from: stats',
      'a.yaml:15:18: pipelines.live.from: the pipeline "stats" ends in windows, and only readings go on: take from what it takes from',
    ],
    [
      'a metric',
      'temperature: 0.2',
      'temp: 0.2',
      'a.yaml:15:45: pipelines.live.deadband.temp: "climate" has no such metric (did you mean "temperature"?)',
    ],
    [
      'a text metric',
      'temperature: 0.2',
      'door: 0.2',
      'a.yaml:15:45: pipelines.live.deadband.door: text has no smallest change: it is sent whenever it changes',
    ],
    [
      'an uplink',
      'to: hub, priority: low',
      'to: hbu, priority: low',
      'a.yaml:15:99: pipelines.live.send.to: no uplink is called "hbu" (did you mean "hub"?)',
    ],
    [
      'a negative deadband',
      'humidity: 1',
      'humidity: -1',
      'a.yaml:15:67: pipelines.live.deadband.humidity: -1 must be at least 0',
    ],
    [
      'a narrow window',
      'every: 10s',
      'every: 500ms',
      'a.yaml:16:42: pipelines.stats.window.every: must be at least 1s',
    ],
    [
      'p0',
      'p95',
      'p0',
      'a.yaml:16:63: pipelines.stats.window.compute[1]: an aggregate is mean, min, max, count, sum, first, last, stddev, or a percentile such as p95 or p99.9',
    ],
    [
      'overlapping topics',
      'meters/{device}',
      '+/{device}/climate',
      'a.yaml:13:22: sources.power.mqtt.topics[0]: overlaps with "sensors/{device}/climate" of source "climate" on the same listener: a message has one reader',
    ],
    [
      'half a level',
      'meters/{device}',
      'meters/m-{device}',
      "a.yaml:13:22: sources.power.mqtt.topics[0]: topic 'meters/m-{device}': a capture must be a whole level, as in a/{device}/b; 'm-{device}' is not",
    ],
    [
      'a capture twice',
      'meters/{device}',
      'm/{device}/{device}',
      "a.yaml:13:22: sources.power.mqtt.topics[0]: topic 'm/{device}/{device}': the capture {device} appears twice",
    ],
    [
      'a # in the middle',
      'meters/{device}',
      'm/#/x',
      "a.yaml:13:22: sources.power.mqtt.topics[0]: topic 'm/#/x': # must be the last level",
    ],
    [
      'a broker topic',
      'meters/{device}',
      '$SYS/{device}',
      'a.yaml:13:22: sources.power.mqtt.topics[0]: topics that begin with "$" belong to the broker',
    ],
    [
      'an empty range',
      '[-40, 125]',
      '[125, -40]',
      'a.yaml:8:54: sources.climate.parse.json.temperature.range: [125, -40] is empty: write [lowest, highest]',
    ],
    [
      'a metric called heartbeat',
      'door:',
      'heartbeat:',
      'a.yaml:10:20: sources.climate.parse.json.heartbeat: is a word of the deadband: give the metric another name and keep the field',
    ],
    [
      'a url',
      '"mqtts://hub.example.org"',
      '"https://hub"',
      'a.yaml:18:32: uplinks.hub.mqtt.url: "https://hub" is not an address of a hub: write mqtt://host:1883 or mqtts://host:8883',
    ],
    [
      'a credential in the url',
      'mqtts://hub',
      'mqtts://u:p@hub',
      'a.yaml:18:32: uplinks.hub.mqtt.url: holds a credential: the token is given beside it',
    ],
    [
      'two uplinks',
      'uplinks: {',
      'uplinks: { b: { mqtt: { url: "mqtt://x" }, token: t },',
      'a.yaml:18:10: uplinks: exactly one uplink is needed, not 2',
    ],
    [
      'tls without mqtts',
      '"mqtts://hub.example.org" }',
      '"mqtt://127.0.0.1" }, tls: {}',
      'a.yaml:18:59: uplinks.hub.tls: needs a url that begins with mqtts://',
    ],
    [
      'an open metrics page',
      'http: 8081',
      'http: "0.0.0.0:8081"',
      'a.yaml:19:16: local.http: 0.0.0.0 is reachable from other machines: add "token", or listen on 127.0.0.1',
    ],
    [
      'an open broker',
      'listen: 1883, topics: ["sensors/{device}/climate"], users: { pi: { password: pw } }',
      'listen: "10.0.0.5:1883", topics: [a]',
      'a.yaml:5:21: sources.climate.mqtt.listen: 10.0.0.5 is reachable from other machines: add "users", or "anonymous: lan", or listen on 127.0.0.1',
    ],
    [
      'one port, two addresses',
      'topics: ["meters',
      'listen: "127.0.0.1:1883", topics: ["meters',
      'a.yaml:13:21: sources.power.mqtt.listen: port 1883 is taken on every address by source "climate": give both the same host',
    ],
    [
      'one user, two passwords',
      '["meters/{device}"]',
      '["meters/{device}"], users: { pi: { password: other } }',
      'a.yaml:13:67: sources.power.mqtt.users.pi.password: differs from the password of this user in another source',
    ],
    [
      'an agent id',
      'cellar-pi',
      'cellar/pi',
      'a.yaml:2:14: agent.id: an agent id has 1 to 64 letters, digits, ".", "_" or "-", and begins with a letter or digit',
    ],
  ];
  it.each(table)('%s', (_what, find, replace, message) => {
    expect(full).toContain(find);
    expect(problemOf(full.replace(find, replace))).toBe(message);
  });
});

describe('what is allowed and likely wrong is a warning:', () => {
  const table: [what: string, find: string, replace: string, warning: string][] = [
    [
      'a window after a deadband',
      'window: {',
      'deadband: { a: 1 }, window: {',
      'a.yaml:16:53: pipelines.stats.window: sees only what the deadband lets through, so its mean and percentiles mislead: give it a pipeline of its own',
    ],
    [
      'an odd window',
      'every: 10s',
      'every: 7s',
      'a.yaml:16:42: pipelines.stats.window.every: does not divide a day, so the hub cannot roll these windows up: prefer 10s, 1m, 15m …',
    ],
    [
      'text in a window',
      'from: power',
      'from: climate',
      'a.yaml:16:35: pipelines.stats.window: the metric "door" is text and enters no window',
    ],
    [
      'a source without a pipeline',
      'from: power',
      'from: climate',
      'a.yaml:13:5: sources.power: no pipeline takes from this source: its readings never leave the agent',
    ],
    [
      'a wildcard without a device',
      'meters/{device}',
      'meters/+',
      'a.yaml:13:22: sources.power.mqtt.topics[0]: has no {device}: all that match are taken for one device',
    ],
    [
      'a token in clear text',
      'mqtts://',
      'mqtt://',
      'a.yaml:18:32: uplinks.hub.mqtt.url: the token travels in clear text: use mqtts:// beyond a trusted network',
    ],
  ];
  it.each(table)('%s', (_what, find, replace, warning) => {
    expect(full).toContain(find);
    expect(load(full.replace(find, replace)).warnings).toContain(warning);
  });

  it('keeping the less important lane', () => {
    const { warnings } = load(full.replace('normal: drop_oldest, high: keep', 'normal: keep'));
    expect(warnings).toEqual([
      'a.yaml:17:115: buffer.when_full.normal: is kept while the more important "high" is dropped',
    ]);
  });
});

it('anonymous access is open to private networks only when asked for', () => {
  const { value } = load(fiveLines.replace('topics:', 'anonymous: lan, topics:'));
  expect(value.listeners).toEqual([{ host: '0.0.0.0', port: 1883, users: {}, anonymous: 'lan', sources: ['climate'] }]);
});

it('sources on any free port get one each, sources on different hosts their own listener', () => {
  const two = (listen: string, other: string) =>
    load(
      fiveLines
        .replace('{ climate:', `{ other: { mqtt: { listen: "${other}", topics: [x] } }, climate:`)
        .replace('topics: ["s', `listen: "${listen}", topics: ["s`),
    );
  expect(two('0', '0').value.listeners.map((listener) => listener.sources)).toEqual([['other'], ['climate']]);
  expect(two('127.0.0.1:1', '127.0.0.2:1').value.listeners).toHaveLength(2);
  expect(two('127.0.0.1:1', '127.0.0.1:1').value.listeners).toHaveLength(1);
});

it('filters overlap exactly when one topic matches both', () => {
  const level = fc.constantFrom('a', 'b', '+', '{x}');
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([levels, rest]) => [...levels, ...(rest ? ['#'] : [])]);
  const topics: string[][] = [];
  const grow = (topic: string[]): void => {
    if (topic.length > 0) topics.push(topic);
    if (topic.length < 5) for (const next of ['a', 'b', 'c']) grow([...topic, next]);
  };
  grow([]);
  const matches = (filterLevels: string[], topic: string[]): boolean => {
    for (const [index, part] of filterLevels.entries()) {
      if (part === '#') return topic.length >= index;
      if (topic[index] === undefined || (part !== topic[index] && part !== '+' && part !== '{x}')) return false;
    }
    return topic.length === filterLevels.length;
  };
  fc.assert(
    fc.property(filter, filter, (left, right) => {
      const expected = topics.some((topic) => matches(left, topic) && matches(right, topic));
      expect(filtersOverlap(left.join('/'), right.join('/'))).toBe(expected);
    }),
  );
});

it('describes itself as JSON Schema with the keys of the file', () => {
  const schema = agentJsonSchema();
  expect(schema['required']).toEqual(['version', 'agent', 'sources', 'uplinks']);
  expect(Object.keys(schema.properties ?? {})).toEqual([
    'version',
    'agent',
    'sources',
    'pipelines',
    'alarms',
    'buffer',
    'uplinks',
    'local',
  ]);
  expect(schema.properties?.['buffer']?.properties?.['flash_per_day']).toMatchObject({
    type: 'string',
    default: '1GiB',
  });
});

it('refuses a second pipeline that passes on the same source unchanged', () => {
  const twice = `${fiveLines}pipelines: { live: { from: climate, send: { priority: normal } }, again: { from: climate, send: { priority: low } } }\n`;
  expect(problemOf(twice)).toContain(
    'pipelines.again: passes on every reading of "climate", and so does "live": give it an operator, or remove it',
  );
});

it('a buffer larger than its disk is pointed out, on the machine where it runs', () => {
  const large = full.replace('size: 64MiB', 'size: 900000GiB');
  expect(large).not.toBe(full);
  expect(load(large).warnings.join()).toMatch(
    /buffer\.limit\.size: is more than the disk of \S+ holds, [\d.]+[KMGT]iB: the disk is full long before the buffer is/,
  );
  const elsewhere = loadAgentConfig({ text: large, name: 'a.yaml', folder: '/etc/fogline' }, {}, 'skip');
  expect(elsewhere.warnings.join()).not.toContain('disk');
});
