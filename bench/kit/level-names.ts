/** How figures name the roll-ups of the hub. */

/** By the width of their rows in ms. */
export const levelNames: Readonly<Record<number, string>> = {
  10_000: '10 s',
  60_000: '1 min',
  900_000: '15 min',
  86_400_000: '1 d',
};
