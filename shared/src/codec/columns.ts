/**
 * Columns for `count` rows in one allocation: four cost more than everything else in decoding a small blob. Their memory is not
 * zeroed, which costs a tenth of decoding a block: every row of every column must be written.
 */
export function newColumns(count: number) {
  const { buffer } = Buffer.allocUnsafeSlow(count * 21);
  return {
    count,
    series: new Uint32Array(buffer, count * 16, count),
    time: new Float64Array(buffer, 0, count),
    value: new Float64Array(buffer, count * 8, count),
    flags: new Uint8Array(buffer, count * 20, count),
  };
}
