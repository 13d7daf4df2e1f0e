import { hasCode } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';

/** The example of docs/alarms.md, on one source. */
const full = `version: 1
agent: { id: cellar-pi }
sources:
  climate:
    mqtt: { topics: ["sensors/{device}/climate"] }
    parse: { json: { temperature: {}, door: { type: text } } }
pipelines:
  live:  { from: climate }
  stats: { from: climate, only: [temperature], window: { every: 10s, compute: [mean, p99.9] } }
  hops:  { from: climate, only: [temperature], window: { every: 10s, width: 30s, compute: [max] } }
alarms:
  overheat:
    if: { metric: stats.temperature.mean, above: 60, for: 30s, clear_below: 55 }
    severity: critical
    at_most: 5 per 1h
    stale: { after: 2m }
    then:
      - publish: { topic: "fans/{device}/set", payload: "ON", cleared: "OFF", stale: "LOW" }
        confirm: { topic: "fans/{device}", within: 5s }
      - webhook: { url: "https://ops.example.org/alarms" }
  silent: { if: { metric: live.temperature, missing_for: 5m } }
  open: { if: { metric: live.door, equals: open } }
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1:1884" }, token: t0ken } }
`;

function load(text: string) {
  return loadAgentConfig({ text, name: 'a.yaml', folder: '/etc/fogline' }, {});
}

function problemOf(text: string): string {
  try {
    return load(text).warnings.join('\n');
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return error.message;
    throw error;
  }
}

it('resolves an alarm to exact numbers and names', () => {
  const { value, warnings } = load(full);
  expect(warnings).toEqual([]);
  expect(value.alarms[0]).toEqual({
    name: 'overheat',
    watches: { stream: 'stats', metric: 'temperature', aggregate: 'mean' },
    condition: { kind: 'above', level: 60, clearBelow: 55 },
    forMs: 30_000,
    severity: 'critical',
    staleAfterMs: 120_000,
    inputDelayMs: 12_000,
    atMost: { count: 5, perMs: 3_600_000 },
    steps: [
      {
        kind: 'publish',
        via: 'climate',
        topic: 'fans/{device}/set',
        payloads: { active: 'ON', cleared: 'OFF', stale: 'LOW' },
        qos: 1,
        retain: false,
        expiresMs: 30_000,
        confirm: { topic: 'fans/{device}', payloads: { active: 'ON' }, withinMs: 5000 },
      },
      {
        kind: 'webhook',
        url: 'https://ops.example.org/alarms',
        payloads: { active: null, cleared: null },
        expiresMs: 300_000,
      },
    ],
  });
  expect(value.alarms.slice(1)).toMatchObject([
    {
      watches: { stream: 'live', metric: 'temperature', aggregate: '' },
      condition: { kind: 'missing', afterMs: 300_000 },
    },
    { condition: { kind: 'equals', value: 'open' } },
  ]);
});

it.each([
  ['stats.temperature.p99.9', { stream: 'stats', metric: 'temperature', aggregate: 'p99.9' }],
  ['hops.temperature.max', { stream: 'hops', metric: 'temperature.max', aggregate: '' }],
])('finds what %s is', (text, watches) => {
  expect(load(full.replace('stats.temperature.mean', text)).value.alarms[0]?.watches).toEqual(watches);
});

