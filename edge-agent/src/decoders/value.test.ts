import { flagText, quality } from '@fogline/shared/reading';
import { describe, expect, it } from 'vitest';
import type { ValueConfig } from './decoder.ts';
import { DecoderKit, arrivalMs as now } from './testing/decoder-kit.ts';

function open(config: Partial<ValueConfig> = {}, metric?: string): DecoderKit {
  const captures = metric === undefined ? [] : ([['metric', metric]] as const);
  return new DecoderKit({ format: 'value', metrics: 'auto', ...config }, { sender: { captures } });
}

const declared = (name: string, type: 'number' | 'boolean' | 'text') =>
  ({ name, field: name, unit: '', type }) as const;

describe('a plain value', () => {
  it.each([
    ['21.5', 21.5],
    [' -3e2\n', -300],
    ['true', 1],
    ['ON', 1],
    ['off', 0],
    ['0', 0],
  ])('%j is a reading of the metric that the topic names', (payload, value) => {
    expect(open({}, 'temperature').named(payload)).toEqual([['d1', 'temperature', now, value]]);
  });

  it('is of the metric `value`, or of the only one declared, where the topic names none', () => {
    expect(open().named('5')).toEqual([['d1', 'value', now, 5]]);
    const metrics = [{ ...declared('power', 'number'), unit: 'W', range: { min: 0, max: 9 } }];
    const kit = open({ metrics });
    expect(kit.decode('10').rows).toEqual([[0, now, 10, quality.bad, 0]]);
    expect(kit.definitions).toMatchObject([{ metric: 'power', unit: 'W' }]);
  });

  it('of declared metrics is read by the type of the one that the topic names; others are not wanted', () => {
    const metrics = [declared('door', 'boolean'), declared('state', 'text')];
    expect(open({ metrics }, 'door').named('on')).toEqual([['d1', 'door', now, 1]]);
    expect(open({ metrics }, 'state').decode('21.5').rows).toEqual([[0, now, '21.5', flagText, 0]]);
    expect(open({ metrics }, 'other').decode('1')).toEqual({ rows: [], rejected: { no_known_field: 1 } });
    expect(open({ skip: ['other'] }, 'other').decode('1').rejected).toEqual({ no_known_field: 1 });
  });

  it('keeps the type that came first; other captures are tags', () => {
    const kit = new DecoderKit(
      { format: 'value', metrics: 'auto' },
      {
        sender: {
          captures: [
            ['metric', 'm'],
            ['site', 's'],
          ],
        },
      },
    );
    expect(kit.named('on')).toEqual([['d1', 'm', 'site=s', now, 1]]);
    expect(kit.decode('7').rejected).toEqual({ wrong_type: 1 });
    expect(kit.decode('1').rows).toHaveLength(1);
  });

  it.each([
    ['a word', 'warm', { wrong_type: 1 }],
    ['nothing', '', { wrong_type: 1 }],
    ['two numbers', '1 2', { wrong_type: 1 }],
    ['JSON', '{"t":1}', { wrong_type: 1 }],
    ['a number beyond float64', '1e999', { not_finite: 1 }],
    ['bytes that are no UTF-8', Buffer.from([0xff]), { not_utf8: 1 }],
    ['a kilobyte and more', '1'.repeat(1_025), { payload_too_large: 1 }],
    ['a marker', '-200', { missing_marker: 1 }],
    ['a marker that is a word', 'unavailable', { missing_marker: 1 }],
  ])('that is %s gives none', (_what, payload, rejected) => {
    expect(open({ missing: [-200, 'unavailable'] }).decode(payload)).toEqual({ rows: [], rejected });
  });

  it('of a text longer than a state may be gives none', () => {
    expect(open({ metrics: [declared('s', 'text')] }).decode('x'.repeat(257)).rejected).toEqual({ text_too_long: 1 });
  });
});
