import { FoglineError } from '@fogline/shared/errors';
import { expect, it } from 'vitest';
import { loadFleet } from './fleet-config.ts';

const head = 'version: 1\n';

function load(text: string, env: Record<string, string> = {}) {
  return loadFleet({ text: head + text, name: 'fleet.yaml', folder: '/etc/fleet' }, env).value;
}

function problemsOf(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    expect(error).toBeInstanceOf(FoglineError);
    return (error as FoglineError).message.split('\n');
  }
  return [];
}

const dev = (rest: string): string =>
  `devices:\n  dev:\n    count: 2\n    metrics: { temperature: { like: temperature } }\n${rest}`;

it('needs five lines to run, and fills in the rest', () => {
  const plan = load(dev(''));
  expect(plan).toMatchObject({
    seed: 1,
    connections: 2,
    inflight: 20,
    startMs: undefined,
    durationMs: Infinity,
    speed: 1,
    target: { kind: 'mqtt', url: 'mqtt://127.0.0.1:1883' },
  });
  expect(plan.types).toMatchObject([
    { name: 'dev', count: 2, intervalMs: 1_000, qos: 1, id: { before: 'dev-', width: 4, after: '' }, format: 'json' },
  ]);
  expect(plan.types[0]?.metrics.map(({ name, field }) => [name, field])).toEqual([['temperature', 'temp']]);
});

it('resolves paths against its folder, and takes overrides from the environment', () => {
  const plan = load(`truth: ./t.ndjson\n${dev('')}`, { FOGLINE__SPEED: '0.5', FOGLINE__CONNECTIONS: '1' });
  expect(plan).toMatchObject({ truth: '/etc/fleet/t.ndjson', speed: 0.5, connections: 1 });
});

it('ends with the last stage, from a share to the next', () => {
  const { stages, durationMs } = load(
    `stages: [{ over: 1m, devices: 80% }, { over: 2m }, { over: 30s, devices: 0% }]\n${dev('')}`,
  );
  expect(durationMs).toBe(210_000);
  expect(stages).toEqual([
    { startMs: 0, endMs: 60_000, from: 0, to: 0.8 },
    { startMs: 60_000, endMs: 180_000, from: 0.8, to: 0.8 },
    { startMs: 180_000, endMs: 210_000, from: 0.8, to: 0 },
  ]);
});

it('gives every part keys of its own: a type, a metric or a fault at the end changes nothing before it', () => {
  const metrics = (more: string) => `metrics: { a: { walk: 1 }, b: { walk: 1 }${more} }`;
  const fault = (seconds: number) => `{ kind: gap, every: 1h, lasts: ${seconds}s }`;
  const text = (moreMetrics: string, faults: string, moreTypes: string) =>
    `devices:\n  x: { count: 1, ${metrics(moreMetrics)}, faults: [${faults}] }\n${moreTypes}`;
  const [before] = load(text('', fault(1), '')).types;
  const [after, other] = load(
    text(', c: { walk: 1 }', `${fault(1)}, ${fault(2)}`, `  y: { count: 1, ${metrics('')} }`),
  ).types;
  expect(after?.key).toBe(before?.key);
  expect(other?.key).not.toBe(before?.key);
  const day = 1_767_225_600_000;
  expect(after?.metrics.map(({ signal }) => signal.at(7, day)).slice(0, 2)).toEqual(
    before?.metrics.map(({ signal }) => signal.at(7, day)),
  );
  expect(after?.faults[0]).toEqual(before?.faults[0]);
  expect(after?.faults[1]?.key).not.toBe(before?.faults[0]?.key);
});

