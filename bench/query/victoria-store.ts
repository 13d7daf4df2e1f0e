/** The store of victoria-metrics: the same readings, imported series by series, its parts merged to the end. */
import { mkdirSync } from 'node:fs';
import type { Figures } from '../kit/figures.ts';
import { pause } from '../kit/running.ts';
import { Victoria } from '../kit/victoria.ts';
import type { Content, Gateway } from './content.ts';
import { bytesOfFolder, kept } from './folders.ts';

const bodyCharactersMax = 4_000_000;
const hoursPerLine = 24;
const mergedPollMs = 500;

/** Its folder; built there when it is missing. */
export async function victoriaStoreIn(data: string, content: Content): Promise<string> {
  return await kept(data, 'victoria', content, 1, (folder) => build(folder, content));
}

async function build(folder: string, content: Content): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const victoria = await Victoria.start(folder);
  for (let hour = 0; hour < content.hours; hour += hoursPerLine) {
    let body = '';
    for (const gateway of content.gateways) {
      for (const line of linesOf(content, gateway, hour)) {
        body += line;
        if (body.length < bodyCharactersMax) continue;
        await victoria.post('/api/v1/import', body);
        body = '';
      }
    }
    if (body !== '') await victoria.post('/api/v1/import', body);
  }
  await victoria.flush();
  await victoria.get('/internal/force_merge');
  // The first look may come before it has begun.
  do await pause(mergedPollMs);
  while (/^vm_active_(?:force_)?merges(?:\{[^}]*\})? [1-9]/m.test(await victoria.get('/metrics')));
  await victoria.stop();
}

/** One a series and day. */
function* linesOf(content: Content, gateway: Gateway, firstHour: number): Generator<string> {
  const hours = Array.from({ length: hoursPerLine }, (_, index) => content.hourOf(gateway, firstHour + index));
  const filled = hours.filter(({ count }) => count > 0);
  if (filled.length === 0) return;
  for (const [own, device] of gateway.devices.entries()) {
    const values: number[] = [];
    const timestamps: number[] = [];
    for (const { count, time, value } of filled) {
      const each = count / gateway.devices.length;
      for (let row = own * each; row < (own + 1) * each; row++) {
        values.push(value[row] ?? 0);
        timestamps.push(time[row] ?? 0);
      }
    }
    const metric = { __name__: gateway.metric, agent: gateway.agent, device };
    yield `${JSON.stringify({ metric, values, timestamps })}\n`;
  }
}

export function addVictoriaFigures(folder: string, readings: number, figures: Figures): void {
  figures.add('victoria-metrics', 'a reading, everything in its folder', 'B', bytesOfFolder(folder) / readings);
}
