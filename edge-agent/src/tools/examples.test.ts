/** The configurations of docs/examples on the real data that they were written for, against plain computations over the files. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fogline } from '../testing/command-line.ts';

const data = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));
const examples = fileURLToPath(new URL('../../../docs/examples/', import.meta.url));

interface Line {
  readonly kind: string;
  readonly stream?: string;
  readonly time?: string;
  readonly start?: string;
  readonly metric?: string;
  readonly value?: number | string;
  readonly count?: number;
  readonly mean?: number;
  readonly max?: number;
}

/** What `fogline-agent test` prints, and the cells of the file by the names of its columns. */
async function run(example: string, file: string, topic: string): Promise<{ lines: Line[]; rows: string[][] }> {
  const csv = `${data}${file}`;
  const { code, out, err } = await fogline('test', `${examples}${example}.yaml`, '--csv', csv, '--topic', topic);
  expect([code, err]).toEqual([0, expect.any(String)]);
  const lines = out.split('\n').map((line) => JSON.parse(line) as Line);
  const rows = readFileSync(csv, 'utf8').trimEnd().split(/\r?\n/).slice(1);
  return { lines, rows: rows.map((row) => row.split(',')) };
}

const of = (lines: readonly Line[], stream: string): Line[] => lines.filter((line) => line.stream === stream);
const alarmsOf = (lines: readonly Line[]): string[] =>
  of(lines, 'alarms').map(({ time, metric, value }) => `${time} ${metric} ${value}`);

/** Years of readings, each through the whole agent. */
const timeout = 300_000;

it.each(['air-quality', 'wind-farm', 'library-motes', 'bearing'])('%s is accepted without a warning', async (name) => {
  const { code, out, err } = await fogline('check', '--strict', '--skip-files', `${examples}${name}.yaml`);
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('Pipeline');
});

describe.skipIf(!existsSync(data))('on its data (skipped where the data sets are not beside the project)', () => {
  it('air quality: every cell but the markers is a reading, and days are what their hours say', {
    timeout,
  }, async () => {
    const { lines, rows } = await run('air-quality', 'uci_air_quality/AirQuality.csv', 'stations/road/air');
    const cells = [2, 5, 9, 12, 13].flatMap((column) => rows.map((row) => Number(row[column])));
    expect(of(lines, 'hourly')).toHaveLength(cells.filter((value) => value !== -200).length);
    // Days are of UTC, hours of the station, an hour ahead of it.
    const day = Date.UTC(2004, 7, 10);
    const benzene = rows
      .filter(
        ([date, time]) => Math.floor((Date.parse(`${date}T${time}Z`) - 3_600_000) / 86_400_000) * 86_400_000 === day,
      )
      .map((row) => Number(row[5]))
      .filter((value) => value !== -200);
    const window = of(lines, 'daily').find(
      ({ metric, start }) => metric === 'benzene' && start === new Date(day).toISOString(),
    );
    expect(benzene.length).toBeGreaterThan(20);
    expect(window?.max).toBe(Math.max(...benzene));
    expect(window?.mean).toBeCloseTo(benzene.reduce((sum, value) => sum + value, 0) / benzene.length, 9);
    const high = alarmsOf(lines);
    expect(high.filter((line) => line.endsWith(' active')).length).toBeGreaterThan(10);
  });

  it('wind farm: lines keep every reading of the wind within half a metre a second', { timeout }, async () => {
    const { lines, rows } = await run('wind-farm', 'wind_farm/wind.csv', 'farm/north/scada');
    const corners = of(lines, 'line').filter(({ metric }) => metric === 'wind');
    expect(corners.length).toBeLessThan(rows.length / 2);
    let at = 0;
    let worst = 0;
    for (const [date = '', , , , , , wind] of rows) {
      const [day = '', clock = ''] = date.split(' ');
      const [year = 0, month = 1, dayOfMonth = 1] = day.split('/').map(Number);
      const [hour = 0, minute = 0] = clock.split(':').map(Number);
      const time = Date.UTC(year, month - 1, dayOfMonth, hour - 8, minute);
      while (at + 1 < corners.length && Date.parse(corners[at + 1]?.time ?? '') < time) at++;
      const [from, to] = [corners[at], corners[at + 1] ?? corners[at]];
      const [t0, t1] = [Date.parse(from?.time ?? ''), Date.parse(to?.time ?? '')];
      const [v0, v1] = [Number(from?.value), Number(to?.value)];
      const share = t1 === t0 ? 0 : (time - t0) / (t1 - t0);
      worst = Math.max(worst, Math.abs(v0 + (v1 - v0) * share - Number(wind)));
    }
    expect(worst).toBeLessThanOrEqual(0.5);
    expect(alarmsOf(lines)[0]).toMatch(/ storm active$/);
  });

  it('library motes: quarters count every packet that came, and a mote that fell silent is told', {
    timeout,
  }, async () => {
    const file = 'ulb_library_motes/library1_readings_R1.csv';
    const { lines, rows } = await run('library-motes', file, 'motes/{node}/data');
    const counted = of(lines, 'quarters').reduce((sum, { count = 0 }) => sum + count, 0);
    expect(counted).toBe(rows.length * 3);
    expect(alarmsOf(lines).every((line) => / silent (active|cleared)$/.test(line))).toBe(true);
  });

  it('bearing: wear is told two days before the failure', { timeout }, async () => {
    const { lines, rows } = await run('bearing', 'ims_bearing/merged_dataset_BearingTest_2.csv', 'rig/shaft/vibration');
    expect(of(lines, 'raw')).toHaveLength(rows.length * 4);
    const alarms = alarmsOf(lines);
    expect(alarms.slice(0, 2)).toEqual([
      '2004-02-17T12:52:39.000Z wearing active',
      '2004-02-19T08:42:39.000Z failing active',
    ]);
  });
});
