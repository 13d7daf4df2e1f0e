/** The readings of a page, by what its agent calls their series. A page is taken whole or not at all. */
import { decodeReadings, readReadingsHeader } from '@fogline/shared/codec/readings';
import { FoglineError } from '@fogline/shared/errors';
import type { Answer, Query, RawName } from '@fogline/shared/protocol/raw-query';
import { flagQualityMask, flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';

export interface EdgeReading {
  readonly timeMs: number;
  readonly value: number | string;
  /** 0 good, 1 uncertain, 2 bad. */
  readonly quality: number;
}

export interface EdgeSeries {
  readonly definition: SeriesDefinition;
  readonly readings: EdgeReading[];
}

/** What texts of one page take; an agent ends a page long before. */
const textCharactersMax = 1_048_576;

export const nameKey = ({ device, metric, tags }: RawName): string => JSON.stringify([device, metric, tags]);

/**
 * Adds the readings of a page to `into`, by definition, those that `isWanted`. Throws `message_invalid` and `codec_*` for what does not fit the
 * question, and adds nothing then.
 */
export function addPage(
  into: Map<string, EdgeSeries>,
  { definitions, block }: Answer,
  query: Query,
  isWanted: (quality: number) => boolean,
): { readonly read: number; readonly added: number } {
  if (block === undefined) return { read: 0, added: 0 };
  const { count, timeMin, timeMax } = readReadingsHeader(block);
  if (count > query.rowsMax) throw invalid(`${count} readings, ${query.rowsMax} were asked for`);
  if (count > 0 && (timeMin < query.fromMs || timeMax >= query.toMs)) throw invalid('readings outside the range');
  const asked = new Set(query.names.map(nameKey));
  if (!definitions.every((definition) => definition.kind === 'reading' && asked.has(nameKey(definition))))
    throw invalid('a series that was not asked for');
  const columns = decodeReadings(block);
  if (columns.series.subarray(0, count).some((id) => id >= definitions.length)) throw invalid('an undefined series');
  if (columns.strings.reduce((sum, text) => sum + text.length, 0) > textCharactersMax)
    throw invalid('texts without end');
  let added = 0;
  for (const [id, definition] of definitions.entries()) {
    const key = JSON.stringify(definition);
    const series = into.get(key) ?? { definition, readings: [] };
    into.set(key, series);
    for (let row = columns.series.indexOf(id); row >= 0 && row < count && columns.series[row] === id; row++) {
      const reading = readingAt(columns, row);
      if (!isWanted(reading.quality)) continue;
      series.readings.push(reading);
      added++;
    }
  }
  return { read: count, added };
}

function readingAt({ time, value, flags, strings }: ReadingColumns, row: number): EdgeReading {
  const rowFlags = flags[row] ?? 0;
  const stored = value[row] ?? 0;
  return {
    timeMs: time[row] ?? 0,
    value: (rowFlags & flagText) === 0 ? stored : (strings[stored] ?? ''),
    quality: rowFlags & flagQualityMask,
  };
}

function invalid(what: string): FoglineError {
  return new FoglineError('message_invalid', `answer: ${what}`);
}
