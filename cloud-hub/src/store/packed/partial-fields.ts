/** Canonical bytes of a partial (shared/src/aggregate/FORMAT.md §4) taken apart into what columns hold, and put together again. */
import { ByteReader, ByteWriter } from '@fogline/shared/aggregate/bytes';
import type { Dyadic } from '@fogline/shared/aggregate/dyadic';
import { ExactSum } from '@fogline/shared/aggregate/exact-sum';
import { Extents } from '@fogline/shared/aggregate/extents';
import {
  headHasHeld,
  headHasSketch,
  headHasSums,
  headHasTime,
  readExtremes,
  readHead,
  readTimes,
  writeExtremes,
  writeTimes,
} from '@fogline/shared/aggregate/partial-layout';

export interface PartialFields {
  readonly head: number;
  /** Of readings; 0 in an empty partial, whose extents mean nothing. */
  readonly count: number;
  readonly extents: Extents;
  /** Only where they do not follow from count and extents. */
  readonly sums: { readonly sum: Dyadic; readonly sumSq: Dyadic } | undefined;
  readonly held: { readonly durationMs: number; readonly integral: Dyadic } | undefined;
  /** Bytes of the sketch, where it does not follow from the rest; else empty. */
  readonly sketch: Uint8Array;
}

const reader = new ByteReader(new Uint8Array(0));
const writer = new ByteWriter(256);
const scratch = new ExactSum();

/** Throws `codec_corrupt` for what is no partial; that the bytes are canonical is not checked. */
export function fieldsOf(bytes: Uint8Array): PartialFields {
  reader.reset(bytes, 0, bytes.length);
  const head = readHead(reader);
  const extents = new Extents();
  let count = 0;
  if (headHasTime(head)) {
    count = readTimes(reader, head, extents);
    readExtremes(reader, head, count, extents);
  }
  const isGeneral = headHasSums(head, count);
  const sums = isGeneral ? { sum: readSum(), sumSq: readSum() } : undefined;
  const held = headHasHeld(head) ? { durationMs: reader.varint(), integral: readSum() } : undefined;
  const sketch = isGeneral && headHasSketch(head) ? bytes.subarray(reader.at) : bytes.subarray(bytes.length);
  return { head, count, extents, sums, held, sketch };
}

function readSum(): Dyadic {
  scratch.clear();
  scratch.read(reader);
  return scratch.exact();
}

export function bytesOf({ head, count, extents, sums, held, sketch }: PartialFields): Uint8Array {
  writer.reset();
  writer.byte(head);
  if (headHasTime(head)) {
    writeTimes(writer, head, count, extents);
    writeExtremes(writer, head, extents);
  }
  if (sums !== undefined) {
    writeSum(sums.sum);
    writeSum(sums.sumSq);
  }
  if (held !== undefined) {
    writer.varint(held.durationMs);
    writeSum(held.integral);
  }
  writer.raw(sketch, 0, sketch.length);
  return writer.finish();
}

const chunkBits = 52n;
const chunkMask = (1n << chunkBits) - 1n;

function writeSum({ mantissa, exponent }: Dyadic): void {
  scratch.clear();
  const sign = mantissa < 0n ? -1 : 1;
  let rest = mantissa < 0n ? -mantissa : mantissa;
  for (let at = exponent; rest > 0n; rest >>= chunkBits, at += Number(chunkBits)) {
    scratch.addScaled(sign * Number(rest & chunkMask), at);
  }
  scratch.write(writer);
}
