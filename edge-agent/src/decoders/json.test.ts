import { hasCode } from '@fogline/shared/errors';
import { SeededRandom } from '@fogline/shared/random';
import { flagText, quality } from '@fogline/shared/reading';
import { describe, expect, it } from 'vitest';
import type { JsonConfig, Reader } from './decoder.ts';
import type { MetricConfig } from './metric.ts';
import { ReadingsBuilder } from './readings-builder.ts';
import { DecoderKit, arrivalMs as now } from './testing/decoder-kit.ts';

type Options = Omit<JsonConfig, 'format'>;

function metric(name: string, more: Partial<MetricConfig> = {}): MetricConfig {
  return { name, field: name, unit: '', type: 'number', ...more };
}

function time(field: string, unit: 's' | 'ms', maxSkewMs = 600_000) {
  return { fields: [field], unit, maxSkewMs };
}

function open(options: Options, seriesMax?: number) {
  const kit = new DecoderKit({ format: 'json', ...options }, seriesMax === undefined ? {} : { seriesMax });
  return { kit, decode: (payload: unknown) => kit.decode(payload) };
}

describe('configured metrics', () => {
  const options: Options = {
    metrics: [
      metric('temperature', { field: 'temp', unit: 'Cel', range: { min: -40, max: 85 } }),
      metric('door', { field: 'io.door', type: 'boolean' }),
      metric('state', { type: 'text' }),
      metric('third', { field: 'list.2' }),
    ],
  };

  it('takes nested fields, booleans as 0 and 1, texts, and elements of arrays, at the time of arrival', () => {
    const { decode, kit } = open(options);
    expect(decode({ temp: 21.5, io: { door: true }, state: 'open', list: [1, 2, 3], other: 9 })).toEqual({
      rows: [
        [0, now, 21.5, 0, 0],
        [1, now, 1, 0, 0],
        [2, now, 'open', flagText, 0],
        [3, now, 3, 0, 0],
      ],
      rejected: {},
    });
    expect(kit.definitions).toEqual([
      { id: 0, device: 'd1', metric: 'temperature', unit: 'Cel', type: 'number', tags: [] },
      { id: 1, device: 'd1', metric: 'door', unit: '', type: 'boolean', tags: [] },
      { id: 2, device: 'd1', metric: 'state', unit: '', type: 'text', tags: [] },
      { id: 3, device: 'd1', metric: 'third', unit: '', type: 'number', tags: [] },
    ]);
  });

  it.each([
    ['no JSON', '{temp:1}', { junk_json: 1 }],
    ['nothing', '', { junk_json: 1 }],
    ['NaN', '{"temp":NaN}', { junk_json: 1 }],
    ['half of it', '{"temp":1', { junk_json: 1 }],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), { junk_json: 1 }],
    ['a list of no objects', [1, [], null], { not_object: 3 }],
    ['null', 'null', { not_object: 1 }],
    ['a number', '5', { not_object: 1 }],
    ['other fields only', { humidity: 5 }, { no_known_field: 1 }],
    ['an empty object', {}, { no_known_field: 1 }],
    ['a number in quotes', { temp: '21.5' }, { wrong_type: 1, field_missing: 3 }],
    ['a boolean for a number', { temp: true }, { wrong_type: 1, field_missing: 3 }],
    ['2 for a boolean', { io: { door: 2 } }, { wrong_type: 1, field_missing: 3 }],
    ['a number for a text', { state: 5 }, { wrong_type: 1, field_missing: 3 }],
    ['an object for a number', { temp: {} }, { wrong_type: 1, field_missing: 3 }],
    ['an overflowing number', '{"temp":1e999}', { not_finite: 1, field_missing: 3 }],
    ['a long text', { state: 'x'.repeat(257) }, { text_too_long: 1, field_missing: 3 }],
    ['a scalar where a path goes on', { io: 5 }, { no_known_field: 1 }],
    ['too many bytes', { temp: 1, pad: 'x'.repeat(70_000) }, { payload_too_large: 1 }],
    ['a deep nest', '['.repeat(30_000), { junk_json: 1 }],
  ])('counts %s, and gives no row', (_what, payload, rejected) => {
    expect(open(options).decode(payload)).toEqual({ rows: [], rejected });
  });

  it('counts absent and null fields beside the ones that were taken', () => {
    expect(open(options).decode({ temp: 1, state: null })).toEqual({
      rows: [[0, now, 1, 0, 0]],
      rejected: { field_missing: 3 },
    });
  });

  it('keeps values out of range with quality bad', () => {
    const { decode } = open(options);
    expect(decode({ temp: 85.01 }).rows).toEqual([[0, now, 85.01, quality.bad, 0]]);
    expect(decode({ temp: -40 }).rows).toEqual([[0, now, -40, quality.good, 0]]);
  });

  it('keeps -0, subnormals and integers to 2^53 exactly', () => {
    const { decode } = open({ metrics: [metric('v')] });
    for (const text of ['-0', '5e-324', '9007199254740992', '-9007199254740992', '0.1']) {
      expect(Object.is(decode(`{"v":${text}}`).rows[0]?.[2], Number(text)), text).toBe(true);
    }
  });

  it('does not take what objects inherit for a field', () => {
    const { decode } = open({
      metrics: [
        metric('constructor'),
        metric('__proto__', { type: 'text' }),
        metric('x', { field: 'toString.length' }),
      ],
    });
    expect(decode({})).toEqual({ rows: [], rejected: { no_known_field: 1 } });
    expect(decode('{"__proto__":"sent"}').rows).toEqual([[0, now, 'sent', flagText, 0]]);
  });

  it.each([
    [{ metrics: [] }, /at least one/],
    [{ metrics: [metric('')] }, /metric name/],
    [{ metrics: [metric('a', { field: 'a..b' })] }, /no path/],
    [{ metrics: [metric('a', { range: { min: 2, max: 1 } })] }, /empty/],
    [{ metrics: 'auto', time: time('', 'ms') }, /no path/],
  ] as const)('refuses a wrong configuration with the reason: %j', (wrong, reason) => {
    try {
      open(wrong);
      expect.unreachable();
    } catch (error) {
      expect(hasCode(error, 'config_invalid')).toBe(true);
      expect(String(error)).toMatch(reason);
    }
  });
});

