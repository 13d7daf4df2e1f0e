import { SeededRandom } from '@fogline/shared/random';
import { flagText, quality } from '@fogline/shared/reading';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LineProtocolConfig } from './decoder.ts';
import { DecoderKit, type KitOptions, arrivalMs as now } from './testing/decoder-kit.ts';
import { lineBytesMax } from './text-lines.ts';

const noTopic: KitOptions = { sender: { device: undefined } };

function open(config: Partial<LineProtocolConfig> = {}, options: KitOptions = noTopic): DecoderKit {
  return new DecoderKit(
    { format: 'line_protocol', metrics: 'auto', precision: 'ns', maxSkewMs: 600_000, ...config },
    { payloadBytesMax: 32 * 1_024 * 1_024, ...options },
  );
}

const atMs = Date.UTC(2025, 11, 31, 12);
const at = `${atMs}000000`;

describe('a line', () => {
  it('gives a reading per field, all at its time, of the device that the tag host names', () => {
    const kit = open();
    expect(
      kit.named(`cpu,cpu=cpu0,host=pi usage_idle=98.5,usage_user=1.5 ${at}\nmem,host=pi value=5i ${at}\n`),
    ).toEqual([
      ['pi', 'cpu_usage_idle', 'cpu=cpu0', atMs, 98.5],
      ['pi', 'cpu_usage_user', 'cpu=cpu0', atMs, 1.5],
      ['pi', 'mem', atMs, 5],
    ]);
    expect(kit.rejections.toObject()).toEqual({});
  });

  it('takes floats, integers, unsigned integers, booleans and texts', () => {
    const kit = open();
    const line = 'm f=1e3,i=-42i,u=3u,t=t,T=True,b=FALSE,s="on \\"air\\", a=b \\\\ c\\d",e=""';
    expect(kit.named(line).map(([, metric, , value]) => [metric, value])).toEqual([
      ['m_f', 1000],
      ['m_i', -42],
      ['m_u', 3],
      ['m_t', 1],
      ['m_T', 1],
      ['m_b', 0],
      ['m_s', 'on "air", a=b \\ c\\d'],
      ['m_e', ''],
    ]);
    expect(kit.definitions.map(({ type }) => type)).toEqual([
      'number',
      'number',
      'number',
      'boolean',
      'boolean',
      'boolean',
      'text',
      'text',
    ]);
  });

  it('reads escapes in measurement, tags and field names, and leaves other backslashes alone', () => {
    const kit = open();
    expect(kit.named('my\\ room\\,\\=1,ho\\ st=a\\,b,p=C:\\temp fi\\=e\\ ld=1')).toEqual([
      ['src', 'my room,=1_fi=e ld', 'ho st=a,b', 'p=C:\\temp', now, 1],
    ]);
  });

  it('may go on over a newline within a text, end with a carriage return, and have spaces to spare', () => {
    const kit = open();
    const text = `a s="1\n2" ${at}\r\n\r\n  \n# a comment\nb  v=1   ${at}  \r\nc v=2\r`;
    expect(kit.named(text)).toEqual([
      ['src', 'a_s', atMs, '1\n2'],
      ['src', 'b_v', atMs, 1],
      ['src', 'c_v', now, 2],
    ]);
    expect(kit.rejections.toObject()).toEqual({ line_broken: 1 });
    expect(kit.reported).toEqual([['line_broken', 4, '  \n']]);
  });

  it.each([
    ['ns', '1767182400123999999', 1_767_182_400_123],
    ['us', '1767182400123999', 1_767_182_400_123],
    ['ms', '1767182400123', 1_767_182_400_123],
    ['s', '1767182400', 1_767_182_400_000],
    ['m', '29453040', 1_767_182_400_000],
    ['h', '490884', 1_767_182_400_000],
  ] as const)('tells its time in %s', (precision, time, expected) => {
    expect(open({ precision }).named(`m v=1 ${time}`)).toEqual([['src', 'm_v', expected, 1]]);
    expect(open({ precision: 'ns' }).named(`m v=1 ${time}`, { precision })).toEqual([['src', 'm_v', expected, 1]]);
  });

  it('without a time has that of its arrival, and is marked so', () => {
    expect(open().decode(`m v=1\nm v=2 ${at}`).rows).toEqual([
      [0, now, 1, 0, 0],
      [0, atMs, 2, 0, 1],
    ]);
  });

  it('keeps numbers as Number reads them, beyond 2^53 the nearest, and no integer beyond 64 bits', () => {
    const kit = open();
    const numbers = ['-0', '5e-324', '0.1', '9007199254740993', '13.599999904633'];
    for (const text of numbers)
      expect(Object.is(kit.decode(`m f=${text}`).rows[0]?.[2], Number(text)), text).toBe(true);
    expect(
      kit.named('m a=9223372036854775807i,b=18446744073709551615u,c=-9223372036854775808i').map((row) => row[3]),
    ).toEqual([2 ** 63, 2 ** 64, -(2 ** 63)]);
    expect(kit.decode('m a=9223372036854775808i,b=18446744073709551616u,c=1e999,d=1').rejected).toEqual({
      not_finite: 3,
    });
  });
});

