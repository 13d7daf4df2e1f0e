/** How long values were held and their exact integral over that time, for streams of sampling `held`. */
import { FoglineError, invariant } from '../errors.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { meanOf } from './exact-readers.ts';
import { ExactSum } from './exact-sum.ts';

/** Adds two counts exactly. @throws FoglineError `limit_exceeded` beyond 2^53. */
export function addCounts(left: number, right: number): number {
  const sum = left + right;
  if (sum > Number.MAX_SAFE_INTEGER) throw new FoglineError('limit_exceeded', 'aggregate: a count beyond 2^53');
  return sum;
}

export class Held {
  durationMs = 0;
  readonly #integral = new ExactSum();

  add(value: number, durationMs: number): void {
    invariant(Number.isSafeInteger(durationMs) && durationMs >= 0, 'a duration of whole milliseconds');
    this.durationMs = addCounts(this.durationMs, durationMs);
    this.#integral.addProduct(value, durationMs);
  }

  merge(other: Held): void {
    this.durationMs = addCounts(this.durationMs, other.durationMs);
    this.#integral.merge(other.#integral);
  }

  integralValue(): number {
    return this.#integral.value();
  }

  mean(): number {
    return meanOf(this.durationMs, this.#integral);
  }

  write(writer: ByteWriter): void {
    writer.varint(this.durationMs);
    this.#integral.write(writer);
  }

  /** Reads into an empty one. */
  read(reader: ByteReader): void {
    this.durationMs = reader.varint();
    this.#integral.read(reader);
  }
}