describe('what cannot work is refused where it stands:', () => {
  const table: [what: string, find: string, replace: string, message: string][] = [
    [
      'a pipeline',
      'stats.temp',
      'stat.temp',
      'a.yaml:13:19: alarms.overheat.if.metric: no pipeline is called "stat" (did you mean "stats"?)',
    ],
    [
      'a metric',
      'live.temperature',
      'live.temprature',
      'if.metric: "live" has no metric "temprature" (did you mean "temperature"?)',
    ],
    [
      'an aggregate that is not computed',
      'temperature.mean',
      'temperature.max',
      'if.metric: "stats" computes mean, p99.9, and not "max"',
    ],
    [
      'a window without one',
      'stats.temperature.mean',
      'stats.temperature',
      'needs an aggregate: write stats.temperature.mean',
    ],
    ['a text as number', 'equals: open', 'above: 1', '"door" is text, which is neither more nor less: use equals'],
    [
      'no condition',
      'above: 60, for: 30s, clear_below: 55',
      'for: 30s',
      'says not when: add one of above, below, outside, equals, missing_for',
    ],
    [
      'two conditions',
      'above: 60',
      'above: 60, equals: 3',
      'if.equals: and "above" are two conditions: make it two alarms',
    ],
    ['a clear level above', 'clear_below: 55', 'clear_below: 65', '65 lies above 60, where the alarm is active'],
    ['a clear level of another kind', 'clear_below: 55', 'clear_above: 55', 'clear_above: belongs to below or outside'],
    ['a limit', '5 per 1h', '5/h', '"5/h" is no limit: write 1 to 100 per duration, such as "5 per 1h"'],
    [
      'a safe value that never comes',
      '    stale: { after: 2m }\n',
      '',
      'publish.stale: needs to know when: add "stale: { after: … }" to the alarm',
    ],
    ['a wildcard', 'fans/{device}/set', 'fans/+/set', 'publish.topic: is one topic, without wildcards'],
    ['a capture', 'fans/{device}/set', 'fans/{devise}/set', 'nothing is called {devise} (did you mean "device"?)'],
    ['a url', 'https://ops', 'ftp://ops', 'write http://… or https://…'],
    ['a duration without unit', 'within: 5s', 'within: 5', '5 has no unit'],
    ['a key', 'at_most:', 'atmost:', 'alarms.overheat.atmost: unknown key (did you mean "at_most"?)'],
    [
      'a reserved source',
      '  climate:\n',
      '  control:\n',
      'sources.control: is a name of the agent itself: choose another',
    ],
    ['a reserved pipeline', '  hops:', '  alarms:', 'pipelines.alarms: is a name of the agent itself: choose another'],
  ];
  it.each(table)('%s', (_what, find, replace, message) => {
    expect(full).toContain(find);
    expect(problemOf(full.replace(find, replace))).toContain(message);
  });
});

describe('what misleads is pointed out:', () => {
  const table: [what: string, find: string, replace: string, message: string][] = [
    ['no clear level', ', clear_below: 55', '', 'has no clear_below: a value that hovers'],
    ['one window decides', 'for: 30s', 'for: 10s', 'is no longer than the window of 10s: one window alone decides'],
    [
      'silence by design',
      'live:  { from: climate }',
      'live:  { from: climate, deadband: { temperature: 1 } }',
      'missing_for: is no longer than "live" may be silent by design, 5m',
    ],
  ];
  it.each(table)('%s', (_what, find, replace, message) => {
    expect(problemOf(full.replace(find, replace))).toContain(message);
  });
});

describe('at a broker that was joined', () => {
  const joined = full.replace('mqtt: { topics:', 'mqtt: { url: "mqtt://127.0.0.1:1885", topics:');

  it('commands go through it, and answers are subscribed to', () => {
    const { value, warnings } = load(joined);
    expect(warnings).toEqual([]);
    expect(value.alarms[0]?.steps[0]).toMatchObject({ kind: 'publish', via: 'climate' });
    expect(value.joins).toMatchObject([{ source: 'climate', answers: ['fans/+'] }]);
  });

  it('what a topic of the source covers already is not subscribed to twice', () => {
    const wide = joined.replace('topics: ["sensors/{device}/climate"]', 'topics: ["fans/#"]');
    expect(load(wide).value.joins[0]?.answers).toEqual([]);
  });

  it.each([
    [
      'fans/{device}", within',
      '{device}/a/climate", within',
      'topic: overlaps in part with "sensors/{device}/climate"',
    ],
    ['stale: "LOW" }', 'stale: "LOW", qos: 2 }', 'qos: is always 1 at a broker that was joined'],
  ])('%s → %s is refused', (find, replace, message) => {
    expect(joined).toContain(find);
    expect(problemOf(joined.replace(find, replace))).toContain(message);
  });
});
