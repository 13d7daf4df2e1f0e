/**
 * The last step of every decoder: a value of a metric becomes a row, or is counted by reason. Defines a series with its first
 * reading, so that nothing that was refused makes one.
 */
import { quality } from '@fogline/shared/reading';
import { isValidName, type SeriesRegistry } from '../sources/series-registry.ts';
import type { DeviceSeries, Slot } from './device-series.ts';
import type { ReadingsBuilder } from './readings-builder.ts';
import type { RejectionReason } from './rejections.ts';

const textBytesMax = 256;

export class ReadingWriter {
  readonly #registry: SeriesRegistry;
  readonly #out: ReadingsBuilder;
  #timeMs = 0;
  #hasSourceTime = false;

  constructor(registry: SeriesRegistry, out: ReadingsBuilder) {
    this.#registry = registry;
    this.#out = out;
  }

  /** The time of the readings that follow, and whether their source told it. */
  at(timeMs: number, hasSourceTime: boolean): void {
    this.#timeMs = timeMs;
    this.#hasSourceTime = hasSourceTime;
    if (hasSourceTime && timeMs > this.#out.latestSourceMs) this.#out.latestSourceMs = timeMs;
  }

  /** Why there is no row; undefined when there is one. */
  add(value: unknown, slot: Slot, device: DeviceSeries): RejectionReason | undefined {
    if (slot.metric.missing.length > 0 && slot.metric.missing.includes(value)) return 'missing_marker';
    const problem =
      problemOf(value, slot) ??
      (slot.id >= 0
        ? undefined
        : (this.#define(slot, device) ?? (slot.metric.isAuto ? problemOf(value, slot) : undefined)));
    if (problem !== undefined) return problem;
    const { id, metric } = slot;
    if (typeof value === 'string') {
      this.#out.addText(id, this.#timeMs, value, quality.good, this.#hasSourceTime);
      return undefined;
    }
    const number = Number(value);
    const flags = number < metric.min || number > metric.max ? quality.bad : quality.good;
    this.#out.addNumber(id, this.#timeMs, number, flags, this.#hasSourceTime);
    return undefined;
  }

  /** As `add`, of a finite number of a known numeric series without markers. */
  addKnown(value: number, { id, metric }: Slot): void {
    const flags = value < metric.min || value > metric.max ? quality.bad : quality.good;
    this.#out.addNumber(id, this.#timeMs, value, flags, this.#hasSourceTime);
  }

  #define(slot: Slot, { device, tags }: DeviceSeries): RejectionReason | undefined {
    const { name, unit, type, isAuto } = slot.metric;
    if (isAuto && !isValidName(name)) return 'metric_name_invalid';
    const id = this.#registry.id(device, name, tags, unit, type);
    if (id < 0) return 'series_limit';
    slot.id = id;
    // Another sender may have named the series before, and decided its type.
    const known = this.#registry.typeOf(id);
    if (isAuto && known !== type) slot.metric = { ...slot.metric, type: known };
    return undefined;
  }
}

function problemOf(value: unknown, { metric }: Slot): RejectionReason | undefined {
  switch (metric.type) {
    case 'number':
      if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'not_finite';
      return metric.isAuto && typeof value === 'boolean' ? undefined : 'wrong_type';
    case 'boolean':
      return typeof value === 'boolean' || value === 0 || value === 1 ? undefined : 'wrong_type';
    case 'text':
      if (typeof value !== 'string') return 'wrong_type';
      return Buffer.byteLength(value) > textBytesMax ? 'text_too_long' : undefined;
  }
}