describe('source time', () => {
  const options: Options = {
    metrics: [metric('v')],
    time: time('meta.ts', 's', 5_000),
  };

  it('is taken from the payload', () => {
    expect(open(options).decode({ v: 1, meta: { ts: now / 1_000 - 60 } }).rows).toEqual([[0, now - 60_000, 1, 0, 1]]);
  });

  it.each([
    ['absent', undefined, 'time_missing'],
    ['null', null, 'time_missing'],
    ['in quotes', '1767225600', 'time_invalid'],
    ['1970', 5, 'time_before_2000'],
    ['1999', Date.UTC(1999, 11, 31, 23, 59, 59) / 1_000, 'time_before_2000'],
    ['beyond the skew', now / 1_000 + 5.001, 'time_future'],
    ['2200', Date.UTC(2200, 0, 1) / 1_000, 'time_future'],
    ['milliseconds taken for seconds', now, 'time_future'],
  ])('%s: the message is rejected and counted', (_what, ts, reason) => {
    expect(open(options).decode({ v: 1, meta: { ts } })).toEqual({ rows: [], rejected: { [reason]: 1 } });
  });

  it('may be ahead of the clock by the skew, and as old as 2000', () => {
    const { decode } = open(options);
    expect(decode({ v: 1, meta: { ts: now / 1_000 + 5 } }).rows.length).toBe(1);
    expect(decode({ v: 1, meta: { ts: Date.UTC(2000, 0, 1) / 1_000 } }).rows.length).toBe(1);
  });
});

describe('auto mode', () => {
  it('takes every top-level number and boolean under its own name, and nothing else', () => {
    const { decode, kit } = open({ metrics: 'auto', time: time('ts', 'ms') });
    const payload = { ts: now - 5, temp: 1.5, on: false, name: 'n', nested: { a: 1 }, list: [1], none: null };
    expect(decode(payload).rows).toEqual([
      [0, now - 5, 1.5, 0, 1],
      [1, now - 5, 0, 0, 1],
    ]);
    expect(kit.definitions.map(({ metric: name, type }) => [name, type])).toEqual([
      ['temp', 'number'],
      ['on', 'boolean'],
    ]);
    expect(decode({ ts: now, name: 'n' })).toEqual({ rows: [], rejected: { no_known_field: 1 } });
  });

  it('lets the first value of a field decide its type', () => {
    const { decode } = open({ metrics: 'auto' });
    decode({ n: 5, b: true });
    expect(decode({ n: true, b: 7 })).toEqual({ rows: [[0, now, 1, 0, 0]], rejected: { wrong_type: 1 } });
  });

  it('counts names that cannot be names, and overflowing numbers', () => {
    const { decode } = open({ metrics: 'auto' });
    const rejected = { metric_name_invalid: 3, not_finite: 1 };
    expect(decode(`{"":1,"a\\u0001":1,"${'x'.repeat(129)}":1,"n":1e999}`)).toEqual({ rows: [], rejected });
  });
});

