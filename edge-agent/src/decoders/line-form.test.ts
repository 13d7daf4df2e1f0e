import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { LineProtocolConfig, Message } from './decoder.ts';
import { LineProtocolDecoder } from './line-protocol.ts';
import { LineScanner } from './line-scanner.ts';
import type { MetricConfig } from './metric.ts';
import { arrivalMs, DecoderKit } from './testing/decoder-kit.ts';

type Options = Omit<LineProtocolConfig, 'format' | 'precision' | 'maxSkewMs'>;

const base = { format: 'line_protocol', precision: 'ms', maxSkewMs: 60_000 } as const;

function metric(name: string, more: Partial<MetricConfig> = {}): MetricConfig {
  return { name, field: name, unit: '', type: 'number', ...more };
}

const configs: Record<string, Options> = {
  auto: { metrics: 'auto' },
  'auto, a field left out': { metrics: 'auto', skip: ['m_b'] },
  'auto, with markers': { metrics: 'auto', missing: [-1] },
  'a device tag': { metrics: 'auto', device: 'd' },
  configured: { metrics: [metric('m_a', { range: { min: 0, max: 50 } }), metric('m_b', { type: 'boolean' })] },
};

const valueText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc
    .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(6))
    .map(([value, digits]) => (value / 10 ** digits).toFixed(digits)),
  fc.integer().map((value) => `${value}i`),
  fc.constantFrom('-0', '007', '1.', '.5', '-', '+1', '1e3', '1.5i', '-1u', '5u', '12345678901234567890', '-1', '1i'),
  fc.constantFrom('t', 'false', '"x"', '"a b,c=1 2"', ''),
);
const timeText = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -70_000, max: 70_000 }).map((offset) => String(arrivalMs + offset)) },
  fc.constantFrom('', '-5', '1', '99999999999999999999', 'x', '1767225600000x'),
);

const line = fc
  .record({
    head: fc.constantFrom('m,d=a', 'm,d=b', 'm', 'm,d=a,e=f'),
    fields: fc.constantFrom('a', 'a', 'ab', 'ba', 'abc'),
    values: fc.array(valueText, { minLength: 3, maxLength: 3 }),
    time: timeText,
    gap: fc.constantFrom(' ', ' ', ' ', '  '),
    end: fc.constantFrom('\n', '\n', '\n', '\r\n', '\n\n', ' \n', '\n#x\n'),
  })
  .map(({ head, fields, values, time, gap, end }) => {
    const list = fields.split('').map((name, index) => `${name}=${values[index] ?? ''}`);
    return `${head}${gap}${list.join(',')}${gap}${time}${end}`;
  });

/** Every line through a reader of its own, of which nothing is expected. */
function oneByOne(options: Options, kit: DecoderKit, lines: readonly string[]): ReturnType<DecoderKit['decode']> {
  const { registry, rejections, builder } = kit;
  const before = rejections.toObject();
  const rows = lines.flatMap((text) => {
    const ports = { registry, rejections, out: builder, payloadBytesMax: 65_536 };
    const decoder = new LineProtocolDecoder({ ...base, ...options }, ports);
    const reader = decoder.bind({ source: 'src', device: 'd1', captures: [] });
    if (reader === undefined) throw new Error('the sender cannot be named');
    return kit.decode(text, { reader }).rows;
  });
  const rejected = Object.entries(rejections.toObject()).map(([reason, count]): [string, number] => {
    return [reason, count - (before[reason] ?? 0)];
  });
  return { rows, rejected: Object.fromEntries(rejected.filter(([, count]) => count > 0)) };
}

describe('a form of lines that a sender repeats', () => {
  it.each(Object.entries(configs))('gives what the scanner gives: %s', (_name, options) => {
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 4 }), (lines, cut) => {
        const [quick, plain] = [new DecoderKit({ ...base, ...options }), new DecoderKit({ ...base, ...options })];
        // Again and again, so that every line is expected where it comes.
        for (let turn = 0; turn < 4; turn++) {
          const texts = turn < 3 ? lines : [...lines.slice(0, -1), (lines.at(-1) ?? '').slice(0, -cut)];
          expect(quick.decode(texts.join('')), texts.join('')).toEqual(oneByOne(options, plain, texts));
        }
        expect(quick.rejections.toObject()).toEqual(plain.rejections.toObject());
        expect(quick.definitions).toEqual(plain.definitions);
      }),
      { numRuns: 200 },
    );
  });

  it('stops between two lines when there are rows enough', () => {
    const kit = new DecoderKit({ ...base, metrics: 'auto' });
    const text = Array.from({ length: 20 }, (_, index) => `m,d=${index % 2} a=${index} ${arrivalMs + index}\n`).join(
      '',
    );
    expect(kit.decode(text, { rowsPerRead: 3 }).rows.map(([series, time, value]) => [series, time, value])).toEqual(
      Array.from({ length: 20 }, (_, index) => [index % 2, arrivalMs + index, index]),
    );
  });

  it('is not scanned again', () => {
    const scan = vi.spyOn(LineScanner.prototype, 'scan');
    const kit = new DecoderKit({ ...base, metrics: 'auto' });
    const text = ['a', 'b', 'c'].map((d) => `m,d=${d} x=1.5,n=7i ${arrivalMs}\n`).join('');
    for (let turn = 0; turn < 10; turn++) expect(kit.decode(text).rows.length).toBe(6);
    // Three to know them, one to know that the first comes behind the last.
    expect(scan).toHaveBeenCalledTimes(4);
    scan.mockRestore();
  });

  it('heeds the precision of the request', () => {
    const kit = new DecoderKit({ ...base, metrics: 'auto' });
    const text = (unit: number): string => [0, 1, 2].map((i) => `m a=1 ${(arrivalMs - 3 + i) * unit}\n`).join('');
    const times = (precision: NonNullable<Message['precision']>, unit: number): number[] =>
      kit.decode(text(unit), { precision }).rows.map(([, time]) => time);
    const due = [arrivalMs - 3, arrivalMs - 2, arrivalMs - 1];
    expect([times('ms', 1), times('us', 1_000), times('ms', 1)]).toEqual([due, due, due]);
  });

  it('is found again after others filled what is remembered with long names', () => {
    const kit = new DecoderKit({ ...base, metrics: 'auto' });
    for (let n = 0; n < 1_000; n++) {
      const junk = `${n}`.padEnd(60_000, 'x');
      kit.decode(n % 2 === 0 ? `${junk} a=1` : `m ${junk}=1,a=1`);
      expect(kit.decode(`m,d=a a=${n} ${arrivalMs + n}`)).toEqual({
        rows: [[0, arrivalMs + n, n, 0, 1]],
        rejected: {},
      });
    }
  });
});
