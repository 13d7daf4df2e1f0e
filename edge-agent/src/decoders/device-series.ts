/**
 * What a decoder remembers of one device: its names, checked, and which series its metrics are, so that a known metric costs a look
 * into an array or a map and nothing more.
 */
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { isValidName, type Tags } from '../sources/series-registry.ts';
import type { Metric } from './metric.ts';
import { BudgetedMap, type CacheBudget } from './shared-cache.ts';

/** Devices that the messages of one source name and that are remembered. */
export const devicesKnownMax = 20_000;

/** A metric of one device; `id` is that of its series, -1 before its first reading. */
export interface Slot {
  metric: Metric;
  id: number;
}

/** It is the slot of a series that takes every finite number. */
export function isPlainNumber({ id, metric }: Slot): boolean {
  return id >= 0 && metric.type === 'number' && metric.missing.length === 0;
}

export interface DeviceSeries {
  readonly device: string;
  readonly tags: Tags;
  /** By index of the configured metric, or of the column in `layout`. */
  slots: Slot[];
  /** What `slots` belongs to, where that changes. */
  layout: unknown;
  /** By name, of metrics that are taken as they come. */
  readonly found: Map<string, Slot>;
}

/** Undefined when these names, which came from outside, cannot be those of a device. */
export function deviceSeries(device: string, tags: Tags): DeviceSeries | undefined {
  if (!isValidName(device) || tags.length > protocolLimits.tagsMax) return undefined;
  if (!tags.every(([, value]) => isValidName(value))) return undefined;
  return { device, tags, slots: [], layout: undefined, found: new Map() };
}

/** Sorted by key, as a series wants them; of two with one key the later counts. */
export function sortedTags(...tags: readonly (readonly [key: string, value: string])[]): Tags {
  return [...new Map(tags)].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The devices of one sender whose messages name them. */
export class DeviceCache {
  readonly #base: Tags;
  readonly #tagNames: readonly string[];
  readonly #devices: BudgetedMap<DeviceSeries>;

  /** `tagNames`: of the values given to `of`, in this order. */
  constructor(base: Tags, tagNames: readonly string[], budget: CacheBudget) {
    this.#base = base;
    this.#tagNames = tagNames;
    this.#devices = new BudgetedMap(budget);
  }

  /** Undefined when the names cannot be those of a device. */
  of(device: string, tagValues: readonly string[]): DeviceSeries | undefined {
    const key = tagValues.length === 0 ? device : `${device}\0${tagValues.join('\0')}`;
    const known = this.#devices.get(key);
    if (known !== undefined) return known;
    const named = this.#tagNames.map((name, index) => [name, tagValues[index] ?? ''] as const);
    const series = deviceSeries(device, sortedTags(...this.#base, ...named));
    if (series !== undefined) this.#devices.set(key, series);
    return series;
  }
}
