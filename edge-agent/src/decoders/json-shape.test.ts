import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonConfig } from './decoder.ts';
import { JsonShape } from './json-shape.ts';
import type { MetricConfig } from './metric.ts';
import { arrivalMs, DecoderKit, type KitOptions } from './testing/decoder-kit.ts';

type Options = Omit<JsonConfig, 'format'>;

function kit(options: Options, more: KitOptions = {}): DecoderKit {
  return new DecoderKit({ format: 'json', ...options }, { isFormFirst: true, ...more });
}

function metric(name: string, more: Partial<MetricConfig> = {}): MetricConfig {
  return { name, field: name, unit: '', type: 'number', ...more };
}

const time = { fields: ['ts'], unit: 'ms', maxSkewMs: 60_000 } as const;

const configs: Record<string, Options> = {
  configured: { metrics: [metric('a'), metric('b', { range: { min: 0, max: 50 } })], time },
  'with a missing marker': { metrics: [metric('a', { missing: [-1] })], time },
  'a boolean': { metrics: [metric('a', { type: 'boolean' })] },
  auto: { metrics: 'auto', time, skip: ['b'] },
  'auto with a device': { metrics: 'auto', device: 'name' },
  'auto with a tag': { metrics: 'auto', tags: ['name'] },
  seconds: { metrics: 'auto', time: { ...time, unit: 's' } },
  'a list': { metrics: 'auto', each: 'list' },
};

/** Texts of numbers, those that JSON has and those that it has not. */
const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc
    .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(6))
    .map(([value, digits]) => (value / 10 ** digits).toFixed(digits)),
  fc.constantFrom(
    '-0',
    '0',
    '01',
    '-',
    '1.',
    '.5',
    '1e3',
    '1E-2',
    '+1',
    '-1',
    '12345678901234567890',
    '0.30000000000000004',
  ),
  fc.constantFrom('true', 'null', '"x"', '{}', '[1]', ''),
);
const timeText = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -70_000, max: 70_000 }).map((offset) => String(arrivalMs + offset)) },
  numberText,
);
const blank = fc.constantFrom('', '', '', ' ', '\n');

/** Messages of senders that repeat a form, sometimes another, sometimes broken. */
const message = fc
  .record({
    form: fc.constantFrom('abt', 'tab', 'a', 't', 'ab', 'nab', 'ant', 'aat', 'bta1'),
    a: numberText,
    b: numberText,
    t: timeText,
    name: fc.constantFrom('"dev"', '"dev"', '"de\\u0076"', '7', '"other"'),
    before: blank,
    after: blank,
    cut: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(5)),
  })
  .map(({ form, a, b, t, name, before, after, cut }) => {
    const fields: Record<string, string> = {
      a: `"a":${before}${a}`,
      b: `"b":${b}`,
      t: `"ts":${t}`,
      n: `"name":${name}`,
      1: `"1":${a}`,
    };
    const text = `{${form
      .split('')
      .map((key) => fields[key])
      .join(`${after},`)}}`;
    return text.slice(0, text.length - cut);
  });

describe('a form that a sender repeats', () => {
  it.each(Object.entries(configs))('gives what JSON.parse gives: %s', (_name, options) => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
        const [quick, plain] = [kit(options), kit(options, { isFormFirst: false })];
        for (const text of messages) expect(quick.decode(text), text).toEqual(plain.decode(text));
        expect(quick.rejections.toObject()).toEqual(plain.rejections.toObject());
        expect(quick.definitions).toEqual(plain.definitions);
      }),
      { numRuns: 300 },
    );
  });

  it('is known from the second message on', () => {
    const decoder = kit({ metrics: [metric('temperature')], time });
    for (let i = 0; i < 10; i++) {
      const { rows } = decoder.decode(`{"device":"x","temperature": ${20 + i / 4},"ts":${arrivalMs + i}}`);
      expect(rows).toEqual([[0, arrivalMs + i, 20 + i / 4, 0, 1]]);
    }
    expect(decoder.known).toBe(9);
  });

  it('does not hide that a time lies in the future', () => {
    const decoder = kit({ metrics: [metric('a')], time });
    decoder.decode(`{"a":1,"ts":${arrivalMs}}`);
    expect(decoder.decode(`{"a":1,"ts":${arrivalMs + 60_001}}`)).toEqual({ rows: [], rejected: { time_future: 1 } });
  });

  it('does not hide that a message has no reading at all', () => {
    const decoder = kit({ metrics: 'auto', time });
    for (let i = 0; i < 3; i++) expect(decoder.decode(`{"ts":${arrivalMs}}`).rejected).toEqual({ no_known_field: 1 });
  });

  it('is not looked for in payloads that are too large', () => {
    const decoder = kit({ metrics: 'auto' }, { payloadBytesMax: 20 });
    decoder.decode('{"a":1}');
    expect(decoder.decode(`{"a":1.${'0'.repeat(13)}1}`).rejected).toEqual({ payload_too_large: 1 });
  });
});

describe('the numbers of a form', () => {
  it('are those of JSON.parse, to the bit', () => {
    const shape = JsonShape.of(Buffer.from('{"a":1}'));
    fc.assert(
      fc.property(numberText, (text) => {
        const bytes = Buffer.from(`{"a":${text}}`);
        if (shape?.match(bytes, 0, bytes.length) !== true) return;
        expect(Object.is(shape.values[0], (JSON.parse(bytes.toString()) as { a: number }).a), text).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});
