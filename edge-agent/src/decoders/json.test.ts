import { hasCode } from '@fogline/shared/errors';
import { SeededRandom } from '@fogline/shared/random';
import { flagText, quality } from '@fogline/shared/reading';
import { describe, expect, it } from 'vitest';
import { SeriesRegistry } from '../sources/series-registry.ts';
import { type DeviceBinding, JsonDecoder, type JsonDecoderOptions, type JsonMetric } from './json.ts';
import { ReadingsBuilder } from './readings-builder.ts';
import { Rejections } from './rejections.ts';

const now = Date.UTC(2026, 0, 1);

function metric(name: string, more: Partial<JsonMetric> = {}): JsonMetric {
  return { name, field: name, unit: '', type: 'number', ...more };
}

function open(options: JsonDecoderOptions, seriesMax?: number) {
  const registry = new SeriesRegistry(seriesMax);
  const rejections = new Rejections();
  const decoder = new JsonDecoder(options, registry, rejections);
  const builder = new ReadingsBuilder();
  const binding = decoder.bind('d1', []) as DeviceBinding;
  return {
    registry,
    rejections,
    builder,
    decoder,
    /** The rows as [series, time, value, flags, hasSourceTime], and what was rejected. */
    decode(payload: unknown, from: DeviceBinding = binding) {
      const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
      const bytes = payload instanceof Uint8Array ? payload : Buffer.from(text);
      const before = rejections.toObject();
      const count = decoder.decode(bytes, from, now, builder);
      const { columns, hasSourceTime } = builder.take();
      expect(columns.count).toBe(count);
      const rows = Array.from({ length: count }, (_, row) => [
        columns.series[row],
        columns.time[row],
        (columns.flags[row] as number) & flagText ? columns.strings[columns.value[row] as number] : columns.value[row],
        columns.flags[row],
        hasSourceTime[row],
      ]);
      const rejected = Object.fromEntries(
        Object.entries(rejections.toObject())
          .map(([reason, total]) => [reason, total - (before[reason] ?? 0)] as const)
          .filter(([, total]) => total > 0),
      );
      return { rows, rejected };
    },
  };
}

describe('configured metrics', () => {
  const options: JsonDecoderOptions = {
    metrics: [
      metric('temperature', { field: 'temp', unit: 'Cel', range: { min: -40, max: 85 } }),
      metric('door', { field: 'io.door', type: 'boolean' }),
      metric('state', { type: 'text' }),
      metric('third', { field: 'list.2' }),
    ],
  };

  it('takes nested fields, booleans as 0 and 1, texts, and elements of arrays, at the time of arrival', () => {
    const { decode, registry } = open(options);
    expect(decode({ temp: 21.5, io: { door: true }, state: 'open', list: [1, 2, 3], other: 9 })).toEqual({
      rows: [
        [0, now, 21.5, 0, 0],
        [1, now, 1, 0, 0],
        [2, now, 'open', flagText, 0],
        [3, now, 3, 0, 0],
      ],
      rejected: {},
    });
    expect(registry.takeNew()).toEqual([
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
    ['an array', [1], { not_object: 1 }],
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
    [{ metrics: 'auto', time: { field: '', unit: 'ms' } }, /no path/],
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
  const options: JsonDecoderOptions = {
    metrics: [metric('v')],
    time: { field: 'meta.ts', unit: 's', maxSkewMs: 5_000 },
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
    const { decode, registry } = open({ metrics: 'auto', time: { field: 'ts', unit: 'ms' } });
    const payload = { ts: now - 5, temp: 1.5, on: false, name: 'n', nested: { a: 1 }, list: [1], none: null };
    expect(decode(payload).rows).toEqual([
      [0, now - 5, 1.5, 0, 1],
      [1, now - 5, 0, 0, 1],
    ]);
    expect(registry.takeNew().map(({ metric: name, type }) => [name, type])).toEqual([
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

describe('limits', () => {
  it('a million distinct devices stay within seriesMax, each one more counted', () => {
    const { decoder, registry, rejections, builder } = open({ metrics: [metric('v')] }, 1_000);
    const payload = Buffer.from('{"v":1}');
    for (let device = 0; device < 1_000_000; device++) {
      decoder.decode(payload, decoder.bind(`device-${device}`, []) as DeviceBinding, now, builder);
      if (builder.count > 4_000) builder.take();
    }
    expect(registry.size).toBe(1_000);
    expect(rejections.toObject()).toEqual({ series_limit: 999_000 });
    expect(decoder.decode(payload, decoder.bind('device-7', []) as DeviceBinding, now, builder)).toBe(1);
  });

  it('names of devices and tags are checked', () => {
    const { decoder } = open({ metrics: 'auto' });
    for (const name of ['', 'a\u0000b', 'a\nb', 'a\u0085b', 'broken \ufffd', 'ü'.repeat(65)]) {
      expect(decoder.bind(name, []), JSON.stringify(name)).toBeUndefined();
      expect(decoder.bind('d', [['site', name]]), JSON.stringify(name)).toBeUndefined();
    }
    expect(decoder.bind('ü'.repeat(64), [['site', 'Zürich 1/2']])).toBeDefined();
  });

  it('seeded damage to a payload is a row or a counted rejection, never a crash, never a value that is not finite', () => {
    const valid = Buffer.from('{"temp":21.5,"on":true,"meta":{"ts":1767225600.5},"state":"open","list":[1,2,3]}');
    const options: JsonDecoderOptions = {
      metrics: [
        metric('temp'),
        metric('on', { type: 'boolean' }),
        metric('state', { type: 'text' }),
        metric('l', { field: 'list.0' }),
      ],
      time: { field: 'meta.ts', unit: 's' },
    };
    const { decoder, rejections, builder } = open(options);
    const binding = decoder.bind('d', []) as DeviceBinding;
    for (let seed = 1; seed <= 5_000; seed++) {
      const random = new SeededRandom(seed);
      let bytes = Buffer.from(valid);
      for (let edits = random.below(4); edits >= 0; edits--) {
        if (random.chance(0.3)) bytes = bytes.subarray(0, random.below(bytes.length + 1));
        else if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
      }
      const before = Object.values(rejections.toObject()).reduce((sum, count) => sum + count, 0);
      const rows = decoder.decode(bytes, binding, now, builder);
      const after = Object.values(rejections.toObject()).reduce((sum, count) => sum + count, 0);
      expect(rows > 0 || after > before, `seed ${seed}`).toBe(true);
      const { columns } = builder.take();
      expect(columns.value.every(Number.isFinite) && columns.time.every(Number.isSafeInteger), `seed ${seed}`).toBe(
        true,
      );
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
