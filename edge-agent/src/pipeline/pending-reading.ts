/** A reading that an operator holds back until it knows whether it goes on: one per series, as plain values that are saved. */
export interface Reading {
  time: number;
  value: number;
  /** '' unless `flags` say text. */
  text: string;
  flags: number;
}

export type PackedReading = [time: number, value: number, text: string, flags: number];

export const packReading = ({ time, value, text, flags }: Reading): PackedReading => [time, value, text, flags];

export const unpackReading = ([time, value, text, flags]: PackedReading): Reading => ({ time, value, text, flags });
