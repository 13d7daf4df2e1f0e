import { hasCode } from '@fogline/shared/errors';
import { SeededRandom } from '@fogline/shared/random';
import { quality } from '@fogline/shared/reading';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CsvConfig } from './decoder.ts';
import { DecoderKit, type KitOptions, arrivalMs as now } from './testing/decoder-kit.ts';
import { lineBytesMax } from './text-lines.ts';

function open(config: Partial<CsvConfig> = {}, options: KitOptions = {}): DecoderKit {
  return new DecoderKit(
    { format: 'csv', metrics: 'auto', separator: ',', decimal: '.', hasHeader: true, ...config },
    { payloadBytesMax: 32 * 1_024 * 1_024, ...options },
  );
}

const inMs = { fields: ['ts'], unit: 'ms', maxSkewMs: 600_000 } as const;
const atMs = Date.UTC(2025, 0, 1);

describe('columns', () => {
  it('are metrics by the names of the header; numbers and booleans are taken', () => {
    const kit = open({ time: inMs });
    expect(kit.named(`ts,temp,"on, really"\n${atMs},21.5,TRUE\r\n${atMs + 1},-1e2,false`)).toEqual([
      ['d1', 'temp', atMs, 21.5],
      ['d1', 'on, really', atMs, 1],
      ['d1', 'temp', atMs + 1, -100],
      ['d1', 'on, really', atMs + 1, 0],
    ]);
    expect(kit.rejections.toObject()).toEqual({});
  });

  it('may be declared, with other names, units, ranges and types; others are left out', () => {
    const metrics = [
      { name: 'temperature', field: 'T', unit: 'Cel', type: 'number', range: { min: -40, max: 60 } },
      { name: 'state', field: 'st', unit: '', type: 'text' },
      { name: 'gone', field: 'nowhere', unit: '', type: 'number' },
    ] as const;
    const kit = open({ metrics });
    expect(kit.decode('x,st,T\n1,"say ""hi"" ",61\n1,,20\n').rows).toEqual([
      [0, now, 61, quality.bad, 0],
      [1, now, 'say "hi" ', 4, 0],
      [0, now, 20, quality.good, 0],
    ]);
    expect(kit.rejections.toObject()).toEqual({ field_missing: 1 });
  });

  it('may have names of the configuration, with or without a header to pass over', () => {
    const columns = ['ts', 'a', 'b'];
    for (const [hasHeader, header] of [
      [false, ''],
      [true, ',x y,\n'],
    ] as const) {
      expect(open({ columns, hasHeader, time: inMs, skip: ['b'] }).named(`${header}${atMs},1,2`)).toEqual([
        ['d1', 'a', atMs, 1],
      ]);
    }
  });

  it('without a name, and those to be skipped, are left out; a byte order mark is no name', () => {
    expect(open({ skip: ['seq'] }).named('\ufeffa,,seq\n1,2,3\n')).toEqual([['d1', 'a', now, 1]]);
  });

  it('may name the device and tags', () => {
    const kit = open({ device: 'node', tags: ['src'], time: inMs });
    expect(kit.named(`ts,node,src,lqi\n${atMs},16,13,8\n${atMs},13,15,245\n${atMs},16,13,9`)).toEqual([
      ['16', 'lqi', 'src=13', atMs, 8],
      ['13', 'lqi', 'src=15', atMs, 245],
      ['16', 'lqi', 'src=13', atMs, 9],
    ]);
  });

  it('of one header after another are each read by their own', () => {
    const kit = open();
    expect(kit.named('a,b\n1,2')).toEqual([
      ['d1', 'a', now, 1],
      ['d1', 'b', now, 2],
    ]);
    expect(kit.named('b,c\n3,4')).toEqual([
      ['d1', 'b', now, 3],
      ['d1', 'c', now, 4],
    ]);
    expect(kit.named('a,b\n5,6').length).toBe(2);
    expect(kit.registry.size).toBe(3);
  });
});