describe('lists', () => {
  const readings: Options = {
    metrics: [metric('temp'), metric('first', { field: 'raw.0' })],
    each: 'data.readings',
    device: 'node',
    tags: ['meta.site'],
    time: time('ts', 'ms'),
  };

  it('a list of objects is as many messages; an empty one is none', () => {
    const { decode } = open({ metrics: 'auto', time: time('ts', 'ms') });
    const list = [{ ts: now - 2, t: 1 }, { ts: now - 1, t: 2 }, 5, { ts: now, t: 3 }];
    expect(decode(list)).toEqual({
      rows: [
        [0, now - 2, 1, 0, 1],
        [0, now - 1, 2, 0, 1],
        [0, now, 3, 0, 1],
      ],
      rejected: { not_object: 1 },
    });
    expect(decode([])).toEqual({ rows: [], rejected: {} });
  });

  it('`each` finds the list; time, device and tags are those of the element, else of the object around it', () => {
    const { kit } = open(readings);
    const payload = {
      ts: now - 9,
      node: 'all',
      meta: { site: 'lyon' },
      data: {
        readings: [
          { temp: 1, raw: [7, 8] },
          { temp: 2, node: 20, ts: now - 8, meta: { site: 'paris' } },
          { temp: 3, ts: 'soon' },
          { temp: 4, node: null },
        ],
      },
    };
    expect(kit.named(payload)).toEqual([
      ['all', 'temp', 'site=lyon', now - 9, 1],
      ['all', 'first', 'site=lyon', now - 9, 7],
      ['20', 'temp', 'site=paris', now - 8, 2],
      ['all', 'temp', 'site=lyon', now - 9, 4],
    ]);
    expect(kit.rejections.toObject()).toEqual({ field_missing: 2, time_invalid: 1 });
  });

  it.each([
    ['no list', { data: { readings: { temp: 1 } } }, { not_list: 1 }],
    ['nothing there', { temp: 1 }, { not_list: 1 }],
    ['a list where an object is due', [{ temp: 1 }], { not_list: 1 }],
    ['no object', 5, { not_object: 1 }],
    ['no device', { ts: now, meta: { site: 'x' }, data: { readings: [{ temp: 1 }] } }, { device_missing: 1 }],
    ['no tag', { ts: now, node: 'a', data: { readings: [{ temp: 1 }] } }, { device_missing: 1 }],
    [
      'a bad name',
      { ts: now, node: '\n', meta: { site: 'x' }, data: { readings: [{ temp: 1 }] } },
      { device_name_invalid: 1 },
    ],
  ])('counts %s', (_what, payload, rejected) => {
    expect(open(readings).decode(payload)).toEqual({ rows: [], rejected });
  });
});

describe('values that stand for none', () => {
  it('are counted by themselves, of one metric or of all', () => {
    const metrics = [metric('a', { missing: ['NA'] }), metric('b', { range: { min: 0, max: 5 } })];
    const { decode } = open({ metrics, missing: [-200] });
    expect(decode({ a: -200, b: -200 })).toEqual({ rows: [], rejected: { missing_marker: 2 } });
    expect(decode({ a: 'NA', b: -200.5 })).toEqual({
      rows: [[0, now, -200.5, quality.bad, 0]],
      rejected: { missing_marker: 1 },
    });
    const auto = open({ metrics: 'auto', missing: [-200], skip: ['seq'] });
    expect(auto.decode({ a: -200, b: 1, seq: 7 })).toEqual({
      rows: [[0, now, 1, 0, 0]],
      rejected: { missing_marker: 1 },
    });
  });
});

