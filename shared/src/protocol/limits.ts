/** Lanes and the bounds of every message of sync protocol v1. */

/** Lanes are priority classes; a lower number is sent first. */
export const lanes = ['alarm', 'high', 'normal', 'low'] as const;
export type LaneName = (typeof lanes)[number];
export type Lane = 0 | 1 | 2 | 3;
export const laneCount = lanes.length;

export const protocolLimits = {
  seqMax: Number.MAX_SAFE_INTEGER,
  epochsPerPageMax: 64,
  pagesMax: 4096,
  rangesPerLaneMax: 256,
  seriesPerMessageMax: 1000,
  seriesIdMax: 0x7fff_ffff,
  nameCharactersMax: 256,
  tagsMax: 16,
  partsPerBatchMax: 4096,
  /** Items in one batch; also the most a hub decodes at once. */
  itemsPerBatchMax: 262_144,
  voidStatsMax: 1000,
  voidHoursMax: 1000,
  ledgerRowsPerMessageMax: 500,
  countersMax: 100,
  timeMax: 8_640_000_000_000_000,
  /** Event hours: `timeMax` in hours, so that every hour is a time. */
  hourMax: 2_400_000_000,
} as const;