describe('cells', () => {
  it('may have other separators, a decimal comma, spaces around them, and bytes of other encodings where nobody looks', () => {
    const columns = ['ts', 'node', 'seq', 'temp'];
    const config = {
      columns,
      hasHeader: false,
      separator: ' ',
      decimal: ',',
      device: 'node',
      skip: ['seq'],
      time: inMs,
    } as const;
    const row = Buffer.concat([Buffer.from(`${atMs} 20 1`), Buffer.from([0xa0]), Buffer.from('000 21,21\n')]);
    expect(open(config).named(row)).toEqual([['20', 'temp', atMs, 21.21]]);
    expect(open({ separator: ';' }).named('a;b\n 1 ;"2"\n')).toEqual([
      ['d1', 'a', now, 1],
      ['d1', 'b', now, 2],
    ]);
    expect(open({ separator: '\t' }).named('a\tb\n1\t2')).toHaveLength(2);
  });

  it('that are empty or hold a marker are no readings', () => {
    const kit = open({ missing: [-200, 'NA'] });
    expect(kit.named('a,b\n-200,1\n-200.0,NA\n,-200.5\n')).toEqual([
      ['d1', 'b', now, 1],
      ['d1', 'b', now, -200.5],
    ]);
    expect(kit.rejections.toObject()).toEqual({ missing_marker: 3, field_missing: 1 });
  });

  it('that are no numbers are counted, each by itself', () => {
    const kit = open();
    expect(kit.named('a,b\n1,x\nnan,2\n1e999,3').map((row) => row[3])).toEqual([1, 2, 3]);
    expect(kit.reported).toEqual([
      ['wrong_type', 2, '1,x'],
      ['wrong_type', 3, 'nan,2'],
      ['not_finite', 4, '1e999,3'],
    ]);
  });
});

describe('time', () => {
  it('may be in two columns, in a declared form and zone', () => {
    const time = { fields: ['Date', 'Time'], unit: 'iso', zone: 'UTC', maxSkewMs: 0 } as const;
    expect(open({ time }).named('Date,Time,T\n2004-03-10,18:00:00,13.6')).toEqual([
      ['d1', 'T', Date.UTC(2004, 2, 10, 18), 13.6],
    ]);
    const form = { fields: ['date'], format: 'YYYY/M/D H:mm', zone: '+08:00', maxSkewMs: 0 } as const;
    expect(open({ time: form }).named('date,T\n2020/1/1 0:15,5')).toEqual([
      ['d1', 'T', Date.UTC(2019, 11, 31, 16, 15), 5],
    ]);
  });

  it.each([
    ['none', '', 'time_missing'],
    ['a word', 'x', 'time_invalid'],
    ['1970', '5', 'time_before_2000'],
    ['2200', '7258118400000', 'time_future'],
  ])('that is %s costs its row alone', (_what, text, reason) => {
    const kit = open({ time: inMs });
    const { rows, rejected } = kit.decode(`ts,a,b\n${atMs},1,2\n${text},3,4\n${atMs},5,6\n`);
    expect({ rows: rows.length, rejected }).toEqual({ rows: 4, rejected: { [reason]: 1 } });
    expect(kit.reported).toEqual([[reason, 3, `${text},3,4`]]);
  });
});

describe('what is wrong is counted alone, and the rest is taken:', () => {
  it.each([
    ['a cell too few', '1', 'row_broken'],
    ['a cell too many', '1,2,3', 'row_broken'],
    ['a quote that does not end', '1,"2', 'row_broken'],
    ['text after a quote', '"1"x,2', 'row_broken'],
    ['a long row', `1,${'2'.repeat(lineBytesMax)}`, 'line_too_long'],
  ])('%s', (_what, row, reason) => {
    const kit = open();
    const { rows, rejected } = kit.decode(`a,b\n1,2\n\n${row}\n3,4`);
    expect({ rows: rows.map(([, , value]) => value), rejected }).toEqual({
      rows: [1, 2, 3, 4],
      rejected: { [reason]: 1 },
    });
    expect(kit.reported[0]?.slice(0, 2)).toEqual([reason, 4]);
  });

  it.each([
    ['a device', ',1', 'device_missing'],
    ['a name that is none', '\u0001,1', 'device_name_invalid'],
  ])('%s', (_what, row, reason) => {
    expect(open({ device: 'node' }).decode(`node,a\n${row}\nx,2`)).toMatchObject({
      rows: [[0, now, 2, 0, 0]],
      rejected: { [reason]: 1 },
    });
  });

  it.each([
    ['no time', 'a\n1', { time: inMs }],
    ['no device', 'a\n1', { device: 'node' }],
    ['the time twice', 'ts,ts,a\n1,1,1', { time: inMs }],
    ['a metric twice', 'a,a\n1,2', {}],
    ['more columns than may be', `${'a,'.repeat(1_024)}\n`, {}],
    ['a quote that does not end', '"a\n1', {}],
  ])('a header with %s: the whole payload', (_what, text, config) => {
    expect(open(config).decode(text)).toEqual({ rows: [], rejected: { header_broken: 1 } });
  });

  it('a payload with no metric in it', () => {
    const metrics = [{ name: 'x', field: 'x', unit: '', type: 'number' }] as const;
    expect(open({ metrics }).decode('a,b\n1,2').rejected).toEqual({ no_known_field: 1 });
    expect(open().decode('').rejected).toEqual({ header_broken: 1 });
    expect(open().decode(Buffer.from([0x61, 0xff, 0x0a, 0x31])).rejected).toEqual({ not_utf8: 1 });
  });
});