describe('who it is about', () => {
  it('a declared tag, else the topic, else the tag host, else the source', () => {
    const line = 'm,host=h,room=r v=1';
    const named = (kit: DecoderKit): unknown[] | undefined => kit.named(line)[0]?.slice(0, -2);
    expect(named(open())).toEqual(['h', 'm_v', 'room=r']);
    expect(named(open({}, { sender: { device: 'topic' } }))).toEqual(['topic', 'm_v', 'host=h', 'room=r']);
    expect(named(open({ device: 'room' }, { sender: { device: 'topic' } }))).toEqual(['r', 'm_v', 'host=h']);
    expect(named(open({ device: 'rack' }, { sender: { device: 'topic' } }))).toEqual([
      'topic',
      'm_v',
      'host=h',
      'room=r',
    ]);
    expect(named(open({ device: 'rack' }))).toEqual(['src', 'm_v', 'host=h', 'room=r']);
    expect(
      named(
        open(
          {},
          {
            sender: {
              device: undefined,
              captures: [
                ['room', 'x'],
                ['site', 's'],
              ],
            },
          },
        ),
      ),
    ).toEqual(['h', 'm_v', 'room=r', 'site=s']);
  });

  it('does not depend on the order of tags or fields', () => {
    const kit = open();
    kit.decode('m,a=1,b=2 x=1,y=2');
    expect(kit.decode('m,b=2,a=1 y=2,x=1').rows.map(([series, , value]) => [series, value])).toEqual([
      [1, 2],
      [0, 1],
    ]);
    expect(kit.definitions.length).toBe(2);
  });
});

describe('metrics', () => {
  const temperature = {
    name: 'temperature',
    field: 'weather_temp',
    unit: 'Cel',
    type: 'number',
    range: { min: -40, max: 60 },
  } as const;

  it('that are declared are taken alone, with unit, range and missing markers', () => {
    const kit = open({ metrics: [{ ...temperature, missing: [-99] }] });
    expect(kit.decode('weather temp=61,hum=40\nweather temp=-99\nweather temp=20').rows).toEqual([
      [0, now, 61, quality.bad, 0],
      [0, now, 20, quality.good, 0],
    ]);
    expect(kit.definitions).toMatchObject([{ metric: 'temperature', unit: 'Cel' }]);
    expect(kit.rejections.toObject()).toEqual({ missing_marker: 1 });
  });

  it('that are to be skipped are left out', () => {
    expect(
      open({ skip: ['m_b'] })
        .named('m a=1,b=2')
        .map((row) => row[1]),
    ).toEqual(['m_a']);
  });

  it('keep the type that came first, over other orders of the same tags as well; booleans count as 0 and 1', () => {
    const kit = open();
    kit.decode('m,a=1,b=2 v=1,s="x",b=true');
    expect(
      kit.decode('m,b=2,a=1 v="text",s=1,b=7,v2=1\nm,b=2,a=1 v=true,b=1').rows.map((row) => row.slice(0, 4)),
    ).toEqual([
      [3, now, 1, 0],
      [0, now, 1, 0],
      [2, now, 1, 0],
    ]);
    expect(kit.rejections.toObject()).toEqual({ wrong_type: 3 });
    expect(kit.decode('m,a=1,b=2 s="y"').rows).toEqual([[1, now, 'y', flagText, 0]]);
  });
});