describe('limits', () => {
  it('a million distinct devices stay within seriesMax, each one more counted', () => {
    const { kit } = open({ metrics: [metric('v')] }, 1_000);
    const payload = Buffer.from('{"v":1}');
    const decode = (device: string): void => {
      const reader = kit.bind({ device }) as Reader;
      reader.read({ payload, nowMs: now, position: 0 }, 1);
    };
    for (let device = 0; device < 1_000_000; device++) {
      decode(`device-${device}`);
      if (kit.builder.count > 4_000) kit.builder.take();
    }
    expect(kit.registry.size).toBe(1_000);
    expect(kit.rejections.toObject()).toEqual({ series_limit: 999_000 });
    kit.builder.take();
    decode('device-7');
    expect(kit.builder.count).toBe(1);
  });

  it('a million devices that messages name stay within it as well, and those known go on', () => {
    const { kit } = open({ metrics: [metric('v')], device: 'id' }, 1_000);
    const elements = (from: number): unknown => Array.from({ length: 1_000 }, (_, n) => ({ id: from + n, v: 1 }));
    for (let from = 0; from < 1_000_000; from += 1_000) kit.decode(elements(from));
    expect(kit.registry.size).toBe(1_000);
    expect(kit.rejections.toObject()).toEqual({ series_limit: 999_000 });
    expect(kit.decode(elements(0)).rows.length).toBe(1_000);
  });

  it('names of devices and tags are checked', () => {
    const { kit } = open({ metrics: 'auto' });
    for (const name of ['', 'a\u0000b', 'a\nb', 'a\u0085b', 'broken \ufffd', 'ü'.repeat(65)]) {
      expect(kit.bind({ device: name }), JSON.stringify(name)).toBeUndefined();
      expect(kit.bind({ captures: [['site', name]] }), JSON.stringify(name)).toBeUndefined();
    }
    expect(kit.bind({ device: 'ü'.repeat(64), captures: [['site', 'Zürich 1/2']] })).toBeDefined();
  });

  it('seeded damage to a payload is a row or a counted rejection, never a crash, never a value that is not finite', () => {
    const valid = Buffer.from('{"temp":21.5,"on":true,"meta":{"ts":1767225600.5},"state":"open","list":[1,2,3]}');
    const options: Options = {
      metrics: [
        metric('temp'),
        metric('on', { type: 'boolean' }),
        metric('state', { type: 'text' }),
        metric('l', { field: 'list.0' }),
      ],
      time: time('meta.ts', 's'),
    };
    const { kit, decode } = open(options);
    for (let seed = 1; seed <= 5_000; seed++) {
      const random = new SeededRandom(seed);
      let bytes = Buffer.from(valid);
      for (let edits = random.below(4); edits >= 0; edits--) {
        if (random.chance(0.3)) bytes = bytes.subarray(0, random.below(bytes.length + 1));
        else if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      }
      const before = kit.rejectedTotal();
      const { rows } = decode(bytes);
      expect(rows.length > 0 || kit.rejectedTotal() > before, `seed ${seed}`).toBe(true);
      for (const [, timeMs, value] of rows) {
        expect(Number.isSafeInteger(timeMs) && (typeof value === 'string' || Number.isFinite(value))).toBe(true);
      }
    }
  });
});

describe('ReadingsBuilder', () => {
  it('hands out columns that later rows do not touch, each text once', () => {
    const builder = new ReadingsBuilder();
    for (let row = 0; row < 1_000; row++) builder.addText(row, row * 2, row % 3 === 0 ? 'a' : 'b', 0, row % 2 === 0);
    const first = builder.take();
    for (let row = 0; row < 2_000; row++) builder.addNumber(7, 7, 7, quality.bad, false);
    const second = builder.take();
    expect(first.columns.strings).toEqual(['a', 'b']);
    expect(first.columns.count).toBe(1_000);
    expect([...first.columns.series.subarray(998)]).toEqual([998, 999]);
    expect([...first.columns.time.subarray(998)]).toEqual([1_996, 1_998]);
    expect([...first.columns.value.subarray(996)]).toEqual([0, 1, 1, 0]);
    expect([...first.hasSourceTime.subarray(998)]).toEqual([1, 0]);
    expect(second.columns).toMatchObject({ count: 2_000, strings: [] });
    expect(second.columns.value.length).toBe(2_000);
    expect(builder.count).toBe(0);
  });
});