it('refuses a wrong configuration with the reason', () => {
  for (const [config, reason] of [
    [{ hasHeader: false }, /columns need names/],
    [{ columns: ['a', 'a'] }, /one name/],
    [{ columns: ['a'], time: inMs }, /no column 'ts'/],
    [{ time: { fields: ['t'], maxSkewMs: 0 } }, /unit or format/],
  ] as const) {
    try {
      open(config);
      expect.unreachable();
    } catch (error) {
      expect(hasCode(error, 'config_invalid')).toBe(true);
      expect(String(error)).toMatch(reason);
    }
  }
});

it('headers with ever new names stay within seriesMax and are not remembered', () => {
  const kit = open({}, { seriesMax: 1_000 });
  for (let payload = 0; payload < 2_000; payload++)
    kit.decode(`${Array.from({ length: 10 }, (_, n) => `c${payload}-${n}`).join(',')}\n${'1,'.repeat(9)}1`);
  expect(kit.registry.size).toBe(1_000);
  expect(kit.rejections.toObject()).toEqual({ series_limit: 19_000 });
  expect(kit.decode('c3-1\n5').rows).toEqual([[31, now, 5, 0, 0]]);
});

it('is read in parts as it is in whole', () => {
  const rows = Array.from({ length: 500 }, (_, n) => (n % 7 === 0 ? 'broken' : `${atMs + n},${n},${n / 7}`));
  const text = `ts,a,b\n${rows.join('\n')}`;
  const whole = open({ time: inMs });
  const parts = open({ time: inMs });
  expect(parts.decode(text, { rowsPerRead: 3 })).toEqual(whole.decode(text));
  expect(parts.reported).toEqual(whole.reported);
});

it('any content survives being written by RFC 4180 and read', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab ,"é;'), minLength: 1, maxLength: 8 });
  const metrics = [
    { name: 'n', field: 'n', unit: '', type: 'number' },
    { name: 's', field: 's', unit: '', type: 'text' },
  ] as const;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), text), { minLength: 1 }),
      (rows) => {
        const written = rows.map(([number, state]) => `${number},"${state.replaceAll('"', '""')}"\r\n`);
        const values = open({ metrics })
          .decode(`n,s\r\n${written.join('')}`)
          .rows.map(([, , value]) => value);
        expect(values).toEqual(rows.flatMap(([number, state]) => [Object.is(number, -0) ? 0 : number, state]));
      },
    ),
    { numRuns: 1_000 },
  );
});

it('seeded damage is a row or a counted rejection, never a crash', () => {
  const valid = Buffer.from(`ts,node,a,"b ""c"""\n${atMs},1,2.5,"3"\n${atMs},2,-4,5e0\n`);
  const kit = open({ time: inMs, device: 'node' });
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = new SeededRandom(seed);
    let bytes = Buffer.from(valid);
    for (let edits = random.below(4); edits >= 0; edits--) {
      if (random.chance(0.2)) bytes = bytes.subarray(0, random.below(bytes.length + 1));
      else if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
    }
    const before = kit.rejectedTotal();
    const { rows } = kit.decode(bytes);
    const hasRows = bytes.toString('latin1').trim().includes('\n');
    expect(rows.length > 0 || kit.rejectedTotal() > before || !hasRows, `seed ${seed}`).toBe(true);
    for (const [, timeMs, value] of rows) {
      expect(Number.isSafeInteger(timeMs) && Number.isFinite(value as number), `seed ${seed}`).toBe(true);
    }
  }
});