describe('what is wrong is counted alone, with its line, and the rest is taken:', () => {
  const good = 'ok v=1';

  it.each([
    ['no fields', 'm'],
    ['no fields but a space', 'm '],
    ['no value', 'm v='],
    ['no field name', 'm =1'],
    ['no equals sign', 'm v'],
    ['no measurement', ',a=1 v=1'],
    ['a leading space', ' m v=1'],
    ['a tag without value', 'm,a= v=1'],
    ['a tag without name', 'm,=1 v=1'],
    ['half a tag', 'm,a v=1'],
    ['an empty tag', 'm, v=1'],
    ['a tag twice', 'm,a=1,a=2 v=1'],
    ['two equals signs', 'm,a=1=2 v=1'],
    ['a comma too many', 'm v=1,'],
    ['a word', 'm v=word'],
    ['NaN', 'm v=NaN'],
    ['inf', 'm v=inf'],
    ['a hexadecimal number', 'm v=0x10'],
    ['a negative unsigned integer', 'm v=-1u'],
    ['a fraction as integer', 'm v=1.5i'],
    ['i alone', 'm v=i'],
    ['a time that is none', 'm v=1 soon'],
    ['a time with a fraction', 'm v=1 1767182400.5'],
    ['more after the time', 'm v=1 1767182400000000000 x'],
    ['text after a text', 'm v="a"b'],
    ['a text that does not end', 'm v="a'],
    ['one bad field of two', 'm v=1,w=x'],
  ])('%s', (_what, line) => {
    const kit = open();
    const { rows, rejected } = kit.decode(`${good}\n${line}\n${good}\n`);
    expect(rows.length).toBe(2);
    expect(Object.keys(rejected)).toEqual(['line_broken']);
    expect(kit.reported[0]?.slice(0, 2)).toEqual(['line_broken', 2]);
    expect(line.startsWith(kit.reported[0]?.[2].trimEnd() ?? '')).toBe(true);
  });

  it('a text that does not end does not take the next line with it', () => {
    const kit = open();
    expect(kit.named('m v="a\nm2 v="b"').map((row) => row.slice(1))).toEqual([['m2_v', now, 'b']]);
    expect(kit.reported).toEqual([['line_broken', 1, 'm v="a\n']]);
  });

  it.each([
    ['a time of 1970', 'm v=1 1', 'time_before_2000'],
    ['a negative time', 'm v=1 -1767182400000000000', 'time_before_2000'],
    ['a time in the future', 'm v=1 1867182400000000000', 'time_future'],
    ['a time without end', `m v=1 ${'9'.repeat(40)}`, 'time_invalid'],
    ['17 tags', `m,${Array.from({ length: 17 }, (_, n) => `t${n}=1`).join(',')} v=1`, 'too_many_tags'],
    ['a tag with a control character', 'm,a=\u0001 v=1', 'device_name_invalid'],
    ['a long tag', `m,a=${'x'.repeat(129)} v=1`, 'device_name_invalid'],
    ['a long tag name', `m,${'x'.repeat(129)}=a v=1`, 'device_name_invalid'],
    ['a long line', `m v="${'x'.repeat(lineBytesMax)}"`, 'line_too_long'],
    ['a long name', `${'x'.repeat(lineBytesMax)} v=1`, 'line_too_long'],
  ])('%s', (_what, line, reason) => {
    const kit = open();
    const { rows, rejected } = kit.decode(`${good}\n${line}\n${good}`);
    expect({ rows: rows.length, rejected }).toEqual({ rows: 2, rejected: { [reason]: 1 } });
    expect(kit.reported).toEqual([[reason, 2, `${line}\n`]]);
  });

  it.each([
    ['a long text', `s="${'x'.repeat(257)}"`, 'text_too_long'],
    ['a long name', `${'x'.repeat(128)}=1`, 'metric_name_invalid'],
    ['a number beyond float64', 'n=1e400', 'not_finite'],
  ])('%s of one field', (_what, field, reason) => {
    const { rows, rejected } = open().decode(`m a=1,${field},b=2`);
    expect({ rows: rows.length, rejected }).toEqual({ rows: 2, rejected: { [reason]: 1 } });
  });

  it('bytes that are no UTF-8, in a text, a name and a tag', () => {
    const bad = (before: string, after: string): Buffer =>
      Buffer.concat([Buffer.from(before), Buffer.from([0xff]), Buffer.from(after)]);
    const kit = open();
    const payload = Buffer.concat([
      bad('m s="', '",a=1\n'),
      bad('m,t=', ' a=1\n'),
      bad('m ', '=1\n'),
      Buffer.from('m ü="é"'),
    ]);
    expect(kit.named(payload)).toEqual([
      ['src', 'm_a', now, 1],
      ['src', 'm_ü', now, 'é'],
    ]);
    expect(kit.rejections.toObject()).toEqual({ not_utf8: 2, metric_name_invalid: 1 });
  });
});