it.each([
  [
    'an unknown key',
    dev('    intervall: 1s'),
    [/^fleet\.yaml:6:5: devices\.dev\.intervall: unknown key \(did you mean "interval"\?\)$/],
  ],
  [
    'an unknown preset',
    'devices: { dev: { count: 1, metrics: { t: { like: temprature } } } }',
    [/metrics\.t\.like: no preset is called "temprature".*"temperature"/],
  ],
  ['a number without unit', dev('    interval: 5'), [/interval: 5 has no unit/]],
  [
    'a counter with a base',
    'devices: { dev: { count: 1, metrics: { t: { base: 1, counter: { per_hour: 1 } } } } }',
    [/metrics\.t\.base: has no meaning for counter/],
  ],
  ['a single state', 'devices: { dev: { count: 1, metrics: { t: { states: { a: 1s } } } } }', [/at least two states/]],
  [
    'a leader that comes later',
    'devices: { dev: { count: 1, metrics: { a: { walk: 1, follows: { metric: b, by: 1 } }, b: { walk: 1 } } } }',
    [/a\.follows\.metric: is no earlier metric with a walk: there is none/],
  ],
  [
    'two metrics of one field',
    'devices: { dev: { count: 1, metrics: { a: { field: x }, b: { field: x } } } }',
    [/the field "x" is taken/],
  ],
  ['a topic without the device', dev('    topic: a/b'), [/topic: must contain \{device\}/]],
  [
    'a capture that nobody fills',
    dev('    topic: "{site}/{device}"'),
    [/\{site\} is not known here: write \{device\}/],
  ],
  ['a wildcard in a topic', dev('    topic: "{device}/+"'), [/topic: it contains a wildcard/]],
  ['an id without a number', dev('    id: room'), [/id: contains \{n\}/]],
  [
    'two types of the same names',
    `${dev('    id: "x-{n}"')}\n  other: { count: 1, id: "x-{n:4}", metrics: { t: {} } }`,
    [/other\.id: gives the same names as type "dev"/],
  ],
  [
    'a fault without what it needs',
    dev('    faults: [{ kind: drift, every: 1h, lasts: 1m }]'),
    [/the kind drift needs metric/, /the kind drift needs size/],
  ],
  [
    'a fault with what it does not take',
    dev('    faults: [{ kind: offline, every: 1h, lasts: 1m, size: 3 }]'),
    [/faults\[0\]\.size: the kind offline takes lasts/],
  ],
  [
    'a fault that never ends',
    dev('    faults: [{ kind: offline, every: 1h, lasts: 1h }]'),
    [/lasts 1h, which is not less than every 1h/],
  ],
  [
    'a fault of a metric that is not there',
    dev('    faults: [{ kind: spike, metric: hum, every: 1h, size: 1 }]'),
    [/no metric of this type: it has temperature/],
  ],
  [
    'a spike of a state',
    'devices: { dev: { count: 1, metrics: { m: { states: { a: 1s, b: 1s } } }, faults: [{ kind: spike, metric: m, every: 1h, size: 1 }] } }',
    [/m has states: the kind spike needs numbers/],
  ],
  [
    'a clock that is both fast and slow',
    dev('    faults: [{ kind: clock_skew, every: 1h, lasts: 1m, ahead: 1s, behind: 1s }]'),
    [/either ahead or behind/],
  ],
  ['a duration beside stages', `duration: 1h\nstages: [{ over: 1m }]\n${dev('')}`, [/duration: the stages say/]],
  ['JSON over HTTP', `target: { http: { url: "http://a/write" } }\n${dev('')}`, [/format: over http it must be line/]],
  [
    'two targets',
    `target: { http: { url: "http://a" }, mqtt: {} }\n${dev('    format: line')}`,
    [/target: either mqtt or http/],
  ],
  ['a start that is no time', `start: yesterday\n${dev('')}`, [/start: "yesterday" is not a time/]],
  [
    'an actuator that acts on nothing',
    dev('    actuators: { fan: { command: "a/{device}", effect: { metric: hum, change: 1, within: 1m } } }'),
    [/no numeric metric of this type: it has temperature/],
  ],
  ['no type', 'devices: {}', [/at least one type/]],
] as const)('refuses %s, with its place', (_what, text, expected) => {
  const problems = problemsOf(text);
  expect(problems).toHaveLength(expected.length);
  for (const [index, pattern] of expected.entries()) {
    expect(problems[index]).toMatch(/^fleet\.yaml:\d+:\d+: /);
    expect(problems[index]).toMatch(pattern);
  }
});
