/**
 * Memory of encoded blobs. Small ones lie in slabs: memory of its own costs a blob of 1.5 KB as much as its checksum, and its
 * release more than that, a tenth of all it takes to encode a thousand rows. No two blobs overlap; one that is kept keeps its slab,
 * which is why slabs are small and nothing but blobs lies in them.
 */

const slabBytes = 1 << 14;
/** What would waste more of a slab than this gets memory of its own. */
const sharedBytesMax = slabBytes / 4;

let slab = new ArrayBuffer(0);
let slabAt = 0;

/** A copy of source[0 … bytes), exactly as long. */
export function newBlob(source: Uint8Array, bytes: number): Uint8Array {
  if (bytes > sharedBytesMax) return source.slice(0, bytes);
  if (slabAt + bytes > slab.byteLength) {
    slab = Buffer.allocUnsafeSlow(slabBytes).buffer;
    slabAt = 0;
  }
  const blob = new Uint8Array(slab, slabAt, bytes);
  blob.set(source.subarray(0, bytes));
  slabAt += bytes;
  return blob;
}
