/** What a metric of a source is: its name, unit, type, plausible range, and the values that stand for none. */
import { FoglineError } from '@fogline/shared/errors';
import { type ValueType, valueTypes } from '@fogline/shared/reading';
import { isValidName } from '../sources/series-registry.ts';

export interface MetricConfig {
  readonly name: string;
  /** Where the payload has it: a JSON path, a CSV column, a field of a line, a captured level of the topic. */
  readonly field: string;
  /** '' when unknown. */
  readonly unit: string;
  /** `boolean` takes true, false, 1 and 0. */
  readonly type: ValueType;
  /** A value outside is kept with quality `bad`. */
  readonly range?: { readonly min: number; readonly max: number };
  /** Values that stand for none. */
  readonly missing?: readonly Marker[];
}

export type Marker = number | string;

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly type: ValueType;
  readonly min: number;
  readonly max: number;
  readonly missing: readonly unknown[];
  /** Taken as it came: its first value decides its type, and a number series takes booleans as 0 and 1. */
  readonly isAuto: boolean;
}

const noMarkers: readonly Marker[] = [];

export function autoMetric(name: string, type: ValueType, missing: readonly Marker[] = noMarkers): Metric {
  const [min, max] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return { name, unit: '', type, min, max, missing, isAuto: true };
}

/** `common`: markers of every metric of the source. Throws FoglineError config_invalid. */
export function compileMetric(config: MetricConfig, common: readonly Marker[] = noMarkers): Metric {
  const { name, unit, type, range, missing = noMarkers } = config;
  const where = `metrics.${name}`;
  if (!isValidName(name)) throw invalid(where, 'a metric name has 1 to 128 bytes and no control characters');
  if (!valueTypes.includes(type)) throw invalid(`${where}.type`, `'${type}' is none of ${valueTypes.join(', ')}`);
  const { min, max } = range ?? { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
  if (!(min <= max)) throw invalid(`${where}.range`, `[${min}, ${max}] is empty: write [lowest, highest]`);
  return { name, unit, type, min, max, missing: [...common, ...missing], isAuto: false };
}

export function invalid(where: string, reason: string): FoglineError {
  return new FoglineError('config_invalid', `${where}: ${reason}`, { details: { where } });
}
