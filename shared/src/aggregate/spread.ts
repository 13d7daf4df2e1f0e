/**
 * What most questions need of a partial: how many readings, the least and the greatest, the first and the last, and their exact sum where it is
 * asked for. Merges as partials do, so it is what the merged partial would say, to the bit, at a small part of the cost.
 */
import { ByteReader } from './bytes.ts';
import { type Dyadic, roundRatio } from './dyadic.ts';
import { meanOf } from './exact-readers.ts';
import { ExactSum } from './exact-sum.ts';
import { Extents } from './extents.ts';
import { integerOf, lastPlaceOf } from './float-parts.ts';
import { addCounts } from './held.ts';
import { headHasSums, headHasTime, readExtremes, readHead, readTimes } from './partial-layout.ts';

const scratchReader = new ByteReader(new Uint8Array(0));
const scratchSum = new ExactSum();
const zero: Dyadic = { mantissa: 0n, exponent: 0 };

export class Spread extends Extents {
  /** Of readings; 0: the extents mean nothing. */
  count = 0;
  /** Of their values, exactly; 0 where nobody asked for it. */
  sum = zero;

  /** Of the bytes of a partial. Throws `codec_corrupt`, `codec_version`; that they are canonical is not checked. */
  static of(partial: Uint8Array, hasSum = false): Spread {
    const spread = new Spread();
    scratchReader.reset(partial, 0, partial.length);
    const head = readHead(scratchReader);
    if (!headHasTime(head)) return spread;
    spread.count = readTimes(scratchReader, head, spread);
    readExtremes(scratchReader, head, spread.count, spread);
    if (!hasSum) return spread;
    if (headHasSums(head, spread.count)) {
      scratchSum.clear();
      scratchSum.read(scratchReader);
      spread.sum = scratchSum.exact();
    } else spread.deriveSum();
    return spread;
  }

  /** The sum of readings that are all equal, or are two: it follows from the extents. */
  deriveSum(): void {
    const { mantissa, exponent } = dyadicOf(this.min);
    this.sum = Object.is(this.min, this.max)
      ? { mantissa: mantissa * BigInt(this.count), exponent }
      : added({ mantissa, exponent }, dyadicOf(this.max));
  }

  /** Throws `limit_exceeded` beyond 2^53 readings; nothing is merged then. */
  mergeSpread(other: Spread): void {
    const count = addCounts(this.count, other.count);
    if (other.count === 0) return;
    if (this.count === 0) this.copy(other);
    else this.merge(other);
    this.count = count;
    this.sum = added(this.sum, other.sum);
  }

  /** Sum of the values, rounded once; ±Infinity beyond the range of float64. */
  sumValue(): number {
    return roundRatio(this.sum.mantissa, 1n, this.sum.exponent);
  }

  /** Mean, rounded once; NaN when empty. */
  mean(): number {
    return meanOf(this.count, { exact: () => this.sum });
  }
}

function dyadicOf(value: number): Dyadic {
  const exponent = lastPlaceOf(value);
  return { mantissa: BigInt(integerOf(value, exponent)), exponent };
}

function added(a: Dyadic, b: Dyadic): Dyadic {
  if (a.exponent === b.exponent) return { mantissa: a.mantissa + b.mantissa, exponent: a.exponent };
  if (a.mantissa === 0n) return b;
  if (b.mantissa === 0n) return a;
  const [fine, coarse] = a.exponent < b.exponent ? [a, b] : [b, a];
  const mantissa = fine.mantissa + (coarse.mantissa << BigInt(coarse.exponent - fine.exponent));
  return { mantissa, exponent: fine.exponent };
}
