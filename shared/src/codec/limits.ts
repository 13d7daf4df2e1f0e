/** Limits of a blob of readings: encoding asserts them, decoding refuses with `codec_corrupt` what exceeds them. */
export const readingsLimits = {
  /** Rows of one blob. */
  countMax: 1 << 20,
  /** Distinct series of one blob. */
  seriesMax: 1 << 20,
  /** Bytes of one blob. */
  bytesMax: 1 << 26,
  /** Entries of the string table. */
  stringsMax: 1 << 16,
  /** Bytes of the whole string table, inflated. */
  stringBytesMax: 1 << 24,
} as const;
