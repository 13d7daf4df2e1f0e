/** Data sets of others, as they were published, are read by configuration alone, to the last cell. */
import { existsSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '@fogline/shared/log';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it } from 'vitest';
import { loadAgentConfig } from '../config.ts';
import type { SourceBatch } from './batch-port.ts';
import type { FileDoor } from './file-door.ts';
import { openFile } from './file-source.ts';

const folder = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));
const utc = Date.UTC;

interface Read {
  readonly readings: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly series: readonly string[];
  readonly first: readonly [series: string, time: number, value: number];
}

/** Reads a file of the data sets by the configuration of its source. */
async function read(path: string, parse: string): Promise<Read> {
  const text = `version: 1
agent: { id: pi }
sources: { set: { file: { path: "${path}" }, parse: ${parse} } }
uplinks: { hub: { mqtt: { url: "mqtt://127.0.0.1" }, token: t } }
`;
  const { value, warnings } = loadAgentConfig({ text, name: 'a.yaml', folder }, {});
  expect(warnings).toEqual([]);
  const batches: SourceBatch[] = [];
  const clock = new ManualClock();
  const [source] = value.sources;
  if (source === undefined) throw new Error('no source');
  const opened: FileDoor = openFile({
    path: value.files[0]?.path ?? '',
    source,
    ingest: {
      submit(batch) {
        batches.push(batch);
        queueMicrotask(() => opened.release('set', batch.tokens));
      },
    },
    progress: {},
    clock,
    log: silentLogger,
  });
  let hasEnded = false;
  void opened.ended.then(() => {
    hasEnded = true;
  });
  for (; !hasEnded; await nextTurn()) clock.advance(10);
  expect(opened.counters()).toMatchObject({ done: 1, failed: 0, long_lines: 0 });
  const definitions = batches.flatMap(({ newSeries }) => newSeries);
  const names = definitions.map(({ device, metric, tags }) => [device, metric, ...tags.flat()].join(' '));
  const { readings, rejected } = opened.sourceCounters('set');
  const columns = batches.find((batch) => batch.columns.count > 0)?.columns;
  const first = [names[columns?.series[0] ?? 0] ?? '', columns?.time[0] ?? 0, columns?.value[0] ?? 0] as const;
  return { readings, rejected, series: names, first };
}

describe.skipIf(!existsSync(folder))('the data set', () => {
  it('uci_air_quality, with its -200 and its date and time', async () => {
    const path = 'uci_air_quality/AirQuality.csv';
    const time = 'time: { field: [Date, Time], unit: iso, zone: Europe/Rome }';
    expect(await read(path, `{ csv: auto, missing: [-200], ${time} }`)).toMatchObject({
      readings: 9_357 * 13 - 16_701,
      rejected: { missing_marker: 16_701 },
      first: ['set CO(GT)', utc(2004, 2, 10, 17), 2.6],
    });
    const rounded = await read(
      'uci_air_quality/air_quality_rounded.csv',
      '{ csv: auto, time: { field: ts, unit: iso, zone: Europe/Rome } }',
    );
    expect(rounded).toMatchObject({ readings: 9_357 * 13 - 16_701, rejected: { field_missing: 16_701 } });
  });

  it('wind_farm, with dates that have no leading zeros', async () => {
    const time = 'time: { field: date, format: "YYYY/M/D H:mm", zone: Asia/Shanghai }';
    expect(await read('wind_farm/wind.csv', `{ csv: auto, ${time} }`)).toMatchObject({
      readings: 48_673 * 7,
      rejected: {},
      first: ['set pred_w_speed', utc(2019, 11, 31, 16), 5.1],
    });
  });

  it('ulb_library_motes, whose rows name the node, and links their two', async () => {
    const time = 'time: { field: ts_ms, unit: ms }';
    const motes = await read(
      'ulb_library_motes/library1_readings_R1.csv',
      `{ csv: auto, device: node, skip: [seq], ${time} }`,
    );
    expect(motes).toMatchObject({
      readings: 7_563 * 6,
      rejected: {},
      first: ['20 internal_temp_c', 1_163_438_041_250, 21.21],
    });
    expect(motes.series.length).toBe(19 * 6);
    const links = `{ csv: auto, device: node, tags: [src_node], skip: [seq, packet], ${time} }`;
    expect(await read('ulb_library_motes/library1_links_N1.csv', links)).toMatchObject({
      readings: 127_903 * 2,
      rejected: {},
      first: ['16 lqi_raw src_node 13', 1_163_438_002_000, 8],
    });
  });

  it('ulb_library_motes as it came: decimal commas, no header, bytes that are no UTF-8', async () => {
    const columns = 'columns: [ts, node, seq, internal_temp, internal_voltage, humidity, temperature, par, tsr]';
    const dialect = `separator: " ", decimal: ",", ${columns}`;
    const raw = `{ csv: auto, ${dialect}, device: node, skip: [seq], time: { field: ts, unit: ms } }`;
    expect(await read('ulb_library_motes/raw_library1/R3.txt', raw)).toMatchObject({
      readings: 11_029 * 6,
      rejected: {},
      first: ['20 internal_temp', 1_163_497_985_546, 21.21],
    });
  });

  it('ims_bearing, whose column of times has no name', async () => {
    const columns = 'columns: [time, bearing_1, bearing_2, bearing_3, bearing_4], header: true';
    const time = 'time: { field: time, unit: iso, zone: America/New_York }';
    expect(
      await read('ims_bearing/merged_dataset_BearingTest_2.csv', `{ csv: auto, ${columns}, ${time} }`),
    ).toMatchObject({
      readings: 984 * 4,
      rejected: {},
      first: ['set bearing_1', utc(2004, 1, 12, 15, 32, 39), 0.05833287758191319],
    });
  });
});
