import { hasCode } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';
import type { PipelineConfig } from '../core-config.ts';

/** Pipelines over a source with two numbers, a flag and a text; positions are those of the line of the pipeline. */
function load(...pipelines: readonly string[]) {
  const text = `version: 1
agent: { id: pi }
sources:
  climate:
    mqtt: { topics: ["{room}/{device}"] }
    parse: { json: { temperature: { unit: °C }, humidity: {}, door: { type: boolean }, state: { type: text } } }
  open: { mqtt: { topics: ["open/{device}/x"] } }
pipelines:
  all: { from: open }
${pipelines.map((pipeline) => `  ${pipeline}\n`).join('')}uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1" }, token: t } }
`;
  return loadAgentConfig({ text, name: 'a.yaml', folder: '/' }, {});
}

function resolved(...pipelines: readonly string[]): readonly PipelineConfig[] {
  return load(...pipelines).value.pipelines.slice(1);
}

/** Without the place in the file. */
function problems(...pipelines: readonly string[]): string[] {
  const short = (lines: readonly string[]): string[] =>
    lines.map((line) => line.replace(/^a\.yaml:\d+:\d+: pipelines\./, ''));
  try {
    return short(load(...pipelines).warnings).map((line) => `warning: ${line}`);
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return short(error.message.split('\n'));
    throw error;
  }
}

it('reads every operator to exact numbers', () => {
  const [pipeline] = resolved(
    'p: { from: climate, only: [temperature, humidity], convert: { temperature: { rename: t, scale: 1.8, offset: 32, unit: °F } },' +
      ' check: { t: { range: [-40, 250], max_rate: 10/min, stuck_for: 30m } },' +
      ' derive: { dew_point: "t - (100 - humidity) / 5", flag: { expr: "t > 0", hold: 1m } },' +
      ' where: { expr: "flag and room != \'attic\'", hold: 5s }, deadband: { t: 0.2, humidity: 2%, heartbeat: 1m },' +
      ' window: { every: 10s, width: 1m, compute: [mean, p95], lateness: 1s }, send: { to: local } }',
  );
  expect(pipeline).toEqual({
    name: 'p',
    from: 'climate',
    only: ['temperature', 'humidity'],
    convert: { temperature: { rename: 't', scale: 1.8, offset: 32, unit: '°F' } },
    check: { t: { range: { min: -40, max: 250 }, ratePerMs: 10 / 60_000, stuckMs: 1_800_000 } },
    derive: [
      { metric: 'dew_point', unit: '', text: 't - (100 - humidity) / 5', holdMs: 0 },
      { metric: 'flag', unit: '', text: 't > 0', holdMs: 60_000 },
    ],
    where: { text: "flag and room != 'attic'", holdMs: 5000 },
    deadband: { thresholds: { t: 0.2 }, shares: { humidity: 0.02 }, heartbeatMs: 60_000 },
    hopping: { everyMs: 10_000, widthMs: 60_000, latenessMs: 1000, compute: ['mean', 'p95'], hasSketch: true },
    lane: 2,
    isLocal: true,
  });
  expect(resolved('p: { from: climate, swinging_door: { humidity: 0.5, max_gap: 10m } }')[0]).toMatchObject({
    swingingDoor: { bounds: { humidity: 0.5 }, maxGapMs: 600_000 },
  });
  expect(resolved('p: { from: climate, throttle: 10s }')[0]).toMatchObject({ throttleMs: 10_000 });
  expect(resolved('p: { from: climate, sample: 1m }')[0]).toMatchObject({ sampleMs: 60_000 });
});

describe('what cannot work is refused with the likely fix:', () => {
  const table: readonly (readonly [pipeline: string, problem: string])[] = [
    ['only: [temprature]', 'p.only[0]: "climate" has no such metric (did you mean "temperature"?)'],
    ['convert: { temp: { scale: 2 } }', 'p.convert.temp: "climate" has no such metric (did you mean "temperature"?)'],
    ['convert: { state: { scale: 2 } }', 'p.convert.state: text has no scale'],
    [
      'convert: { temperature: { rename: humidity } }',
      'p.convert.temperature.rename: "humidity" exists already: two metrics would become one series',
    ],
    ['convert: { temperature: { scale: .inf } }', 'p.convert.temperature.scale: '],
    ['convert: { temperature: { factor: 2 } }', 'p.convert.temperature.factor: unknown key'],
    ['check: { temperature: {} }', 'p.check.temperature: checks nothing: add range, max_rate or stuck_for'],
    [
      'check: { temperature: { range: [5, 5] } }',
      'p.check.temperature.range: [5, 5] is empty: write [lowest, highest]',
    ],
    [
      'check: { temperature: { max_rate: 2 } }',
      'p.check.temperature.max_rate: "2" is no rate: write a change per time, such as 2/s or 10/5m',
    ],
    [
      'check: { temperature: { max_rate: 2/sec } }',
      'p.check.temperature.max_rate: "1sec" has no known unit: write "1s"',
    ],
    ['check: { state: { stuck_for: 1m } }', 'p.check.state: text has no range, rate or stillness to check'],
    ['derive: { x: "temperature +" }', 'p.derive.x: column 14: '],
    ['derive: { x: "temprature + 1" }', 'p.derive.x: nothing is called "temprature" (did you mean "temperature"?)'],
    ['derive: { x: { expr: "1 + 1" } }', 'p.derive.x.expr: reads no metric, so it would never be made: name one'],
    ['derive: { humidity: "humidity * 2" }', 'p.derive.humidity: exists already: give it another name'],
    ['derive: { a: "b + 1", b: "humidity" }', 'p.derive.a: nothing is called "b"'],
    ['where: "temperature"', 'ok'],
    [
      'where: "temperature + 1"',
      'p.where: gives a number, and only true or false can decide: compare it with something',
    ],
    ['where: "true"', 'p.where: is the same for every reading: name a metric, a tag or device'],
    ['where: "room == 1"', 'ok'],
    ['deadband: { temperature: 200% }', 'p.deadband.temperature: "200%" is more than the whole: at most 100%'],
    ['swinging_door: { door: 1 }', 'p.swinging_door.door: there is no line between boolean values: use a deadband'],
    [
      'swinging_door: { temperature: 1e-320 }',
      'p.swinging_door.temperature: is finer than float64 can hold: at least 1e-300',
    ],
    ['throttle: 10', 'p.throttle: 10 has no unit: write 500ms, 10s, 5m, 6h or 7d, for example "10s"'],
    ['sample: 10ms', 'p.sample: must be at least 1s'],
    [
      'throttle: 10s, sample: 10s',
      'p.sample: and "throttle" both thin the stream: keep one, or chain a second pipeline',
    ],
    [
      'window: { every: 10s, width: 5s }',
      'p.window.width: is less than every, so readings between the windows would be lost: widen it',
    ],
    ['window: { every: 10s, width: 25s }', 'p.window.width: is not a multiple of every: write 20s or 30s'],
    ['window: { every: 10s, width: 15s }', 'p.window.width: is not a multiple of every: write 20s'],
    ['window: { every: 1s, width: 10m }', 'p.window.width: makes every reading part of 600 windows, at most 100'],
    ['window: { every: 10s, compute: [avg] }', 'p.window.compute[0]: an aggregate is mean, min,'],
  ];

  it.each(table)('%s', (operators, problem) => {
    const found = problems(`p: { from: climate, ${operators} }`);
    if (problem === 'ok') expect(found.filter((line) => !line.startsWith('warning'))).toEqual([]);
    else expect(found.join('\n')).toContain(problem);
  });

  it('with its place in the file', () => {
    expect(() => load('p: { from: climate, throttle: 10 }')).toThrow(/^a\.yaml:10:33: pipelines\.p\.throttle: /);
  });
});

