/** The hub's store of this benchmark: written by the hub's own ingest, and kept by its upkeep until nothing is left to do. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HubCore } from '@fogline/cloud-hub/ingest/hub-core';
import { levels } from '@fogline/cloud-hub/store/levels';
import { keptForEver } from '@fogline/cloud-hub/store/retention';
import { hubDatabase, openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { definition, FixtureAgent } from '@fogline/cloud-hub/testing/store-fixture';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { encodeBatch } from '@fogline/shared/protocol/messages';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import type { Figures } from '../kit/figures.ts';
import { levelNames } from '../kit/level-names.ts';
import { type Content, dayMs, hourMs, startMs } from './content.ts';
import { kept } from './folders.ts';

const hoursPerUpkeep = 6;
/** After which every span but those of days is over. */
const restMs = 60 * dayMs;

/** Its folder; built there when it is missing. */
export async function hubStoreIn(data: string, content: Content): Promise<string> {
  return await kept(data, 'hub', content, hubDatabase.schemaVersion, (folder) => build(folder, content));
}

function build(folder: string, content: Content): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const db = openHubDatabase(join(folder, 'hub.db'), { cacheKib: 524_288 });
  // Nobody needs what a power cut would leave of it.
  db.exec('PRAGMA synchronous = OFF');
  const clock = new ManualClock(startMs);
  const core = new HubCore(db, { clock, send: () => undefined }, { retention: keptForEver });
  const senders = content.gateways.map((gateway, index) => {
    const definitions = gateway.devices.map((device) => definition({ metric: gateway.metric, device }));
    const agent = new FixtureAgent(core, gateway.agent, definitions, (index + 1).toString(16).padStart(16, '0'));
    return { gateway, agent, next: 1 };
  });
  for (let hour = 0; hour < content.hours; hour++) {
    for (const sender of senders) {
      const columns = content.hourOf(sender.gateway, hour);
      if (columns.count === 0) continue;
      const { agent, epoch } = sender.agent;
      const range = { lane: 2 as const, first: sender.next, last: sender.next + columns.count - 1 };
      sender.next += columns.count;
      const parts = [{ kind: 'readings' as const, bytes: encodeReadings(columns, 'fast') }];
      sender.agent.submit('batch', encodeBatch({ agent, epoch, ...range, parts }));
    }
    clock.advance(hourMs);
    if (hour % hoursPerUpkeep < hoursPerUpkeep - 1) continue;
    while (core.upkeep());
    if (hour % 24 === 23) console.error(`  day ${(hour + 1) / 24} of ${content.size.days}`);
  }
  core.fold();
  clock.advance(restMs);
  while (core.upkeep());
  db.checkpointWal();
  db.close();
}

/** What a row and a reading cost on disk. */
export function addStoreFigures(folder: string, readings: number, figures: Figures): void {
  const db = openHubDatabase(join(folder, 'hub.db'), { readOnly: true });
  const number = (sql: string): number => db.prepare<{ n: number | null }>(sql).get()?.n ?? 0;
  const add = (figure: string, unit: string, value: number): void => figures.add('store', figure, unit, value);
  add('a reading, raw, merged', 'B', number('SELECT sum(length(payload)) AS n FROM batches') / readings);
  for (const level of levels) {
    const rows = number(`SELECT sum(rows) AS n FROM rollup_blocks WHERE level = ${level}`);
    const packed = number(`SELECT sum(length(packed)) AS n FROM rollup_blocks WHERE level = ${level}`);
    if (rows > 0) add(`a packed roll-up of ${levelNames[level]}`, 'B', packed / rows);
    if (rows > 0) add(`packed roll-ups of ${levelNames[level]}`, 'rows', rows);
    const left = number(`SELECT count(*) AS n FROM rollups WHERE level = ${level}`);
    if (left > 0) add(`roll-ups of ${levelNames[level]}, not packed`, 'rows', left);
  }
  add('a reading, everything in the database', 'B', db.usedBytes() / readings);
  add('the database', 'MiB', db.usedBytes() / 2 ** 20);
  db.close();
}
