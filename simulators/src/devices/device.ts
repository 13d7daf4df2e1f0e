/**
 * A simulated device: a name, its signals, and the JSON it publishes. Everything is a function of (seed, index, time), so
 * the same seed gives the same bytes on every machine, and a resend after a restart is identical.
 */
import { FoglineError } from '@fogline/shared/errors';
import { SeededRandom } from '@fogline/shared/random';
import { createSignal, metricNames, type Signal } from '../signals/metrics.ts';

export interface Device {
  readonly name: string;
  readonly signals: readonly Signal[];
}

/** `index` counts from 0; its device is called `dev-0001`. Throws `usage` for an unknown metric. */
export function createDevice(seed: number, index: number, metrics: readonly string[]): Device {
  const random = new SeededRandom((seed >>> 0) + index * 0x1_0000_0000);
  const signals = metrics.map((metric) => {
    const signal = createSignal(metric, random.fork());
    if (signal === undefined) {
      throw new FoglineError('usage', `unknown metric "${metric}": known are ${metricNames.join(', ')}`);
    }
    return signal;
  });
  return { name: `dev-${String(index + 1).padStart(4, '0')}`, signals };
}

/** What a device publishes for one instant, and the same as the truth file states it (metric names instead of fields). */
export function readDevice(device: Device, timeMs: number): { payload: string; values: string } {
  let payload = `{"ts":${timeMs}`;
  let values = '';
  for (const signal of device.signals) {
    const value = signal.at(timeMs);
    payload += `,"${signal.field}":${value}`;
    values += `${values === '' ? '' : ','}"${signal.metric}":${value}`;
  }
  return { payload: `${payload}}`, values: `{${values}}` };
}