describe('limits', () => {
  it('a million distinct tags stay within seriesMax, and those known go on', () => {
    const kit = open({}, { ...noTopic, seriesMax: 1_000 });
    const lines = (from: number): string =>
      Array.from({ length: 10_000 }, (_, n) => `m,host=h${from + n} v=1`).join('\n');
    for (let from = 0; from < 1_000_000; from += 10_000) kit.decode(lines(from));
    expect(kit.registry.size).toBe(1_000);
    expect(kit.rejections.toObject()).toEqual({ series_limit: 999_000 });
    expect(kit.decode(lines(0)).rows.length).toBe(1_000);
  });

  it('a payload with a quote in every line, none of which ends, takes time in proportion to it', () => {
    const kit = open();
    // Were every such line read to the end of the payload, this would not come to its end.
    for (const line of ['a b="\n', 'a b="\\"\n', 'a b="x" "\n', `a b="${'y'.repeat(100)}\n`]) {
      const payload = line.repeat(Math.floor((8 * 1_024 * 1_024) / line.length));
      const { rejected } = kit.decode(payload, { rowsPerRead: 4_096 });
      expect(Object.keys(rejected)).not.toEqual([]);
    }
    const oneLine = `m ${'s="x",'.repeat(1_000_000)}`;
    expect(kit.decode(oneLine).rejected).toEqual({ line_too_long: 1 });
  });

  it('more fields than a line may have', () => {
    const fields = (count: number): string => `m ${Array.from({ length: count }, (_, n) => `f${n}=1`).join(',')}`;
    expect(open().decode(fields(1_024)).rows.length).toBe(1_024);
    expect(open().decode(fields(1_025))).toEqual({ rows: [], rejected: { line_broken: 1 } });
  });

  it('a payload is read in parts as it is in whole', () => {
    const text = Array.from({ length: 500 }, (_, n) =>
      n % 7 === 0 ? `broken ${n}` : `m,n=${n % 5} a=${n},b="${n}" ${at}`,
    ).join('\n');
    const whole = open();
    const parts = open();
    expect(parts.decode(text, { rowsPerRead: 3 })).toEqual(whole.decode(text));
    expect(parts.reported).toEqual(whole.reported);
    expect(whole.reported.map(([, line]) => line)).toEqual(Array.from({ length: 72 }, (_, n) => n * 7 + 1));
  });
});

/** As a client library writes it. */
function write(text: string, special: RegExp): string {
  return text.replaceAll(special, '\\$&');
}

describe('any content', () => {
  const name = fc
    .string({ unit: fc.constantFrom(...'ab ,="é\\'), minLength: 1, maxLength: 6 })
    .filter((text) => !text.endsWith('\\'));
  const field = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ value, text: `${value}` })),
    fc.maxSafeInteger().map((value) => ({ value, text: `${value}i` })),
    fc.string({ unit: fc.constantFrom(...'ab ,="é\\\n'), maxLength: 8 }).map((value) => ({
      value,
      text: `"${write(value, /["\\]/g)}"`,
    })),
  );

  it('survives being written and read', () => {
    fc.assert(
      fc.property(
        name.filter((text) => !text.startsWith('#')),
        fc.uniqueArray(name, { maxLength: 3 }),
        fc.array(field, { minLength: 1, maxLength: 4 }),
        (measurement, tags, fields) => {
          const kit = open({ device: 'device' });
          const head = [
            write(measurement, /[, ]/g),
            ...tags.map((tag) => `${write(tag, /[,= ]/g)}=${write(tag, /[,= ]/g)}`),
          ];
          const body = fields.map(({ text }, index) => `f${index}=${text}`);
          const rows = kit.named(`${head.join(',')} ${body.join(',')} ${at}\n`);
          const sorted = [...tags].sort((a, b) => (a < b ? -1 : 1)).map((tag) => `${tag}=${tag}`);
          // Measurements take no escape of the equals sign from a writer, and one that came from it stays.
          const read = measurement.replaceAll('\\=', '=');
          expect(rows).toEqual(
            fields.map(({ value }, index) => [
              'src',
              `${read}_f${index}`,
              ...sorted,
              atMs,
              Object.is(value, -0) ? 0 : value,
            ]),
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('seeded damage is a row or a counted rejection, never a crash, and costs no other line', () => {
    const valid = Buffer.from(`cpu,host=a,core=1 idle=98.5,on=t,n=42i,s="a \\"b\\"" ${at}\n`);
    const kit = open();
    for (let seed = 1; seed <= 20_000; seed++) {
      const random = new SeededRandom(seed);
      let bytes = Buffer.from(valid);
      for (let edits = random.below(4); edits >= 0; edits--) {
        if (random.chance(0.2))
          bytes = Buffer.concat([bytes.subarray(0, random.below(bytes.length)), Buffer.from('\n')]);
        else
          bytes[random.below(bytes.length - 1)] = random.chance(0.5)
            ? random.below(256)
            : (Buffer.from(' ,="\\#\n')[random.below(7)] as number);
      }
      const before = kit.rejectedTotal();
      const { rows } = kit.decode(Buffer.concat([Buffer.from('first v=1\n'), bytes, Buffer.from('\nlast v=2\n')]));
      const isComment = bytes
        .toString('latin1')
        .split('\n')
        .every((line) => line === '' || line === '\r' || line.startsWith('#'));
      expect(rows.length > 2 || kit.rejectedTotal() > before || isComment, `seed ${seed}`).toBe(true);
      expect(rows[0]?.[2], `seed ${seed}`).toBe(1);
      for (const [, timeMs, value] of rows) {
        expect(
          Number.isSafeInteger(timeMs) && (typeof value === 'string' || Number.isFinite(value)),
          `seed ${seed}`,
        ).toBe(true);
      }
    }
  });
});