describe('what is allowed and likely wrong is a warning:', () => {
  const lossy = (what: string): string =>
    `warning: p.window: sees only what the ${what} lets through, so its mean and percentiles mislead: give it a pipeline of its own`;
  const only = 'only: [temperature]';
  const table: readonly (readonly [pipeline: string, warnings: readonly string[]])[] = [
    [`${only}, deadband: { temperature: 1 }, window: { every: 10s }`, [lossy('deadband')]],
    [`${only}, swinging_door: { temperature: 1 }, window: { every: 10s }`, [lossy('swinging door')]],
    [`${only}, throttle: 1s, window: { every: 10s }`, [lossy('throttle')]],
    [`${only}, sample: 1s, window: { every: 10s }`, [lossy('sample')]],
    [`${only}, where: "temperature > 0", window: { every: 10s }`, [lossy('where')]],
    [`${only}, where: "device != 'x'", window: { every: 10s }`, []],
    [
      'deadband: { temperature: 0 }',
      ['warning: p.deadband.temperature: sends every change, as metrics that are not named do: leave it out'],
    ],
    [
      'swinging_door: { temperature: 0 }',
      ['warning: p.swinging_door.temperature: sends every reading, as metrics that are not named do: leave it out'],
    ],
    ['window: { every: 10s }', ['warning: p.window: the metric "state" is text and enters no window']],
  ];

  it.each(table)('%s', (operators, warnings) => {
    expect(problems(`p: { from: climate, ${operators} }`)).toEqual(warnings);
  });

  it('a window that takes from a pipeline that thins, however far up', () => {
    const found = problems(
      'thin: { from: climate, only: [temperature], throttle: 1s, send: { to: local } }',
      'next: { from: thin, convert: { temperature: { rename: t } }, send: { to: local } }',
      'p: { from: next, window: { every: 10s } }',
    );
    expect(found).toEqual([lossy('throttle')]);
  });
});

describe('a chain knows what its pipelines make of metrics:', () => {
  const chain = (operators: string, next: string): string[] =>
    problems(`a: { from: climate, ${operators}, send: { to: local } }`, `b: { from: a, ${next} }`);

  it.each([
    [
      'convert: { temperature: { rename: t } }',
      'deadband: { temperature: 1 }',
      'b.deadband.temperature: "a" has no such metric',
    ],
    ['convert: { temperature: { rename: t } }', 'deadband: { t: 1 }', ''],
    ['only: [humidity]', 'deadband: { temperature: 1 }', 'b.deadband.temperature: "a" has no such metric'],
    [
      'derive: { word: "temperature > 0 ? state : \'cold\'" }',
      'deadband: { word: 1 }',
      'b.deadband.word: text has no smallest change',
    ],
    ['convert: { door: { scale: 100 } }', 'swinging_door: { door: 1 }', ''],
    [
      'window: { every: 10s, width: 1m, compute: [max] }',
      'deadband: { temperature.max: 1 }',
      'warning: a.window: the metric "state"',
    ],
    [
      'window: { every: 10s, width: 1m, compute: [max] }',
      'deadband: { temperature.mean: 1 }',
      'b.deadband["temperature.mean"]: "a" has no such metric (did you mean "temperature.max"?)',
    ],
    [
      'window: { every: 10s }',
      'deadband: { temperature: 1 }',
      'b.from: the pipeline "a" ends in windows, and only readings go on',
    ],
  ])('%s, then %s', (operators, next, problem) => {
    const found = chain(operators, next);
    if (problem === '') expect(found).toEqual([]);
    else expect(found.join('\n')).toContain(problem);
  });
});
