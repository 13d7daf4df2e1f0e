import { hasCode } from '@fogline/shared/errors';
import { describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';

/** A whole configuration around the value of `sources`, which begins in line 4. */
function document(sources: string): string {
  return `version: 1
agent: { id: pi }
sources:
${sources}
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1:1884" }, token: t0ken } }
`;
}

function load(sources: string) {
  return loadAgentConfig({ text: document(sources), name: 'a.yaml', folder: '/etc/fogline' }, {});
}

function problemOf(sources: string): string {
  try {
    return `no problem, warnings: ${load(sources).warnings.join('; ')}`;
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return error.message;
    throw error;
  }
}

function parseOf(sources: string): unknown {
  return load(sources).value.sources[0]?.parse;
}

describe('a door', () => {
  it('for Telegraf takes one line, on loopback and with line protocol', () => {
    const { value, warnings } = load('  telegraf: { http: {} }');
    expect(warnings).toEqual([]);
    expect(value.sources).toEqual([
      {
        name: 'telegraf',
        topics: ['write'],
        parse: { format: 'line_protocol', metrics: 'auto', precision: 'ns', maxSkewMs: 600_000 },
      },
    ]);
    expect(value.httpListeners).toEqual([
      {
        host: '127.0.0.1',
        port: 8086,
        users: {},
        anonymous: 'loopback',
        sources: ['telegraf'],
        tokens: [],
        bodyBytesMax: 16 * 2 ** 20,
      },
    ]);
    expect(value.listeners).toEqual([]);
  });

  it('of HTTP is shared by sources of one port, with the users and tokens of all, on every address then', () => {
    const { value, warnings } = load(`  telegraf: { http: { listen: 8086, tokens: [abc] } }
  climate: { http: { listen: 8086, users: { ann: { password: pw } }, body_max: 32MiB }, parse: { json: auto } }
  power: { http: { listen: 8086, paths: ["meters/{device}/{metric}"] }, parse: { value: auto } }`);
    expect(warnings).toEqual([]);
    expect(value.httpListeners).toEqual([
      {
        host: '0.0.0.0',
        port: 8086,
        users: { ann: 'pw' },
        anonymous: 'nobody',
        sources: ['telegraf', 'climate', 'power'],
        tokens: ['abc'],
        bodyBytesMax: 32 * 2 ** 20,
      },
    ]);
    expect(value.sources.map(({ topics }) => topics)).toEqual([
      ['write'],
      ['climate', 'climate/{device}'],
      ['meters/{device}/{metric}'],
    ]);
  });

  it('may be a broker to join', () => {
    const { value, warnings } = load(`  climate:
    mqtt: { url: "mqtts://broker.example:8884", topics: ["s/{device}"], username: pi, password: pw, client_id: me }
  power: { mqtt: { url: "mqtt://127.0.0.1", topics: ["p/{device}"] } }`);
    expect(warnings).toEqual([]);
    expect(value.joins).toEqual([
      {
        source: 'climate',
        answers: [],
        host: 'broker.example',
        port: 8884,
        isTls: true,
        clientId: 'me',
        username: 'pi',
        password: 'pw',
      },
      { source: 'power', answers: [], host: '127.0.0.1', port: 1883, isTls: false, clientId: 'pi-power' },
    ]);
    expect(value.listeners).toEqual([]);
  });

  it('may be a file', () => {
    const { value, warnings } = load(
      '  old: { file: { path: ./old.csv }, parse: { csv: auto, time: { field: ts, unit: ms } } }',
    );
    expect(warnings).toEqual([]);
    expect(value.files).toEqual([{ source: 'old', path: '/etc/fogline/old.csv' }]);
  });

  it('may be a file at the pace of its times, or one that grows', () => {
    const file = (more: string): unknown =>
      load(`  old: { file: { path: x${more} }, parse: { line_protocol: auto } }`).value.files[0];
    expect(file(', speed: recorded')).toEqual({ source: 'old', path: '/etc/fogline/x', speed: 1 });
    expect(file(', speed: 60x')).toMatchObject({ speed: 60 });
    expect(file(', speed: 0.5×')).toMatchObject({ speed: 0.5 });
    expect(file(', speed: fast')).toEqual({ source: 'old', path: '/etc/fogline/x' });
    expect(file(', follow: true')).toEqual({ source: 'old', path: '/etc/fogline/x', isFollowed: true });
    expect(load('  log: { file: { path: x, follow: true }, parse: { json: auto } }').warnings).toEqual([]);
  });
});

describe('a parser', () => {
  it('of CSV with everything there is', () => {
    const parse = parseOf(`  old:
    file: { path: old.txt }
    parse:
      csv:
        temperature: { field: "T (C)", unit: °C, range: [-40, 60], missing: [-200, NA] }
      separator: " "
      decimal: ","
      columns: [date, clock, "T (C)", node]
      device: node
      missing: [-999]
      time: { field: [date, clock], format: "D/M/YYYY H:mm", zone: Europe/Rome, max_skew: 0s }`);
    expect(parse).toEqual({
      format: 'csv',
      metrics: [
        {
          name: 'temperature',
          field: 'T (C)',
          unit: '°C',
          type: 'number',
          range: { min: -40, max: 60 },
          missing: [-200, 'NA'],
        },
      ],
      missing: [-999],
      device: 'node',
      time: { fields: ['date', 'clock'], format: 'D/M/YYYY H:mm', zone: 'Europe/Rome', maxSkewMs: 0 },
      separator: ' ',
      decimal: ',',
      columns: ['date', 'clock', 'T (C)', 'node'],
      hasHeader: false,
    });
  });

  it('of CSV by default: a header, a comma, and a semicolon beside a decimal comma', () => {
    const csv = (more: string): unknown => parseOf(`  a: { mqtt: { topics: [t] }, parse: { csv: auto${more} } }`);
    expect(csv('')).toEqual({ format: 'csv', metrics: 'auto', separator: ',', decimal: '.', hasHeader: true });
    expect(csv(', decimal: ","')).toMatchObject({ separator: ';', decimal: ',' });
    expect(csv(', columns: [a], header: true')).toMatchObject({ columns: ['a'], hasHeader: true });
  });

  it('of JSON lists, and of line protocol with another unit and device', () => {
    expect(
      parseOf('  a: { mqtt: { topics: [t] }, parse: { json: auto, each: r, device: id, tags: [x], skip: [seq] } }'),
    ).toEqual({
      format: 'json',
      metrics: 'auto',
      each: 'r',
      device: 'id',
      tags: ['x'],
      skip: ['seq'],
    });
    const lines =
      '  a: { mqtt: { topics: [t] }, parse: { line_protocol: auto, device: rack, time: { unit: s, max_skew: 1m } } }';
    expect(parseOf(lines)).toEqual({
      format: 'line_protocol',
      metrics: 'auto',
      device: 'rack',
      precision: 's',
      maxSkewMs: 60_000,
    });
  });
});

describe('what cannot work is refused where it stands, with the fix:', () => {
  const mqtt = 'mqtt: { topics: ["s/{device}"] }';
  const captures = Array.from({ length: 18 }, (_, n) => `{c${n}}`).join('/');
  it.each([
    ['no door', 'a: {}', '4:6: sources.a: needs a door: mqtt, http or file'],
    [
      'two doors',
      `a: { ${mqtt}, http: {} }`,
      '4:48: sources.a.http: a source has one door, and this one has mqtt: make another source of it',
    ],
    [
      'two parsers',
      `a: { ${mqtt}, parse: { json: auto, csv: auto } }`,
      '4:68: sources.a.parse.csv: a source has one parser, and this one has json: make another source of it',
    ],
    [
      'a file without a parser',
      'a: { file: { path: x } }',
      '4:6: sources.a: say how the file is read: parse: { csv: auto }, json or line_protocol',
    ],
    [
      'a speed that is none',
      'a: { file: { path: x, speed: 10 }, parse: { csv: auto } }',
      '4:32: sources.a.file.speed: 10 is no speed: write recorded, a multiple of it up to 1000000x such as 60x, or fast',
    ],
    [
      'a speed of what tells no time',
      'a: { file: { path: x, speed: 2x }, parse: { csv: auto } }',
      '4:32: sources.a.file.speed: needs to know when: add parse.time',
    ],
    [
      'a speed of what grows',
      'a: { file: { path: x, speed: 2x, follow: true }, parse: { line_protocol: auto } }',
      '4:32: sources.a.file.speed: has no sense with follow: what grows has a pace of its own',
    ],
    [
      'a key of another parser',
      `a: { ${mqtt}, parse: { separator: ";" } }`,
      '4:62: sources.a.parse.separator: belongs to csv, and this source reads json',
    ],
    [
      'time of a plain value',
      `a: { ${mqtt}, parse: { value: auto, time: { field: ts, unit: s } } }`,
      '4:70: sources.a.parse.time: belongs to json or csv or line_protocol, and this source reads value',
    ],
    [
      'skip of declared metrics',
      `a: { ${mqtt}, parse: { json: { t: {} }, skip: [x] } }`,
      '4:74: sources.a.parse.skip: goes with auto: of declared metrics, the others are left out anyway',
    ],
    [
      'no field of the time',
      `a: { ${mqtt}, parse: { time: { unit: ms } } }`,
      '4:57: sources.a.parse.time: say where the time is: field: ts',
    ],
    [
      'no form of the time',
      `a: { ${mqtt}, parse: { time: { field: ts } } }`,
      '4:57: sources.a.parse.time: say how the time is written: unit or format',
    ],
    [
      'two forms of the time',
      `a: { ${mqtt}, parse: { time: { field: ts, unit: ms, format: "YYYY-MM-DDZ" } } }`,
      '4:88: sources.a.parse.time.format: takes the place of unit: keep one',
    ],
    [
      'a zone that is none',
      `a: { ${mqtt}, parse: { time: { field: ts, unit: iso, zone: CET2 } } }`,
      "4:57: sources.a.parse.time: 'CET2' is no time zone: write UTC, +01:00 or a name such as Europe/Rome",
    ],
    [
      'a time field of line protocol',
      `a: { ${mqtt}, parse: { line_protocol: auto, time: { field: ts, unit: s } } }`,
      '4:87: sources.a.parse.time.field: a line has its time at its end: only unit and max_skew',
    ],
    [
      'a separator that is a digit',
      `a: { ${mqtt}, parse: { csv: auto, separator: "0" } }`,
      '4:73: sources.a.parse.separator: is one character that is no part of a number: "," ";" "\\t" " " or "|"',
    ],
    [
      'a separator that is the decimal mark',
      `a: { ${mqtt}, parse: { csv: auto, separator: ",", decimal: "," } }`,
      '4:73: sources.a.parse.separator: is the decimal mark as well: one of the two must differ',
    ],
    [
      'columns without names',
      `a: { ${mqtt}, parse: { csv: auto, header: false } }`,
      '4:70: sources.a.parse.header: without a header, give the columns names: columns',
    ],
    [
      'a column that is not there',
      `a: { ${mqtt}, parse: { csv: auto, columns: [a, b], device: node } }`,
      "4:49: sources.a.parse: columns: there is no column 'node'",
    ],
    [
      'a path that is none',
      `a: { ${mqtt}, parse: { json: { t: { field: a..b } } } }`,
      "4:49: sources.a.parse: metrics.t.field: 'a..b' is no path: write a field name, or a.b for a nested one",
    ],
    [
      'values that nothing tells apart',
      `a: { ${mqtt}, parse: { value: { t: {}, u: {} } } }`,
      '4:58: sources.a.parse.value: the topic does not tell which of t, u a value is: add the level {metric}, or keep one',
    ],
    [
      'plain values in a file',
      'a: { file: { path: x }, parse: { value: auto } }',
      '4:43: sources.a.parse.value: a file of plain values tells neither metric nor time: use csv',
    ],
    [
      'more captures than tags',
      `a: { mqtt: { topics: ["${captures}"] } }`,
      '4:25: sources.a.mqtt.topics[0]: has 18 captures: at most 17',
    ],
    [
      'listening and joining',
      'a: { mqtt: { listen: 1883, url: "mqtt://b", topics: [t] } }',
      '4:35: sources.a.mqtt.url: joins a broker, and listen is one: keep one of them',
    ],
    [
      'a user of a broker that is joined',
      'a: { mqtt: { url: "mqtt://b", topics: [t], anonymous: lan } }',
      '4:57: sources.a.mqtt.anonymous: goes with listen: a broker that is joined knows its users',
    ],
    [
      'a client id of a listener',
      'a: { mqtt: { topics: [t], client_id: x } }',
      '4:40: sources.a.mqtt.client_id: goes with url, of a broker that is joined',
    ],
    [
      'a url that is none',
      'a: { mqtt: { url: "tcp://b", topics: [t] } }',
      '4:21: sources.a.mqtt.url: "tcp://b" is not an address of a broker: write mqtt://host:1883 or mqtts://host:8883',
    ],
    [
      'tls without mqtts',
      'a: { mqtt: { url: "mqtt://127.0.0.1", topics: [t], tls: {} } }',
      '4:59: sources.a.mqtt.tls: needs a url that begins with mqtts://',
    ],
    [
      'overlapping topics at one broker',
      'a: { mqtt: { url: "mqtt://127.0.0.1", topics: ["a/{device}", "+/b"] } }',
      '4:64: sources.a.mqtt.topics[1]: overlaps with "a/{device}" of this source: a message has one reader',
    ],
    [
      'two sources on one port',
      'a: { mqtt: { listen: 8086, topics: [t] } }\n  b: { http: { listen: 8086 } }',
      '5:24: sources.b.http.listen: port 8086 is taken for mqtt by source "a": give it another port',
    ],
    [
      'an open door',
      'a: { http: { listen: "0.0.0.0:8086" } }',
      '4:24: sources.a.http.listen: 0.0.0.0 is reachable from other machines: add "tokens", "users", or "anonymous: lan", or listen on 127.0.0.1',
    ],
    [
      'two that take /write',
      'a: { http: {} }\n  b: { http: {} }',
      '5:14: sources.b.http: takes /write, as line protocol of source "a" on the same listener does: a message has one reader',
    ],
    [
      'a path with a meaning of its own',
      'a: { http: { paths: ["/api/{device}/write"] }, parse: { json: auto } }',
      '4:24: sources.a.http.paths[0]: overlaps with /api/v2/write, which has a meaning of its own',
    ],
    [
      'one path of two sources',
      'a: { http: { paths: [x] }, parse: { json: auto } }\n  b: { http: { paths: ["/x"] }, parse: { json: auto } }',
      '5:24: sources.b.http.paths[0]: overlaps with "x" of source "a" on the same listener: a message has one reader',
    ],
  ])('%s', (_what, source, message) => {
    expect(problemOf(`  ${source}`)).toBe(`a.yaml:${message}`);
  });

  it('one client id twice at one broker', () => {
    const join = (name: string): string =>
      `  ${name}: { mqtt: { url: "mqtt://127.0.0.1", topics: [t], client_id: x } }`;
    expect(problemOf(`${join('a')}\n${join('b')}`)).toBe(
      'a.yaml:5:65: sources.b.mqtt.client_id: is that of source "a" at the same broker, which would disconnect one of them',
    );
  });
});

describe('what is allowed and likely wrong is a warning:', () => {
  it.each([
    [
      'a file whose readings get the time of their arrival',
      'a: { file: { path: x }, parse: { csv: auto } }',
      'a.yaml:4:14: sources.a.file: without parse.time, every reading gets the time at which the file was read',
    ],
    [
      'a password in clear text',
      'a: { mqtt: { url: "mqtt://broker", topics: [t], username: u, password: p } }',
      'a.yaml:4:21: sources.a.mqtt.url: the password travels in clear text: use mqtts:// beyond a trusted network',
    ],
    [
      'a path with a wildcard and no device',
      'a: { http: { paths: ["x/+"] }, parse: { json: auto } }',
      'a.yaml:4:24: sources.a.http.paths[0]: has no {device}: all that match are taken for one device',
    ],
  ])('%s', (_what, source, warning) => {
    expect(load(`  ${source}`).warnings).toEqual([warning]);
  });
});

it('a pipeline knows the metrics that any parser declares', () => {
  const text = document('  air: { file: { path: x }, parse: { csv: { temp: {} }, time: { field: t, unit: s } } }');
  const pipelines = 'pipelines: { live: { from: air, deadband: { tmp: 1 } } }\n';
  expect(() => loadAgentConfig({ text: text + pipelines, name: 'a.yaml', folder: '/' }, {})).toThrow(
    '"air" has no such metric (did you mean "temp"?)',
  );
});
