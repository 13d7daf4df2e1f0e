import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ConvertConfig, PipelineConfig } from '../core-config.ts';
import { anyReading, reading, runOf, valuesOf } from './testing/stream-kit.ts';

function converting(convert: ConvertConfig): PipelineConfig {
  return { name: 'out', from: 'climate', lane: 2, convert };
}

it('gives a metric another name, unit and scale', () => {
  const config = converting({ temperature: { rename: 'fahrenheit', scale: 1.8, offset: 32, unit: '°F' } });
  const [first] = runOf([config], [{ readings: [reading(1, 100)], now: 0 }]).emitted;
  expect(first).toMatchObject({ metric: 'fahrenheit', value: 212, definition: { unit: '°F', sampling: 'all' } });
});

it('leaves values alone, bit for bit, where there is neither scale nor offset', () => {
  const config = converting({
    temperature: { rename: 't', scale: 1, offset: 0, unit: 'K' },
    state: { rename: 's', scale: 3, offset: 1 },
  });
  fc.assert(
    fc.property(fc.array(anyReading, { maxLength: 20 }), (readings) => {
      const renamed = new Map([
        ['temperature', 't'],
        ['state', 's'],
      ]);
      const { emitted } = runOf([config], [{ readings, now: 0 }]);
      const expected = readings.map(({ device, metric, time, value, quality }) =>
        [device, renamed.get(metric) ?? metric, time, Object.is(value, -0) ? '-0' : value, quality].join('|'),
      );
      const found = emitted.map(({ device, metric, time, value, quality }) =>
        [device, metric, time, Object.is(value, -0) ? '-0' : value, quality].join('|'),
      );
      expect(found.sort()).toEqual(expected.sort());
    }),
  );
});

it('makes a number of a flag that is scaled, and a scaled flag alone', () => {
  const config = converting({ door: { scale: 100, offset: 0, unit: '%' } });
  const readings = [reading(1, true, 'door'), reading(2, false, 'door'), reading(3, true, 'window')];
  const { emitted } = runOf([config], [{ readings, now: 0 }]);
  expect(emitted.map(({ metric, value, definition }) => [metric, value, definition.type])).toEqual([
    ['door', 100, 'number'],
    ['door', 0, 'number'],
    ['window', true, 'boolean'],
  ]);
});

it('drops and counts what would not be finite', () => {
  const run = runOf(
    [converting({ temperature: { scale: 1e10, offset: 0 } })],
    [{ readings: [reading(1, 1e305), reading(2, 2), reading(3, -1e305)], now: 0 }],
  );
  expect(valuesOf(run.emitted)).toEqual([[2, 2e10]]);
  expect(run.drops()).toEqual({ 'out.convert.not_finite': 2 });
});
