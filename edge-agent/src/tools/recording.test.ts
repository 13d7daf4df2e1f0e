import { describe, expect, it } from 'vitest';
import { type RecordedMessage, readCsv, readLines } from './recording.ts';

async function* lines(text: string): AsyncGenerator<string> {
  yield* text.split('\n');
}

async function all(messages: AsyncIterable<RecordedMessage>) {
  const out: unknown[] = [];
  for await (const { line, arrivalMs, topic, payload } of messages) {
    out.push([line, arrivalMs, topic, Buffer.from(payload).toString()]);
  }
  return out;
}

describe('recorded lines', () => {
  it('are topic and payload, as mosquitto_sub -v prints them', async () => {
    expect(await all(readLines(lines('# a comment\na/b {"x": 1, "y": "two words"}\n\nc 5')))).toEqual([
      [2, undefined, 'a/b', '{"x": 1, "y": "two words"}'],
      [4, undefined, 'c', '5'],
    ]);
  });

  it.each([
    ['1767225600', 1_767_225_600_000],
    ['1767225600.786368637', 1_767_225_600_786],
    ['1767225600123', 1_767_225_600_123],
    ['2026-01-01T00:00:00Z', 1_767_225_600_000],
    ['2026-01-01T01:00:00.5+0100', 1_767_225_600_500],
  ])('may begin with a time: %s', async (time, ms) => {
    expect(await all(readLines(lines(`${time} a/b {"x": 1}`)))).toEqual([[1, ms, 'a/b', '{"x": 1}']]);
  });

  it('have a time on every line or on none', async () => {
    await expect(all(readLines(lines('1767225600 a 1\na 1')))).rejects.toThrow(
      'line 2: "a" is no time, but the first line begins with one',
    );
    // Without a time on the first, a topic may look like one.
    expect(await all(readLines(lines('a 1\n1767225600 a 1')))).toEqual([
      [1, undefined, 'a', '1'],
      [2, undefined, '1767225600', 'a 1'],
    ]);
  });

  it.each(['a/b', 'a/b ', '1767225600 a/b'])('without a payload end the run: %j', async (text) => {
    await expect(all(readLines(lines(`${text}\n`)))).rejects.toThrow(
      'line 1: there is no payload: write TOPIC PAYLOAD',
    );
  });
});

const asJson = (topic: string) => ({ topic, csvFormOf: () => undefined });

describe('rows of CSV', () => {
  it('are objects named by the header; the topic takes cells', async () => {
    const text = '\uFEFFmote,temp,"is ""on""",note\nm1,21.5,true,fine\n\nm2,-0.5e3,,"a, b"\nm3,007,false,1.';
    expect(await all(readCsv(lines(text), asJson('motes/{mote}/climate')))).toEqual([
      [2, undefined, 'motes/m1/climate', '{"mote":"m1","temp":21.5,"is \\"on\\"":true,"note":"fine"}'],
      [4, undefined, 'motes/m2/climate', '{"mote":"m2","temp":-0.5e3,"note":"a, b"}'],
      // What JSON would not take for a number stays a text.
      [5, undefined, 'motes/m3/climate', '{"mote":"m3","temp":"007","is \\"on\\"":false,"note":"1."}'],
    ]);
  });

  it('with semicolons have decimal commas', async () => {
    expect(await all(readCsv(lines('t;x\n2,5;a,b'), asJson('a')))).toEqual([
      [2, undefined, 'a', '{"t":2.5,"x":"a,b"}'],
    ]);
  });

  it('with tabs, and columns without a name', async () => {
    expect(await all(readCsv(lines('\tx\n2004-02-12\t1'), asJson('a')))).toEqual([
      [2, undefined, 'a', '{"column_1":"2004-02-12","x":1}'],
    ]);
  });

  it('go to a source that reads CSV as they are, with the header if it wants one', async () => {
    const read = (hasHeader: boolean) =>
      all(readCsv(lines('t;x\n2,5;a\n'), { topic: 'a', csvFormOf: () => ({ hasHeader }) }));
    expect(await read(true)).toEqual([[2, undefined, 'a', 't;x\n2,5;a']]);
    expect(await read(false)).toEqual([
      [1, undefined, 'a', 't;x'],
      [2, undefined, 'a', '2,5;a'],
    ]);
  });

  it.each([
    ['a,b\n1,2,3', 'line 2: has 3 cells, the header names 2'],
    ['a,b\n"1,2', 'line 2: is no row of CSV: a quote does not end'],
    ['a,b\n"1"x,2', 'line 2: is no row of CSV'],
    ['a,c\n1,2', '--topic: the CSV file has no column "b"'],
  ])('%j: %s', async (text, problem) => {
    await expect(all(readCsv(lines(text), asJson('x/{b}')))).rejects.toThrow(problem);
  });
});
